// SPDX-License-Identifier: BSD-2-Clause
//
// Where the parts of a ring lie. Split (virtio 1.4, 2.7): descriptor table, available ring, used ring. Packed (2.8): the
// descriptor ring, the driver's and the device's event structure. Each on cache lines of its own, since driver and
// device write to different ones; and behind them, where they are wanted, tables of indirect descriptors.

import Virtio

struct RingLayout {
  let size: Int
  /// The one block of a device from before virtio 1.0 (2.7.2): the used ring begins a page.
  var isLegacy = false
  var isPacked = false
  /// In each table of indirect descriptors behind the rings; 0: no tables.
  var tableDescriptors = 0

  /// Descriptors in one table for sending: two cache lines, for packets of up to that many segments.
  static let indirectDescriptors = 8
  static let indirectBytes = indirectDescriptors * RingFormat.descriptorBytes

  var descriptors: Int { 0 }
  /// The available ring, or the driver's event structure.
  var available: Int { isLegacy ? size * RingFormat.descriptorBytes : up(size * RingFormat.descriptorBytes) }
  /// The used ring, or the device's event structure.
  ///
  /// Before the used ring: flags, index, the available entries, and used_event behind them. The used ring's flags and
  /// index end a cache line, so that its elements of 8 bytes begin one and none lies across two pages: QEMU 7.2 loses
  /// the second half of such a one when an IOMMU stands between.
  var used: Int { isPacked ? available + 64 : up(available + 6 + size * 2) + (isLegacy ? 0 : 60) }
  var indirect: Int { isPacked ? used + 64 : up(used + 6 + size * RingFormat.usedElementBytes) }
  var bytes: Int { indirect + up(size * tableDescriptors * RingFormat.descriptorBytes) }

  private func up(_ bytes: Int) -> Int {
    let unit = isLegacy ? 4096 : 64
    return (bytes + unit - 1) & ~(unit - 1)
  }
}
