// SPDX-License-Identifier: BSD-2-Clause
//
// The split ring (virtio 1.4, 2.7) as a burst sees it: made from a queue's state at the beginning, worked on in
// registers, put back once at the end. Nothing the device writes is used before it was compared, and each of its words
// is read once. What we wrote into the table is never read back: the slots and the ids are our own record.

import CLinux
import Linux

/// One used entry: 32 bits each, to be compared as such before they are made narrow.
struct Used {
  let id: UInt32
  let length: UInt32
}

/// What the burst functions need of a ring; split rings conform, and a packed one can.
protocol Ring: ~Copyable {
  init(_ state: RingState)

  /// Entries the device has used that this burst may take.
  var pending: Int { get }
  /// The device claims to have used more than it had.
  var jumped: Bool { get }

  /// The next used entry as the device wrote it. Only while `pending` is not 0.
  func nextUsed() -> Used
  mutating func skipUsed()
  /// Takes the next used entry, whose id is `id`, and gives the device that descriptor once more with another address.
  /// Only in a ring with no idle descriptor: there the place of a used entry is the place of the next available one.
  mutating func replaceUsed(_ id: Int, address: UInt64)

  /// Gives the device descriptor `id` with these contents.
  mutating func post(_ id: Int, address: UInt64, length: UInt32, flags: UInt16, next: UInt16)
  /// Gives the device descriptor `id` once more as it was.
  mutating func repost(_ id: Int)
  /// Writes one descriptor of a chain; `post` of the head gives the whole of it.
  mutating func link(_ id: Int, address: UInt64, length: UInt32, flags: UInt16, next: UInt16)

  /// Puts the position back after used entries were taken and nothing was posted.
  func putBack(_ state: inout RingState)
  /// Publishes what was posted and puts the position back; true if the device wants to be signalled.
  mutating func commit(_ state: inout RingState) -> Bool
}

struct SplitRing: Ring, ~Copyable {
  private let descriptors: Shared
  private let availableRing: Shared
  private let usedRing: Shared
  /// One mask, and counters that run freely: only their low 16 bits mean anything.
  private let mask: Int
  private var nextAvailable: Int
  private var lastUsed: Int
  let pending: Int
  let jumped: Bool

  @inline(__always)
  init(_ state: RingState) {
    descriptors = state.descriptors
    availableRing = state.available
    usedRing = state.used
    mask = Int(state.mask)
    nextAvailable = Int(state.nextAvailable)
    lastUsed = Int(state.lastUsed)
    // Acquire: the entries are read after the index that announces them.
    let moved = usedRing.load16Acquire(RingLayout.indexOffset) &- state.lastUsed
    // More than was outstanding: none of that is believed.
    jumped = moved > state.outstanding
    pending = jumped ? 0 : Int(moved)
  }

  @inline(__always)
  func nextUsed() -> Used {
    let entry = usedRing.load64(RingLayout.elementsOffset &+ (lastUsed & mask) &* RingLayout.usedElementBytes)
    return Used(id: UInt32(truncatingIfNeeded: entry), length: UInt32(truncatingIfNeeded: entry >> 32))
  }

  @inline(__always)
  mutating func skipUsed() { lastUsed &+= 1 }

  @inline(__always)
  mutating func replaceUsed(_ id: Int, address: UInt64) {
    descriptors.store64(id &* RingLayout.descriptorBytes, address)
    offer(id, at: lastUsed)
    lastUsed &+= 1
    nextAvailable &+= 1
  }

  @inline(__always)
  mutating func post(_ id: Int, address: UInt64, length: UInt32, flags: UInt16, next: UInt16) {
    link(id, address: address, length: length, flags: flags, next: next)
    repost(id)
  }

  @inline(__always)
  mutating func repost(_ id: Int) {
    offer(id, at: nextAvailable)
    nextAvailable &+= 1
  }

  @inline(__always)
  mutating func link(_ id: Int, address: UInt64, length: UInt32, flags: UInt16, next: UInt16) {
    let at = id &* RingLayout.descriptorBytes
    descriptors.store64(at, address)
    descriptors.store64(at &+ 8, UInt64(length) | UInt64(flags) << 32 | UInt64(next) << 48)
  }

  /// Writes an entry of the available ring. Often it holds that id already, from the last time round: then its cache
  /// line is left alone, and stays with the device too.
  @inline(__always)
  private func offer(_ id: Int, at index: Int) {
    let at = RingLayout.elementsOffset &+ (index & mask) &* 2
    let id = UInt16(truncatingIfNeeded: id)
    if availableRing.load16(at) != id { availableRing.store16(at, id) }
  }

  @inline(__always)
  func putBack(_ state: inout RingState) { state.lastUsed = UInt16(truncatingIfNeeded: lastUsed) }

  @inline(__always)
  mutating func commit(_ state: inout RingState) -> Bool {
    let next = UInt16(truncatingIfNeeded: nextAvailable)
    let posted = next != state.nextAvailable
    state.lastUsed = UInt16(truncatingIfNeeded: lastUsed)
    state.nextAvailable = next
    if !posted { return false }
    availableRing.store16Release(RingLayout.indexOffset, next)
    // The index must be out before the flag is read, or both sides may go to sleep (2.7.13.4.1).
    shared_fence()
    return usedRing.load16(RingLayout.flagsOffset) & UInt16(VRING_USED_F_NO_NOTIFY) == 0
  }
}
