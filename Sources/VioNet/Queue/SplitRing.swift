// SPDX-License-Identifier: BSD-2-Clause
//
// The split ring (virtio 1.4, 2.7) as a burst sees it. In order, descriptors go out in table order, so that the available
// ring, once written, says the same in every lap and is not touched again.

import CLinux
import Linux
import Virtio

struct SplitRing<Order: UseOrder>: Ring, ~Copyable {
  @inline(__always) static var isInOrder: Bool { Order.isInOrder }

  let descriptors: Shared
  let availableRing: Shared
  let usedRing: Shared
  /// One mask, and counters that run freely: only their low 16 bits mean anything.
  let mask: Int
  var nextAvailable: Int
  var lastUsed: Int
  var idle: SlotQueue
  let isStraight: Bool
  let pending: Int
  let jumped: Bool
  private(set) var batchLeft: Int
  var batchLength: UInt32

  @inline(__always)
  init(_ state: RingState) {
    descriptors = state.descriptors
    availableRing = state.available
    usedRing = state.used
    mask = Int(state.mask)
    nextAvailable = Int(state.nextAvailable)
    lastUsed = Int(state.lastUsed)
    idle = state.idle
    isStraight = Order.isInOrder || state.isStraight
    batchLeft = Int(state.batchLeft)
    batchLength = state.batchLength
    // Acquire: the entries are read after the index that announces them.
    let moved = usedRing.load16Acquire(RingFormat.indexOffset) &- state.lastUsed
    // More than was outstanding: none of that is believed.
    jumped = moved > state.nextAvailable &- state.lastUsed
    pending = jumped ? 0 : Int(moved)
  }

  @inline(__always) var idleCount: Int { Int(idle.count) }
  /// The index has announced all of `pending`.
  @inline(__always) mutating func look() -> Bool { true }

  @inline(__always)
  private func nextUsed() -> Used {
    let entry = entry(place)
    return Used(id: UInt32(truncatingIfNeeded: entry), length: UInt32(truncatingIfNeeded: entry >> 32))
  }

  @inline(__always)
  func accepts(_ id: UInt32) -> Bool {
    Order.isInOrder ? Int(id) == lastUsed & mask : id <= UInt32(truncatingIfNeeded: mask)
  }

  mutating func nextOfBatch(full: UInt32) -> Used {
    if !Order.isInOrder { return nextUsed() }
    let place = lastUsed & mask
    if batchLeft == 0 {
      let used = nextUsed()
      let ahead = (Int(used.id) &- place) & mask
      if used.id > UInt32(truncatingIfNeeded: mask) || ahead >= pending { return Used(id: UInt32.max, length: 0) }
      batchLeft = ahead &+ 1
      batchLength = used.length
    }
    return Used(id: UInt32(truncatingIfNeeded: place), length: batchLeft == 1 ? batchLength : full)
  }

  /// In order everything before the used index was sent, in the order in which it went out.
  @inline(__always)
  mutating func nextSent() -> UInt32 {
    Order.isInOrder ? UInt32(truncatingIfNeeded: Int(idle.tail) & mask) : nextUsed().id
  }

  @inline(__always)
  mutating func passUsed(_ descriptors: Int) {
    lastUsed &+= 1
    if Order.isInOrder { batchLeft = max(0, batchLeft &- 1) }
  }

  @inline(__always)
  mutating func nextIdle(after taken: Int) -> Int {
    if !isStraight { return Int(idle.pop()) }
    let id = Int(idle.head) & mask
    idle.head &+= 1
    return id
  }

  @inline(__always)
  mutating func giveBack(_ id: Int) {
    if isStraight { idle.tail &+= 1 } else { idle.push(UInt16(truncatingIfNeeded: id)) }
  }

  @inline(__always)
  func isNextBack(_ id: Int) -> Bool { id == Int(idle.tail) & mask }

  @inline(__always)
  mutating func post(
    _ id: Int, address: UInt64, length: UInt32, flags: UInt16, next: UInt16, descriptors: Int
  ) {
    link(id, place: 0, head: id, address: address, length: length, flags: flags, next: next)
    offer(id, at: nextAvailable & mask)
    nextAvailable &+= 1
  }

  @inline(__always)
  mutating func link(
    _ id: Int, place: Int, head: Int, address: UInt64, length: UInt32, flags: UInt16, next: UInt16
  ) {
    let at = id &* RingFormat.descriptorBytes
    descriptors.store64(at, address)
    descriptors.store64(at &+ 8, UInt64(length) | UInt64(flags) << 32 | UInt64(next) << 48)
  }

  /// Writes an entry of the available ring. Often it holds that id already, from the last time round: then its cache
  /// line is left alone, and stays with the device too.
  @inline(__always)
  func offer(_ id: Int, at place: Int) {
    let at = RingFormat.elementsOffset &+ place &* 2
    let id = UInt16(truncatingIfNeeded: id)
    if availableRing.load16(at) != id { availableRing.store16(at, id) }
  }

  @inline(__always)
  func save(_ state: inout RingState) {
    state.lastUsed = UInt16(truncatingIfNeeded: lastUsed)
    state.nextAvailable = UInt16(truncatingIfNeeded: nextAvailable)
    state.idle = idle
    if Order.isInOrder {
      state.batchLeft = UInt16(truncatingIfNeeded: batchLeft)
      state.batchLength = batchLength
    }
  }

  @inline(__always)
  static func expose(_ state: borrowing RingState) {
    state.available.store16Release(RingFormat.indexOffset, state.nextAvailable)
  }

  @inline(__always)
  static func untold(_ state: borrowing RingState) -> UInt16 { state.nextAvailable &- state.published }

  @inline(__always)
  static func publish(_ state: inout RingState) -> Bool {
    let next = state.nextAvailable
    let last = state.published
    if next == last { return false }
    state.published = next
    expose(state)
    // The index must be out before the wish is read, or both sides may go to sleep (2.7.13.4.1).
    shared_fence()
    if !state.shape.hasEventIndex {
      return state.used.load16(RingFormat.flagsOffset) & SplitFlag.noNotify == 0
    }
    // avail_event behind the used entries: was it among what is new? (2.7.10)
    let event = state.used.load16(RingFormat.elementsOffset &+ Int(state.size) &* RingFormat.usedElementBytes)
    return next &- event &- 1 < next &- last
  }
}
