// SPDX-License-Identifier: BSD-2-Clause
//
// Walking through the data of a packet, whichever segments it lies in.

import CLinux
import CVionet
import Linux

/// A place in the data of a packet, for reading from it in order.
struct DataCursor {
  private(set) var segment: Packet?
  /// Bytes of the segment that lie before the place.
  private(set) var passed: UInt32 = 0

  init(_ head: Packet) { segment = head }

  /// The next bytes that lie in one piece, at most `most`; nil at the end. Passes them.
  @inline(__always)
  mutating func next(_ most: Int) -> (segment: Packet, offset: UInt32, count: Int)? {
    while let packet = segment {
      let left = packet.length &- passed
      if packet.length <= passed {
        segment = packet.next
        passed = 0
        continue
      }
      let count = min(most, Int(left))
      let offset = passed
      passed &+= UInt32(truncatingIfNeeded: count)
      return (packet, offset, count)
    }
    return nil
  }

  mutating func skip(_ count: Int) {
    var left = count
    while left > 0, let piece = next(left) { left &-= piece.count }
  }
}
