// SPDX-License-Identifier: BSD-2-Clause
//
// The split ring (virtio 1.4, 2.7) as a burst sees it: position, idle descriptors, publishing. In ring order,
// descriptors go out in table order, so that the available ring says the same in every lap and is written once.

import CLinux
import Linux
import Virtio

struct SplitRing<Order: DescriptorOrder>: Ring, ~Copyable {
  @inline(__always) static var isPacked: Bool { false }
  @inline(__always) static var isInOrder: Bool { Order.isInOrder }

  let descriptors: Shared
  let availableRing: Shared
  let usedRing: Shared
  let mask: Int
  /// Runs freely, as `lastUsed` does; only the low 16 bits mean anything.
  var nextAvailable: Int
  var lastUsed: Int
  var idle: IDQueue
  let isInRingOrder: Bool
  let pending: Int
  let indexJumped: Bool
  var batchLeft: Int
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
    isInRingOrder = Order.isInOrder || state.isInRingOrder
    batchLeft = Int(state.batchLeft)
    batchLength = state.batchLength
    // Acquire: the entries are read after the index that announces them.
    let moved = usedRing.load16Acquire(RingFormat.indexOffset) &- state.lastUsed
    // An index that moved by more than the device has been shown announces nothing.
    indexJumped = moved > state.exposed &- state.lastUsed
    pending = indexJumped ? 0 : Int(moved)
  }

  // MARK: Position

  @inline(__always) var idleCount: Int { Int(idle.count) }
  /// True always: the used index has announced all of `pending`.
  @inline(__always) mutating func findUsed() -> Bool { true }

  /// Place of the next used entry.
  @inline(__always) var usedPlace: Int { lastUsed & mask }

  @inline(__always)
  func entry(_ place: Int) -> UInt64 {
    usedRing.load64(RingFormat.elementsOffset &+ place &* RingFormat.usedElementBytes)
  }

  @inline(__always)
  func readUsed() -> Used {
    let entry = entry(usedPlace)
    return Used(id: UInt32(truncatingIfNeeded: entry), length: UInt32(truncatingIfNeeded: entry >> 32))
  }

  @inline(__always)
  func isExposed(_ id: Int) -> Bool {
    isInRingOrder || idle.isShown(id)
  }

  @inline(__always)
  mutating func passUsed(_ descriptors: Int) {
    lastUsed &+= 1
    if Order.isInOrder { batchLeft = max(0, batchLeft &- 1) }
  }

  // MARK: Idle descriptors

  @inline(__always)
  mutating func nextIdle(after taken: Int) -> Int {
    if !isInRingOrder { return Int(idle.pop()) }
    let id = Int(idle.head) & mask
    idle.head &+= 1
    return id
  }

  @inline(__always)
  mutating func giveBack(_ id: Int) {
    if isInRingOrder { idle.tail &+= 1 } else { idle.push(UInt16(truncatingIfNeeded: id)) }
  }

  @inline(__always)
  func isNextBack(_ id: Int) -> Bool { id == Int(idle.tail) & mask }

  // MARK: Posting

  @inline(__always)
  mutating func post(
    _ id: Int, address: UInt64, length: UInt32, flags: UInt16, next: UInt16, descriptors: Int
  ) {
    write(id, address, length, flags, next)
    offer(id, at: nextAvailable & mask)
    if !isInRingOrder { idle.notePosted(id) }
    nextAvailable &+= 1
  }

  @inline(__always)
  func write(_ id: Int, _ address: UInt64, _ length: UInt32, _ flags: UInt16, _ next: UInt16) {
    let at = id &* RingFormat.descriptorBytes
    descriptors.store64(at, address)
    descriptors.store64(at &+ 8, UInt64(length) | UInt64(flags) << 32 | UInt64(next) << 48)
  }

  /// Writes an entry of the available ring. It often holds that id from the lap before: then its cache line is not
  /// written and stays shared with the device.
  @inline(__always)
  func offer(_ id: Int, at place: Int) {
    let at = RingFormat.elementsOffset &+ place &* 2
    let id = UInt16(truncatingIfNeeded: id)
    if availableRing.load16(at) != id { availableRing.store16(at, id) }
  }

  // MARK: Publishing

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
  static func publish(_ state: inout RingState) -> Bool {
    let next = state.nextAvailable
    let last = state.published
    if next == last { return false }
    state.published = next
    state.exposeSplit()
    // The index must be visible before the request is read, or both sides may go to sleep (virtio 1.4, 2.7.13.4.1).
    shared_fence()
    if !state.shape.hasEventIndex {
      return state.used.load16(RingFormat.flagsOffset) & SplitFlag.noNotify == 0
    }
    // avail_event, behind the used entries, names one of the new entries (virtio 1.4, 2.7.10).
    let event = state.used.load16(RingFormat.elementsOffset &+ Int(state.size) &* RingFormat.usedElementBytes)
    return next &- event &- 1 < next &- last
  }
}
