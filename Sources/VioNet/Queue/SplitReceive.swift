// SPDX-License-Identifier: BSD-2-Clause
//
// The split ring of a receive queue: used entries are read and their descriptors replaced.

import CLinux
import Linux
import Virtio

extension SplitRing: ReceiveRing {
  @inline(__always)
  static func hasNothingToDo(_ state: RingState) -> Bool {
    state.used.load16(RingFormat.indexOffset) == state.lastUsed && state.idle.count == 0
      && state.published == state.nextAvailable
  }

  mutating func nextUsed(full: UInt32) -> Used? {
    let last = UInt32(truncatingIfNeeded: mask)
    if !Order.isInOrder {
      let used = readUsed()
      return used.id <= last ? used : nil
    }
    let place = usedPlace
    if batchLeft == 0 {
      let used = readUsed()
      let ahead = (Int(used.id) &- place) & mask
      if used.id > last || ahead >= pending { return nil }  // tested by abi-queue-pairs
      batchLeft = ahead &+ 1
      batchLength = used.length
    }
    return Used(id: UInt32(truncatingIfNeeded: place), length: batchLeft == 1 ? batchLength : full)
  }

  @inline(__always) var usedRun: Int { mask &+ 1 &- usedPlace }

  @inline(__always)
  static func length(_ entry: UInt64) -> UInt64 { entry >> 32 }

  @inline(__always)
  static func id(_ entry: UInt64) -> Int { Int(UInt32(truncatingIfNeeded: entry)) }

  @inline(__always)
  func isAccepted(_ entry: UInt64, _ place: Int, isInRingOrder: Bool) -> Bool {
    let id = UInt32(truncatingIfNeeded: entry)
    if isInRingOrder { return id == UInt32(truncatingIfNeeded: place) }  // tested by ReceiveHostileTests
    return id <= UInt32(truncatingIfNeeded: mask) && isExposed(Int(id))
  }

  /// False always: the used index has announced every entry that is looked at.
  @inline(__always)
  func isStillUnused(_ entry: UInt64) -> Bool { false }

  /// Subtracts the expected id and the least length together. The rest of the id must be zero, and neither the rest of
  /// the length nor what it leaves of the span may be negative.
  @inline(__always)
  func fourLengths(_ place: Int, _ bounds: LengthBounds) -> FourLengths? {
    let expected = UInt64(truncatingIfNeeded: place) &+ bounds.least << 32
    let both = SIMD2(repeating: bounds.span << 32)
    let first = SIMD2(entry(place), entry(place &+ 1)) &- SIMD2(expected, expected &+ 1)
    let second = SIMD2(entry(place &+ 2), entry(place &+ 3)) &- SIMD2(expected &+ 2, expected &+ 3)
    let wrong = first | (both &- first) | second | (both &- second)
    if (wrong[0] | wrong[1]) & 0x8000_0000_ffff_ffff != 0 { return nil }
    return FourLengths(first: first, second: second)
  }

  /// Writes the address alone: length and flags of the descriptor stay, and in ring order the available entry too.
  @inline(__always)
  func replace(_ id: Int, _ place: Int, isInRingOrder: Bool, address: UInt64, length: UInt32) {
    descriptors.store64(id &* RingFormat.descriptorBytes, address)
    if isInRingOrder { return }
    offer(id, at: place)
    idle.notePosted(id)
  }

  @inline(__always)
  static func passReplaced(_ count: Int, _ state: inout RingState) {
    let count = UInt16(truncatingIfNeeded: count)
    state.lastUsed &+= count
    state.nextAvailable &+= count
    // The ids came back and went out again; in ring order they follow from these two counts.
    state.idle.tail &+= count
    state.idle.head &+= count
  }

  @inline(__always)
  static func expose(_ state: inout RingState) -> UInt16 {
    state.exposeSplit()
    return state.nextAvailable &- state.published
  }
}
