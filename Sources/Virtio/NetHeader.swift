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
  /// Bytes with GUEST_UDP_TUNNEL_GSO or HOST_UDP_TUNNEL_GSO; the hash's place is there with and without HASH_REPORT.
  @inline(__always) package static var bytesWithTunnel: Int { 24 }

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
  /// outer_th_offset
  @inline(__always) package static var outerTransport: Int { 20 }
  /// inner_nh_offset
  @inline(__always) package static var innerNetwork: Int { 22 }
}

/// Bits of the header's flags.
package enum NetHeaderFlag {
  /// NEEDS_CSUM: the checksum from csum_start on has to be put in at csum_offset.
  @inline(__always) package static var needsChecksum: UInt8 { 1 }
  /// DATA_VALID: the checksum was found right.
  @inline(__always) package static var dataValid: UInt8 { 2 }
  /// RSC_INFO: csum_start and csum_offset count the segments that were joined; only with RSC_EXT.
  @inline(__always) package static var segmentInformation: UInt8 { 4 }
  /// UDP_TUNNEL_CSUM: what the other two say is true of the tunnel's own checksum too.
  @inline(__always) package static var tunnelChecksum: UInt8 { 8 }
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
  /// UDP_TUNNEL_IPV4, UDP_TUNNEL_IPV6: set beside another value if the packet lies in a UDP tunnel over that IP.
  @inline(__always) package static var tunnel4: UInt8 { 0x20 }
  @inline(__always) package static var tunnel6: UInt8 { 0x40 }
  @inline(__always) package static var tunnels: UInt8 { tunnel4 | tunnel6 }
  /// ECN: set beside a TCP value if the packet has ECN.
  @inline(__always) package static var ecn: UInt8 { 0x80 }
}

/// Where the headers of a packet in a UDP tunnel lie, from the first byte of the frame (virtio 1.4, 5.1.9).
package struct TunnelOffsets: Sendable, Equatable {
  /// The tunnel's UDP header.
  package var outerTransport: UInt16 = 0
  /// The IP header of the packet inside.
  package var innerNetwork: UInt16 = 0

  @inline(__always)
  package init(outerTransport: UInt16 = 0, innerNetwork: UInt16 = 0) {
    self.outerTransport = outerTransport
    self.innerNetwork = innerNetwork
  }

  /// True if these can be the places of headers of a packet whose segmentation type is `type` and whose inner transport
  /// header begins at `transport`: behind one another, with room for each, and in a frame of `total` bytes. Linux
  /// compares the same (virtio_net_hdr_tnl_to_skb).
  package func fit(_ type: UInt8, transport: UInt16, total: UInt32) -> Bool {
    let outerNetwork: UInt32 = type & Segmentation.tunnel6 != 0 ? 40 : 20
    let inner: UInt32 = type & 7 == Segmentation.tcp6 ? 40 : 20
    let udp: UInt32 = 8
    return UInt32(outerTransport) >= 14 + outerNetwork && UInt32(innerNetwork) >= UInt32(outerTransport) + udp
      && UInt32(transport) >= UInt32(innerNetwork) + inner && UInt32(transport) < total
  }

  /// True if a type asks for segments of a packet in one tunnel, and names what is to be cut: TCP, or UDP with a header
  /// for each datagram.
  package static func isSound(_ type: UInt8) -> Bool {
    let tunnel = type & Segmentation.tunnels
    let base = type & ~(Segmentation.tunnels | Segmentation.ecn)
    return tunnel != 0 && tunnel != Segmentation.tunnels
      && (base == Segmentation.tcp4 || base == Segmentation.tcp6 || base == Segmentation.udp)
  }
}
