// SPDX-License-Identifier: BSD-2-Clause
//
// The device's status (virtio 1.4, 2.1) and its configuration space, struct virtio_net_config (5.1.4).

/// Bits of the device status.
package enum DeviceStatus {
  @inline(__always) package static var acknowledge: UInt8 { 1 }
  @inline(__always) package static var driver: UInt8 { 2 }
  @inline(__always) package static var driverOK: UInt8 { 4 }
  @inline(__always) package static var featuresOK: UInt8 { 8 }
  @inline(__always) package static var suspend: UInt8 { 16 }
  @inline(__always) package static var needsReset: UInt8 { 64 }
  @inline(__always) package static var failed: UInt8 { 128 }
}

/// Offsets of the configuration's fields, all of them little-endian.
package enum ConfigLayout {
  /// mac, six bytes
  @inline(__always) package static var mac: Int { 0 }
  /// status, 16 bits
  @inline(__always) package static var status: Int { 6 }
  /// max_virtqueue_pairs, 16 bits
  @inline(__always) package static var pairs: Int { 8 }
  /// mtu, 16 bits
  @inline(__always) package static var mtu: Int { 10 }
  /// speed in Mbit/s, 32 bits
  @inline(__always) package static var speed: Int { 12 }
  /// duplex, 8 bits
  @inline(__always) package static var duplex: Int { 16 }
  /// rss_max_key_size, 8 bits
  @inline(__always) package static var hashKeyLength: Int { 17 }
  /// rss_max_indirection_table_length, 16 bits
  @inline(__always) package static var hashTableLength: Int { 18 }
  /// supported_hash_types, 32 bits
  @inline(__always) package static var hashTypes: Int { 20 }
}

/// Values of the configuration's duplex, as Linux and QEMU have them (5.1.4; 5.1.4.1 exchanges the first two).
package enum Duplex {
  @inline(__always) package static var half: UInt8 { 0 }
  @inline(__always) package static var full: UInt8 { 1 }
}

/// Bits of the configuration's status.
package enum LinkStatus {
  @inline(__always) package static var up: UInt16 { 1 }
  /// The driver is asked to announce itself.
  @inline(__always) package static var announce: UInt16 { 2 }
}

/// Bounds of the configuration's values (5.1.4.1).
package enum ConfigLimit {
  @inline(__always) package static var smallestMTU: UInt16 { 68 }
  @inline(__always) package static var mostPairs: UInt16 { 0x8000 }
}
