// SPDX-License-Identifier: BSD-2-Clause
//
// The header before each packet, struct virtio_net_hdr (virtio 1.4, 5.1.9). All fields are little-endian.

package enum NetHeaderLayout {
  /// Bytes without VERSION_1 and MRG_RXBUF: no num_buffers.
  @inline(__always) package static var legacyBytes: Int { 10 }
  /// Bytes with VERSION_1 or MRG_RXBUF.
  @inline(__always) package static var bytes: Int { 12 }
  /// Bytes with HASH_REPORT.
  @inline(__always) package static var bytesWithHash: Int { 20 }

  @inline(__always) package static var flags: Int { 0 }
  /// gso_type
  @inline(__always) package static var segmentation: Int { 1 }
  /// hdr_len
  @inline(__always) package static var headerLength: Int { 2 }
  /// gso_size
  @inline(__always) package static var segmentSize: Int { 4 }
  /// csum_start
  @inline(__always) package static var checksumStart: Int { 6 }
  /// csum_offset
  @inline(__always) package static var checksumOffset: Int { 8 }
  /// num_buffers
  @inline(__always) package static var bufferCount: Int { 10 }
  /// hash_value
  @inline(__always) package static var hash: Int { 12 }
  /// hash_report
  @inline(__always) package static var hashReport: Int { 16 }
}

/// Bits of the header's flags.
package enum NetHeaderFlag {
  /// NEEDS_CSUM: the checksum from csum_start on has to be put in at csum_offset.
  @inline(__always) package static var needsChecksum: UInt8 { 1 }
  /// DATA_VALID: the checksum was found right.
  @inline(__always) package static var dataValid: UInt8 { 2 }
}

/// Values of gso_type: what a packet is to be cut into, or was joined of.
package enum Segmentation {
  @inline(__always) package static var none: UInt8 { 0 }
  @inline(__always) package static var tcp4: UInt8 { 1 }
  /// UFO: fragments of one UDP datagram. Neither side here has it.
  @inline(__always) package static var fragments: UInt8 { 3 }
  @inline(__always) package static var tcp6: UInt8 { 4 }
  /// UDP_L4: datagrams, each with a header of its own.
  @inline(__always) package static var udp: UInt8 { 5 }
  /// ECN: set beside a TCP value if the packet has ECN.
  @inline(__always) package static var ecn: UInt8 { 0x80 }
}
