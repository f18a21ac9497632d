// SPDX-License-Identifier: BSD-2-Clause
//
// Where the parts of a ring lie. Split (virtio 1.4, 2.7): descriptor table, available ring, used ring. Packed (2.8):
// the descriptor ring, the driver's and the device's event structure. Each part has cache lines of its own, since
// driver and device write to different ones. Tables of indirect descriptors follow where they are wanted.

import Virtio

struct RingLayout {
  let size: Int
  /// The one block of a device from before virtio 1.0 (2.7.2): the used ring begins on a page of its own.
  var isLegacy = false
  var isPacked = false
  /// Number of descriptors in each table of indirect descriptors behind the rings; 0 for no tables.
  var tableDescriptors = 0

  /// Number of descriptors in one table for sending: two cache lines, for packets of up to that many segments.
  static let indirectDescriptors = 8

  var descriptors: Int { 0 }
  /// Offset of the available ring, or of the driver's event structure.
  var available: Int { isLegacy ? size * RingFormat.descriptorBytes : up(size * RingFormat.descriptorBytes) }
  /// Offset of the used ring, or of the device's event structure.
  ///
  /// The available ring before it has flags, index, entries and used_event. The used ring's flags and index end a cache
  /// line, so that its elements of 8 bytes begin one and none crosses a page: QEMU 7.2 behind an IOMMU loses the second
  /// half of an element that does.
  var used: Int { isPacked ? available + 64 : up(available + 6 + size * 2) + (isLegacy ? 0 : 60) }
  var indirect: Int { isPacked ? used + 64 : up(used + 6 + size * RingFormat.usedElementBytes) }
  var bytes: Int { indirect + up(size * tableDescriptors * RingFormat.descriptorBytes) }

  /// Where a ring may begin, and how its parts are rounded up.
  var alignment: Int { isLegacy ? 4096 : 64 }

  private func up(_ bytes: Int) -> Int { (bytes + alignment - 1) & ~(alignment - 1) }
}
