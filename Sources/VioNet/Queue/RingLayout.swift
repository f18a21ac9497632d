// SPDX-License-Identifier: BSD-2-Clause
//
// Where the three parts of a split ring lie (virtio 1.4, 2.7): descriptor table, available ring, used ring, each on
// cache lines of its own, since driver and device write to different ones.

struct RingLayout {
  let size: Int
  /// The one block of a device from before virtio 1.0 (2.7.2): the used ring begins a page.
  var isLegacy = false

  /// Element sizes and the offsets of the fields before the rings' elements.
  static let descriptorBytes = 16
  static let usedElementBytes = 8
  static let elementsOffset = 4
  static let indexOffset = 2
  static let flagsOffset = 0

  var descriptors: Int { 0 }
  var available: Int { isLegacy ? size * RingLayout.descriptorBytes : up(size * RingLayout.descriptorBytes) }
  /// Flags, index, the entries, and used_event behind them. The used ring's flags and index end a cache line, so that its
  /// elements of 8 bytes begin one and none lies across two pages: QEMU 7.2 loses the second half of such a one when an
  /// IOMMU stands between.
  var used: Int { up(available + 6 + size * 2) + (isLegacy ? 0 : 60) }
  var bytes: Int { up(used + 6 + size * RingLayout.usedElementBytes) }

  private func up(_ bytes: Int) -> Int {
    let unit = isLegacy ? 4096 : 64
    return (bytes + unit - 1) & ~(unit - 1)
  }
}
