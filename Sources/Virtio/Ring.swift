// SPDX-License-Identifier: BSD-2-Clause
//
// What split rings (virtio 1.4, 2.7) and packed rings (2.8) are made of: sizes, offsets, flags.

package enum RingFormat {
  /// Entries of the largest ring of either kind.
  @inline(__always) package static var largest: Int { 32768 }

  // MARK: Descriptors (2.7.5, 2.8.13)

  /// Bytes of a descriptor of either kind of ring, in the ring or in an indirect table.
  @inline(__always) package static var descriptorBytes: Int { 16 }
  /// The second eight bytes. Split: length, flags, next. Packed: length, id, flags.
  @inline(__always) package static var wordOffset: Int { 8 }
  /// The flags of a packed descriptor.
  @inline(__always) package static var packedFlagsOffset: Int { 14 }

  // MARK: Available and used ring of a split ring (2.7.6, 2.7.8)

  @inline(__always) package static var flagsOffset: Int { 0 }
  @inline(__always) package static var indexOffset: Int { 2 }
  /// The first entry; the event index stands behind the last one.
  @inline(__always) package static var elementsOffset: Int { 4 }
  @inline(__always) package static var availableElementBytes: Int { 2 }
  @inline(__always) package static var usedElementBytes: Int { 8 }
  /// Bytes of either ring without its entries: flags, index and event index.
  @inline(__always) package static var splitExtraBytes: Int { 6 }

  // MARK: Event suppression structures of a packed ring (2.8.14)

  @inline(__always) package static var eventBytes: Int { 4 }
  /// Ring offset in bits 0 to 14, wrap counter in bit 15.
  @inline(__always) package static var eventOffset: Int { 0 }
  @inline(__always) package static var eventFlagsOffset: Int { 2 }
  /// The wrap counter in a 16-bit position of a packed ring.
  @inline(__always) package static var wrapBit: UInt16 { 0x8000 }
}

/// Flags of a descriptor (2.7.5, 2.8.1).
package enum DescriptorFlag {
  /// NEXT: the chain goes on.
  @inline(__always) package static var next: UInt16 { 1 }
  /// WRITE: the device writes this buffer.
  @inline(__always) package static var write: UInt16 { 2 }
  /// INDIRECT: the buffer is a table of descriptors.
  @inline(__always) package static var indirect: UInt16 { 4 }
  /// AVAIL, of packed rings: equal to the driver's wrap counter when the descriptor is made available.
  @inline(__always) package static var available: UInt16 { 1 << 7 }
  /// USED, of packed rings: equal to AVAIL when the descriptor is used.
  @inline(__always) package static var used: UInt16 { 1 << 15 }
  /// AVAIL and USED.
  @inline(__always) package static var availableAndUsed: UInt16 { available | used }
}

/// Flags of a split ring's available and used ring, without EVENT_IDX.
package enum SplitFlag {
  /// VRING_AVAIL_F_NO_INTERRUPT: the driver wants no interrupts (2.7.7).
  @inline(__always) package static var noInterrupt: UInt16 { 1 }
  /// VRING_USED_F_NO_NOTIFY: the device wants no notifications (2.7.10).
  @inline(__always) package static var noNotify: UInt16 { 1 }
}

/// Values of the flags in a packed ring's event suppression structure (2.8.14).
package enum EventFlag {
  @inline(__always) package static var enable: UInt16 { 0 }
  @inline(__always) package static var disable: UInt16 { 1 }
  /// DESC: a signal when the descriptor at the position is used or made available.
  @inline(__always) package static var atDescriptor: UInt16 { 2 }
}
