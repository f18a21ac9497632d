// SPDX-License-Identifier: BSD-2-Clause
//
// Where the three parts of a split ring lie (virtio 1.4, 2.7): descriptor table, available ring, used ring, each on
// cache lines of its own, since driver and device write to different ones.

struct RingLayout {
  let size: Int

  /// Element sizes and the offsets of the fields before the rings' elements.
  static let descriptorBytes = 16
  static let usedElementBytes = 8
  static let elementsOffset = 4
  static let indexOffset = 2
  static let flagsOffset = 0

  var descriptors: Int { 0 }
  var available: Int { RingLayout.lines(size * RingLayout.descriptorBytes) }
  /// Flags, index, the entries, and used_event behind them.
  var used: Int { available + RingLayout.lines(6 + size * 2) }
  var bytes: Int { used + RingLayout.lines(6 + size * RingLayout.usedElementBytes) }

  private static func lines(_ bytes: Int) -> Int { (bytes + 63) & ~63 }
}
