// SPDX-License-Identifier: BSD-2-Clause
//
// The split ring of a transmit queue: sent buffers are taken back along the used ring, new ones posted along the table.

import CLinux
import Linux

extension SplitRing: TransmitRing {
  /// Reads the next used entry, or, with IN_ORDER, predicts it: everything before the used index was sent in posting
  /// order.
  @inline(__always)
  mutating func nextSent() -> UInt32 {
    Order.isInOrder ? UInt32(truncatingIfNeeded: sentPlace) : readUsed().id
  }

  @inline(__always) var sentPlace: Int { Int(idle.tail) & mask }

  @inline(__always)
  func sentRun(_ most: Int) -> Int { min(min(most, pending), mask &+ 1 &- max(usedPlace, sentPlace)) }

  @inline(__always)
  func isSent(_ ahead: Int) -> Bool {
    if Order.isInOrder { return true }
    return UInt32(truncatingIfNeeded: entry(usedPlace &+ ahead)) == UInt32(truncatingIfNeeded: sentPlace &+ ahead)
  }

  @inline(__always)
  func prefetchUsed(_ count: Int) {}

  /// Nil always: the index says all that there is to know.
  @inline(__always)
  func lookAhead(_ count: Int, atLeast least: Int) -> Int? { nil }

  @inline(__always)
  mutating func passSent(_ count: Int) {
    lastUsed &+= count
    idle.tail &+= UInt16(truncatingIfNeeded: count)
  }

  @inline(__always) var idlePlace: Int { Int(idle.head) & mask }

  @inline(__always) var idleRun: Int { min(idleCount, mask &+ 1 &- max(idlePlace, nextAvailable & mask)) }

  @inline(__always)
  func claimIdle(_ count: Int) {}

  @inline(__always)
  func postInRun(_ ahead: Int, address: UInt64, length: UInt32) {
    let id = idlePlace &+ ahead
    write(id, address, length, 0, 0)
    offer(id, at: nextAvailable & mask &+ ahead)
  }

  @inline(__always)
  static func passPosted(_ count: Int, _ state: inout RingState) {
    state.nextAvailable &+= UInt16(truncatingIfNeeded: count)
    state.idle.head &+= UInt16(truncatingIfNeeded: count)
  }

  @inline(__always)
  mutating func link(
    _ id: Int, place: Int, head: Int, address: UInt64, length: UInt32, flags: UInt16, next: UInt16
  ) {
    write(id, address, length, flags, next)
  }
}
