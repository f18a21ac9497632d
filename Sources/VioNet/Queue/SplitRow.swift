// SPDX-License-Identifier: BSD-2-Clause
//
// The split ring by rows: what a device that keeps the order has used is replaced, taken back and posted along the tables.

import CLinux
import Linux
import Virtio

extension SplitRing {
  @inline(__always) var place: Int { lastUsed & mask }
  @inline(__always) var row: Int { mask &+ 1 &- place }

  @inline(__always)
  func entry(_ place: Int) -> UInt64 {
    usedRing.load64(RingFormat.elementsOffset &+ place &* RingFormat.usedElementBytes)
  }
  @inline(__always)
  static func length(_ entry: UInt64) -> UInt64 { entry >> 32 }
  @inline(__always)
  static func id(_ entry: UInt64) -> Int { Int(UInt32(truncatingIfNeeded: entry)) }
  @inline(__always)
  func isAccepted(_ entry: UInt64, _ place: Int, isStraight: Bool) -> Bool {
    let id = UInt32(truncatingIfNeeded: entry)
    return isStraight ? id == UInt32(truncatingIfNeeded: place) : id <= UInt32(truncatingIfNeeded: mask)
  }
  /// The expected id and the least length are taken off together: what is left of the id must be nothing, and neither
  /// the length nor what it leaves of the span negative.
  @inline(__always)
  func four(_ place: Int, _ bounds: LengthBounds) -> FourLengths? {
    let expected = UInt64(truncatingIfNeeded: place) &+ bounds.least << 32
    let both = SIMD2(repeating: bounds.span << 32)
    let first = SIMD2(entry(place), entry(place &+ 1)) &- SIMD2(expected, expected &+ 1)
    let second = SIMD2(entry(place &+ 2), entry(place &+ 3)) &- SIMD2(expected &+ 2, expected &+ 3)
    let wrong = first | (both &- first) | second | (both &- second)
    if (wrong[0] | wrong[1]) & 0x8000_0000_ffff_ffff != 0 { return nil }
    return FourLengths(first: first, second: second)
  }
  /// The index has announced all that is looked at.
  @inline(__always)
  func isStillEmpty(_ entry: UInt64) -> Bool { false }

  /// Length and flags of the descriptor are what they were, and in a straight row the available entry too.
  @inline(__always)
  func replace(_ id: Int, _ place: Int, isStraight: Bool, address: UInt64, length: UInt32) {
    descriptors.store64(id &* RingFormat.descriptorBytes, address)
    if !isStraight { offer(id, at: place) }
  }

  @inline(__always)
  static func passReplaced(_ count: Int, _ state: inout RingState) {
    let count = UInt16(truncatingIfNeeded: count)
    state.lastUsed &+= count
    state.nextAvailable &+= count
    // The ids came back and went out again: in a straight row they follow from these two.
    state.idle.tail &+= count
    state.idle.head &+= count
  }

  @inline(__always) var sentPlace: Int { Int(idle.tail) & mask }
  @inline(__always)
  func sentRow(_ most: Int) -> Int { min(min(most, pending), mask &+ 1 &- max(place, sentPlace)) }
  @inline(__always)
  func isSent(_ ahead: Int) -> Bool {
    if Order.isInOrder { return true }
    return UInt32(truncatingIfNeeded: entry(place &+ ahead)) == UInt32(truncatingIfNeeded: sentPlace &+ ahead)
  }
  @inline(__always)
  mutating func passSent(_ count: Int) {
    lastUsed &+= count
    idle.tail &+= UInt16(truncatingIfNeeded: count)
  }

  @inline(__always) var idlePlace: Int { Int(idle.head) & mask }
  @inline(__always) var idleRow: Int { min(idleCount, mask &+ 1 &- max(idlePlace, nextAvailable & mask)) }
  @inline(__always)
  func postInRow(_ ahead: Int, address: UInt64, length: UInt32) {
    let id = idlePlace &+ ahead
    let at = id &* RingFormat.descriptorBytes
    descriptors.store64(at, address)
    descriptors.store64(at &+ 8, UInt64(length))
    offer(id, at: nextAvailable & mask &+ ahead)
  }
  @inline(__always)
  static func passPosted(_ count: Int, _ state: inout RingState) {
    state.nextAvailable &+= UInt16(truncatingIfNeeded: count)
    state.idle.head &+= UInt16(truncatingIfNeeded: count)
  }
}
