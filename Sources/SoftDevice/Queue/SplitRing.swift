// SPDX-License-Identifier: BSD-2-Clause
//
// The split ring (virtio 1.4, 2.7) from the device's side. Each word the driver may write is loaded once: a head from
// the available ring, a descriptor's address, and its length, flags and next in one 64-bit load. A chain is walked for
// at most as many descriptors as the ring, or the indirect table, has.

import CLinux
import Linux

private enum Flag {
  static let next: UInt16 = 1
  static let write: UInt16 = 2
  static let indirect: UInt16 = 4
}

/// One descriptor, loaded.
private struct Descriptor16 {
  let address: UInt64
  let length: UInt32
  let flags: UInt16
  let next: UInt16

  @inline(__always)
  init(_ table: Shared, _ index: Int) {
    address = table.load64(index &* 16)
    let word = table.load64(index &* 16 &+ 8)
    length = UInt32(truncatingIfNeeded: word)
    flags = UInt16(truncatingIfNeeded: word >> 32)
    next = UInt16(truncatingIfNeeded: word >> 48)
  }
}

struct SplitRing: Ring, ~Copyable {
  private let descriptors: Shared
  private let available: Shared
  private let used: Shared
  private let mask: UInt16
  /// What every descriptor's WRITE flag must be: this queue's direction.
  private let direction: UInt16
  private let end: UInt16
  private(set) var next: UInt16
  private(set) var usedIndex: UInt16
  private let indirectAllowed: Bool

  /// The ring of a resolved queue; nil when the driver's index has run past what a ring can hold.
  @inline(__always)
  init?(_ queue: borrowing Queue, _ rings: Rings) {
    descriptors = rings.descriptors
    available = rings.available
    used = rings.used
    mask = queue.size &- 1
    direction = queue.deviceWrites ? Flag.write : 0
    indirectAllowed = queue.indirectAllowed
    next = queue.next
    usedIndex = queue.usedIndex
    end = rings.available.load16Acquire(2)
    if end &- next > queue.size { return nil }
  }

  @inline(__always) var isEmpty: Bool { next == end }

  @inline(__always)
  mutating func take(_ chain: inout Chain, _ memory: inout Translation) -> Taken {
    if next == end { return .nothing }
    let head = available.load16(4 &+ 2 &* Int(next & mask))
    if head > mask { return .broken }
    let descriptor = Descriptor16(descriptors, Int(head))
    if descriptor.flags == direction {
      guard let bytes = memory.guest(descriptor.address, descriptor.length) else { return .broken }
      chain.set(head, bytes)
    } else {
      chain.begin(head)
      if !walk(descriptor, &chain, &memory) { return .broken }
    }
    next &+= 1
    return .ready
  }

  /// Follows a chain through the ring's own descriptors; its last one may name an indirect table (2.7.5.3.2).
  @inline(never)
  private func walk(_ head: Descriptor16, _ chain: inout Chain, _ memory: inout Translation) -> Bool {
    var descriptor = head
    var left = Int(mask)
    while true {
      if descriptor.flags & Flag.indirect != 0 { return walkTable(descriptor, &chain, &memory) }
      if !add(descriptor, &chain, &memory) { return false }
      if descriptor.flags & Flag.next == 0 { return true }
      if left == 0 || descriptor.next > mask { return false }
      left &-= 1
      descriptor = Descriptor16(descriptors, Int(descriptor.next))
    }
  }

  /// Follows a chain through an indirect table. Its descriptor's WRITE flag is ignored, as is the length of the ring:
  /// the table's own length is the bound.
  private func walkTable(_ descriptor: Descriptor16, _ chain: inout Chain, _ memory: inout Translation) -> Bool {
    let count = Int(descriptor.length / 16)
    if !indirectAllowed || descriptor.flags & Flag.next != 0 { return false }
    if count == 0 || descriptor.length % 16 != 0 || count > 32768 { return false }
    guard let table = memory.guest(descriptor.address, descriptor.length) else { return false }
    if table.shared.address % 8 != 0 { return false }
    var index = 0
    var left = count
    while left > 0 {
      let entry = Descriptor16(table.shared, index)
      if entry.flags & Flag.indirect != 0 || !add(entry, &chain, &memory) { return false }
      if entry.flags & Flag.next == 0 { return true }
      index = Int(entry.next)
      if index >= count { return false }
      left &-= 1
    }
    return false
  }

  private func add(_ descriptor: Descriptor16, _ chain: inout Chain, _ memory: inout Translation) -> Bool {
    if descriptor.flags & Flag.write != direction { return false }
    if descriptor.length == 0 { return true }
    guard let bytes = memory.guest(descriptor.address, descriptor.length) else { return false }
    return chain.append(bytes)
  }

  @inline(__always)
  mutating func putBack(_ chain: borrowing Chain) { next &-= 1 }

  @inline(__always)
  mutating func complete(_ chain: borrowing Chain, written: Int) {
    let at = 4 &+ 8 &* Int(usedIndex & mask)
    used.store32(at, UInt32(chain.id))
    used.store32(at &+ 4, UInt32(truncatingIfNeeded: written))
    usedIndex &+= 1
  }

  @inline(__always)
  func prefetch(ahead: UInt16, _ memory: borrowing Translation) {
    let head = available.load16(4 &+ 2 &* Int((next &+ ahead) & mask)) & mask
    memory.guess(descriptors.load64(Int(head) &* 16))?.prefetchForWriting()
  }
}
