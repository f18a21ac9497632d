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
  var pending: UInt16 { get }
  /// The device claims to have used more than it had.
  var jumped: Bool { get }

  /// The next used entry as the device wrote it, taken by `skipUsed`. Only while `pending` is not 0.
  func nextUsed() -> Used
  mutating func skipUsed()
  /// The id of the entry `distance` places on, for a prefetch: not checked, merely masked.
  func peekUsed(_ distance: UInt16) -> UInt16

  /// Gives the device descriptor `id` with these contents.
  mutating func post(_ id: UInt16, address: UInt64, length: UInt32, flags: UInt16, next: UInt16)
  /// Gives the device descriptor `id` once more, its length and flags as they were.
  mutating func repost(_ id: UInt16, address: UInt64)
  /// Writes one descriptor of a chain; `post` of the head gives the whole of it.
  mutating func link(_ id: UInt16, address: UInt64, length: UInt32, flags: UInt16, next: UInt16)

  /// Publishes what was posted and puts the position back; true if the device wants to be signalled.
  mutating func commit(_ state: inout RingState) -> Bool
}

struct SplitRing: Ring, ~Copyable {
  private let base: Shared
  private let availableRing: Shared
  private let usedRing: Shared
  private let mask: UInt16
  private var nextAvailable: UInt16
  private var lastUsed: UInt16
  private var endUsed: UInt16
  /// The device's index moved by more than was outstanding: none of that is believed.
  let jumped: Bool

  @inline(__always)
  init(_ state: RingState) {
    base = state.base
    availableRing = state.base.advanced(state.layout.available)
    usedRing = state.base.advanced(state.layout.used)
    mask = state.mask
    nextAvailable = state.nextAvailable
    lastUsed = state.lastUsed
    // Acquire: the entries are read after the index that announces them.
    endUsed = usedRing.load16Acquire(RingLayout.indexOffset)
    jumped = endUsed &- lastUsed > state.outstanding
    if jumped { endUsed = lastUsed }
  }

  @inline(__always) var pending: UInt16 { endUsed &- lastUsed }

  @inline(__always)
  func nextUsed() -> Used {
    let entry = usedRing.load64(RingLayout.elementsOffset + Int(lastUsed & mask) * RingLayout.usedElementBytes)
    return Used(id: UInt32(truncatingIfNeeded: entry), length: UInt32(truncatingIfNeeded: entry >> 32))
  }

  @inline(__always)
  mutating func skipUsed() { lastUsed &+= 1 }

  @inline(__always)
  func peekUsed(_ distance: UInt16) -> UInt16 {
    let place = Int((lastUsed &+ distance) & mask)
    return usedRing.load16(RingLayout.elementsOffset + place * RingLayout.usedElementBytes) & mask
  }

  @inline(__always)
  mutating func post(_ id: UInt16, address: UInt64, length: UInt32, flags: UInt16, next: UInt16) {
    link(id, address: address, length: length, flags: flags, next: next)
    offer(id)
  }

  @inline(__always)
  mutating func repost(_ id: UInt16, address: UInt64) {
    base.store64(Int(id) * RingLayout.descriptorBytes, address)
    offer(id)
  }

  @inline(__always)
  mutating func link(_ id: UInt16, address: UInt64, length: UInt32, flags: UInt16, next: UInt16) {
    let at = Int(id) * RingLayout.descriptorBytes
    base.store64(at, address)
    base.store64(at + 8, UInt64(length) | UInt64(flags) << 32 | UInt64(next) << 48)
  }

  /// Writes the next entry of the available ring. Often it holds that id already, from the last time round: then its
  /// cache line is left alone, and stays with the device too.
  @inline(__always)
  private mutating func offer(_ id: UInt16) {
    let at = RingLayout.elementsOffset + Int(nextAvailable & mask) * 2
    if availableRing.load16(at) != id { availableRing.store16(at, id) }
    nextAvailable &+= 1
  }

  @inline(__always)
  mutating func commit(_ state: inout RingState) -> Bool {
    let posted = nextAvailable &- state.nextAvailable
    state.lastUsed = lastUsed
    state.nextAvailable = nextAvailable
    if posted == 0 { return false }
    availableRing.store16Release(RingLayout.indexOffset, nextAvailable)
    // The index must be out before the flag is read, or both sides may go to sleep (2.7.13.4.1).
    shared_fence()
    return usedRing.load16(RingLayout.flagsOffset) & UInt16(VRING_USED_F_NO_NOTIFY) == 0
  }
}
