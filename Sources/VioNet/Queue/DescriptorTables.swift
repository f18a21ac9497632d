// SPDX-License-Identifier: BSD-2-Clause
//
// Tables of indirect descriptors (virtio 1.4, 2.7.5.3 and 2.8.7): one table behind the ring for each of its
// descriptors, so that a packet of several segments, or a frame of several buffers, takes one place.

import CLinux
import Linux
import Virtio

struct DescriptorTables {
  /// The first table; the one of descriptor `id` follows `id` tables later.
  let base: Shared
  /// Address of the first table for the device.
  let deviceAddress: UInt64
  /// Number of descriptors in each table.
  let length: Int

  @inline(__always) private var bytes: Int { length &* RingFormat.descriptorBytes }

  /// The table of one descriptor.
  @inline(__always)
  func table(_ id: Int) -> Shared { base.advanced(id &* bytes) }

  /// Writes one descriptor of a table. A split ring's table is a chain; a packed one's is read in order.
  @inline(__always)
  static func write<R: Ring & ~Copyable>(
    _: R.Type, _ table: Shared, _ place: Int, isLast: Bool, address: UInt64, length: UInt32, flags: UInt16
  ) {
    let flags = UInt64(flags)
    var word = UInt64(length)
    if R.isPacked {
      word |= flags << 48
    } else {
      word |= flags << 32
      if !isLast { word |= UInt64(DescriptorFlag.next) << 32 | UInt64(truncatingIfNeeded: place &+ 1) << 48 }
    }
    let at = place &* RingFormat.descriptorBytes
    table.store64(at, address)
    table.store64(at &+ 8, word)
  }

  /// Gives the device the first `count` descriptors of a table as one buffer.
  @inline(__always)
  func post<R: Ring & ~Copyable>(_ id: Int, count: Int, _ ring: inout R) {
    ring.post(
      id, address: deviceAddress &+ UInt64(truncatingIfNeeded: id &* bytes),
      length: UInt32(truncatingIfNeeded: count &* RingFormat.descriptorBytes),
      flags: DescriptorFlag.indirect, next: 0, descriptors: 1)
  }
}
