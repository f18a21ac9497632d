// SPDX-License-Identifier: BSD-2-Clause
//
// The packed ring by rows: used descriptors are replaced and taken back, new ones posted, place after place.

import CLinux
import Linux
import Virtio

extension PackedRing {
  @inline(__always) var place: Int { lastUsed }
  @inline(__always) var row: Int { size &- lastUsed }

  @inline(__always)
  func entry(_ place: Int) -> UInt64 { descriptors.load64Acquire(place &* RingFormat.descriptorBytes &+ 8) }
  @inline(__always)
  static func length(_ entry: UInt64) -> UInt64 { entry & 0xffff_ffff }
  @inline(__always)
  static func id(_ entry: UInt64) -> Int { Int(UInt16(truncatingIfNeeded: entry >> 32)) }
  @inline(__always)
  func isStillEmpty(_ entry: UInt64) -> Bool {
    (entry ^ marked(usedMark)) & marked(DescriptorFlag.availableAndUsed) != 0
  }
  @inline(__always)
  func isAccepted(_ entry: UInt64, _ place: Int, isStraight: Bool) -> Bool {
    if !isStraight { return !isStillEmpty(entry) && PackedRing.id(entry) < size }
    let expected = marked(usedMark) | UInt64(truncatingIfNeeded: place) << 32
    return (entry ^ expected) & (marked(DescriptorFlag.availableAndUsed) | 0xffff << 32) == 0
  }

  @inline(__always)
  func four(_ place: Int, _ bounds: LengthBounds) -> FourLengths? {
    let expected = marked(usedMark) | UInt64(truncatingIfNeeded: place) << 32
    let least = SIMD2(repeating: bounds.least << 32)
    let span = SIMD2(repeating: bounds.span << 32)
    let firstWords = SIMD2(entry(place), entry(place &+ 1))
    let secondWords = SIMD2(entry(place &+ 2), entry(place &+ 3))
    // A length that fits the bounds has no 32nd bit, so that the upper half of a lane has room for its sign.
    let first = firstWords &<< 32 &- least
    let second = secondWords &<< 32 &- least
    let negative = first | (span &- first) | second | (span &- second)
    let ids: UInt64 = 1 << 32
    let firstOther = firstWords ^ SIMD2(expected, expected &+ ids)
    let secondOther = secondWords ^ SIMD2(expected &+ 2 &* ids, expected &+ 3 &* ids)
    let other = (firstOther | secondOther) & SIMD2(repeating: marked(DescriptorFlag.availableAndUsed) | 0xffff << 32)
    let wrong = other | negative & SIMD2(repeating: 1 << 63)
    return wrong[0] | wrong[1] != 0 ? nil : FourLengths(first: first, second: second)
  }

  /// In a ring without idle descriptors the next available place is this one, a lap on.
  @inline(__always)
  func replace(_ id: Int, _ place: Int, isStraight: Bool, address: UInt64, length: UInt32) {
    let flags = DescriptorFlag.write | usedMark ^ DescriptorFlag.available
    write(place, id, address, length, flags)
  }

  @inline(__always)
  static func passReplaced(_ count: Int, _ state: inout RingState) {
    state.published &+= UInt16(truncatingIfNeeded: count)
    state.lastUsed &+= UInt16(truncatingIfNeeded: count)
    if state.lastUsed == state.size {
      state.lastUsed = 0
      state.usedMark ^= DescriptorFlag.availableAndUsed
    }
    state.nextAvailable = state.lastUsed
    state.availableMark = state.usedMark ^ DescriptorFlag.available
  }

  /// Flags where an entry has them.
  @inline(__always)
  private func marked(_ flags: UInt16) -> UInt64 { UInt64(flags) << 48 }

  @inline(__always) var sentPlace: Int { lastUsed }
  @inline(__always)
  mutating func sentRow(_ most: Int) -> Int {
    let row = min(most, pending, size &- lastUsed)
    if !Order.isInOrder { return row }
    return openBatch() ? min(row, batchLeft) : 0
  }
  @inline(__always)
  func isSent(_ ahead: Int) -> Bool {
    Order.isInOrder || isAccepted(entry(lastUsed &+ ahead), lastUsed &+ ahead, isStraight: true)
  }
  @inline(__always)
  mutating func passSent(_ count: Int) {
    passUsed(count)
    idle.tail &+= UInt16(truncatingIfNeeded: count)
  }

  @inline(__always) var idlePlace: Int { nextAvailable }
  @inline(__always) var idleRow: Int { min(idleCount, size &- nextAvailable) }
  /// In order the device writes one used descriptor for many and only reads the others, so that the last look at these
  /// lines was its own. Any other ring is read again when sent packets are taken back.
  @inline(__always)
  func fetchIdle(_ count: Int) {
    if !Order.isInOrder { return }
    var at = nextAvailable &* RingFormat.descriptorBytes
    let end = at &+ count &* RingFormat.descriptorBytes
    // Four lines at a time: those that are too many are the next burst's, and may lie behind the ring.
    while at < end {
      descriptors.prefetchForWriting(at)
      descriptors.prefetchForWriting(at &+ 64)
      descriptors.prefetchForWriting(at &+ 128)
      descriptors.prefetchForWriting(at &+ 192)
      at &+= 256
    }
  }
  @inline(__always)
  func postInRow(_ ahead: Int, address: UInt64, length: UInt32) {
    let id = nextAvailable &+ ahead
    write(id, id, address, length, availableMark)
  }
  @inline(__always)
  static func passPosted(_ count: Int, _ state: inout RingState) {
    state.published &+= UInt16(truncatingIfNeeded: count)
    state.idle.head &+= UInt16(truncatingIfNeeded: count)
    state.nextAvailable &+= UInt16(truncatingIfNeeded: count)
    if state.nextAvailable == state.size {
      state.nextAvailable = 0
      state.availableMark ^= DescriptorFlag.availableAndUsed
    }
  }
}
