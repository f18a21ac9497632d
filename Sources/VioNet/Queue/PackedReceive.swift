// SPDX-License-Identifier: BSD-2-Clause
//
// The packed ring of a receive queue: used descriptors are read and replaced in their places.

import CLinux
import Linux
import Virtio

extension PackedRing: ReceiveRing {
  @inline(__always)
  static func hasNothingToDo(_ state: RingState) -> Bool {
    let word = state.descriptors.load64(Int(state.lastUsed) &* RingFormat.descriptorBytes &+ 8)
    return UInt16(truncatingIfNeeded: word >> 48) & DescriptorFlag.availableAndUsed != state.usedFlags
      && state.batchLeft == 0 && state.idle.count == 0 && state.published == 0
  }

  mutating func nextUsed(full: UInt32) -> Used? {
    if !Order.isInOrder {
      let used = readUsed()
      return Int(used.id) < size ? used : nil
    }
    if !openBatch() { return nil }
    return Used(id: UInt32(truncatingIfNeeded: lastUsed), length: batchLeft == 1 ? batchLength : full)
  }

  @inline(__always) var usedPlace: Int { lastUsed }

  @inline(__always) var usedRun: Int { size &- lastUsed }

  @inline(__always)
  func entry(_ place: Int) -> UInt64 { descriptors.load64Acquire(place &* RingFormat.descriptorBytes &+ 8) }

  @inline(__always)
  static func length(_ entry: UInt64) -> UInt64 { entry & 0xffff_ffff }

  @inline(__always)
  static func id(_ entry: UInt64) -> Int { Int(UInt16(truncatingIfNeeded: entry >> 32)) }

  @inline(__always)
  func isAccepted(_ entry: UInt64, _ place: Int, isInRingOrder: Bool) -> Bool {
    if !isInRingOrder { return !isStillUnused(entry) && PackedRing.id(entry) < size }
    let expected = inEntry(usedFlags) | UInt64(truncatingIfNeeded: place) << 32
    return (entry ^ expected) & (inEntry(DescriptorFlag.availableAndUsed) | 0xffff << 32) == 0
  }

  @inline(__always)
  func isStillUnused(_ entry: UInt64) -> Bool {
    (entry ^ inEntry(usedFlags)) & inEntry(DescriptorFlag.availableAndUsed) != 0
  }

  /// Flags at their place in an entry.
  @inline(__always)
  private func inEntry(_ flags: UInt16) -> UInt64 { UInt64(flags) << 48 }

  @inline(__always)
  func fourLengths(_ place: Int, _ bounds: LengthBounds) -> FourLengths? {
    let expected = inEntry(usedFlags) | UInt64(truncatingIfNeeded: place) << 32
    let least = SIMD2(repeating: bounds.least << 32)
    let span = SIMD2(repeating: bounds.span << 32)
    let firstWords = SIMD2(entry(place), entry(place &+ 1))
    let secondWords = SIMD2(entry(place &+ 2), entry(place &+ 3))
    // A length within the bounds is below 2^31, so that the upper half of a lane has room for its sign.
    let first = firstWords &<< 32 &- least
    let second = secondWords &<< 32 &- least
    let negative = first | (span &- first) | second | (span &- second)
    let ids: UInt64 = 1 << 32
    let firstOther = firstWords ^ SIMD2(expected, expected &+ ids)
    let secondOther = secondWords ^ SIMD2(expected &+ 2 &* ids, expected &+ 3 &* ids)
    let other = (firstOther | secondOther) & SIMD2(repeating: inEntry(DescriptorFlag.availableAndUsed) | 0xffff << 32)
    let wrong = other | negative & SIMD2(repeating: 1 << 63)
    return wrong[0] | wrong[1] != 0 ? nil : FourLengths(first: first, second: second)
  }

  /// Writes the whole descriptor: without idle descriptors the next available place is this one, a lap later.
  @inline(__always)
  func replace(_ id: Int, _ place: Int, isInRingOrder: Bool, address: UInt64, length: UInt32) {
    let flags = DescriptorFlag.write | usedFlags ^ DescriptorFlag.available
    write(place, id, address, length, flags)
  }

  @inline(__always)
  static func passReplaced(_ count: Int, _ state: inout RingState) {
    state.published &+= UInt16(truncatingIfNeeded: count)
    state.lastUsed &+= UInt16(truncatingIfNeeded: count)
    if state.lastUsed == state.size {
      state.lastUsed = 0
      state.usedFlags ^= DescriptorFlag.availableAndUsed
    }
    state.nextAvailable = state.lastUsed
    state.availableFlags = state.usedFlags ^ DescriptorFlag.available
  }

  /// Counts alone: the flags that were saved have exposed everything.
  @inline(__always)
  static func expose(_ state: inout RingState) -> UInt16 { state.published }
}
