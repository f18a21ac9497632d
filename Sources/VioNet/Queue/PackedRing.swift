// SPDX-License-Identifier: BSD-2-Clause
//
// The packed ring (virtio 1.4, 2.8) as a burst sees it: one ring that both sides write, in which two bits of a descriptor
// say whose it is. Their sense turns with every lap. A ring has any size up to 32768.

import CLinux
import Linux
import Virtio

struct PackedRing<Order: UseOrder>: Ring, ~Copyable {
  @inline(__always) static var isInOrder: Bool { Order.isInOrder }

  let descriptors: Shared
  let size: Int
  /// Places in the ring, and the marks of the laps they are in. The marks of one side are those of the other, so to
  /// speak turned: what is available in a lap is `used ^ availableBit` of the lap before.
  var nextAvailable: Int
  var availableMark: UInt16
  var lastUsed: Int
  var usedMark: UInt16
  var idle: SlotQueue
  let isStraight: Bool
  /// Length, id and flags of the descriptor last looked at: one word, read and written at once.
  var word: UInt64 = 0
  /// The first descriptor posted in this burst: all but its flags is written, and those come last, so that the device
  /// does not fight for the lines that are being written.
  var head = 0
  var headWord: UInt64 = 0
  /// Descriptors posted in this burst.
  var posted = 0
  let pending: Int
  private(set) var batchLeft: Int
  var batchLength: UInt32

  @inline(__always)
  init(_ state: RingState) {
    descriptors = state.descriptors
    size = Int(state.size)
    nextAvailable = Int(state.nextAvailable)
    availableMark = state.availableMark
    lastUsed = Int(state.lastUsed)
    usedMark = state.usedMark
    idle = state.idle
    isStraight = Order.isInOrder || state.isStraight
    pending = Int(state.outstanding)
    batchLeft = Int(state.batchLeft)
    batchLength = state.batchLength
  }

  @inline(__always) var idleCount: Int { Int(idle.count) }
  /// No index, no jump: a lie about a descriptor is found when its id is.
  @inline(__always) var jumped: Bool { false }

  @inline(__always)
  mutating func look() -> Bool {
    if Order.isInOrder && batchLeft != 0 { return true }
    word = descriptors.load64Acquire(lastUsed &* RingFormat.descriptorBytes &+ 8)
    return UInt16(truncatingIfNeeded: word >> 48) & DescriptorFlag.availableAndUsed == usedMark
  }

  @inline(__always)
  private func nextUsed() -> Used {
    Used(id: UInt32(truncatingIfNeeded: word >> 32) & 0xffff, length: UInt32(truncatingIfNeeded: word))
  }

  @inline(__always)
  func accepts(_ id: UInt32) -> Bool { Order.isInOrder ? Int(id) == lastUsed : Int(id) < size }

  mutating func nextOfBatch(full: UInt32) -> Used {
    if !Order.isInOrder { return nextUsed() }
    if !openBatch() { return Used(id: UInt32.max, length: 0) }
    return Used(id: UInt32(truncatingIfNeeded: lastUsed), length: batchLeft == 1 ? batchLength : full)
  }

  /// In order the entry at our place names the last buffer of a batch; the others follow from our own record.
  @inline(__always)
  mutating func nextSent() -> UInt32 {
    if !Order.isInOrder { return nextUsed().id }
    return openBatch() ? UInt32(truncatingIfNeeded: lastUsed) : UInt32.max
  }

  /// Reads the used entry that begins a batch, unless one is open; false if it names nothing that is outstanding.
  @inline(__always)
  mutating func openBatch() -> Bool {
    if batchLeft != 0 { return true }
    let used = nextUsed()
    var ahead = Int(used.id) &- lastUsed
    if ahead < 0 { ahead &+= size }
    // Not `pending`, which has those that this burst has already given back.
    if Int(used.id) >= size || ahead >= size &- idleCount { return false }
    batchLeft = ahead &+ 1
    batchLength = used.length
    return true
  }

  @inline(__always)
  mutating func passUsed(_ count: Int) {
    lastUsed &+= count
    if lastUsed >= size {
      lastUsed &-= size
      usedMark ^= DescriptorFlag.availableAndUsed
    }
    if Order.isInOrder { batchLeft = max(0, batchLeft &- count) }
  }

  @inline(__always)
  mutating func nextIdle(after taken: Int) -> Int {
    if !isStraight { return Int(idle.pop()) }
    idle.head &+= 1
    let id = nextAvailable &+ taken
    return id >= size ? id &- size : id
  }

  @inline(__always)
  mutating func giveBack(_ id: Int) {
    if isStraight { idle.tail &+= 1 } else { idle.push(UInt16(truncatingIfNeeded: id)) }
  }

  @inline(__always)
  func isNextBack(_ id: Int) -> Bool {
    let next = nextAvailable &+ idleCount
    return id == (next >= size ? next &- size : next)
  }

  /// A chain's head comes last, so that the device sees all of it or nothing (2.8.17).
  @inline(__always)
  mutating func post(
    _ id: Int, address: UInt64, length: UInt32, flags: UInt16, next: UInt16, descriptors count: Int
  ) {
    if posted == 0 {
      head = nextAvailable &* RingFormat.descriptorBytes
      headWord = PackedRing.word(id, length, flags | availableMark)
      descriptors.store64(head, address)
    } else {
      write(nextAvailable, id, address, length, flags | availableMark)
    }
    nextAvailable &+= count
    if nextAvailable >= size {
      nextAvailable &-= size
      availableMark ^= DescriptorFlag.availableAndUsed
    }
    posted &+= count
  }

  /// The id stands in the last descriptor of a chain (2.8.6), and does no harm in the others.
  @inline(__always)
  mutating func link(
    _ id: Int, place: Int, head: Int, address: UInt64, length: UInt32, flags: UInt16, next: UInt16
  ) {
    let at = nextAvailable &+ place
    if at >= size {
      write(at &- size, head, address, length, flags | availableMark ^ DescriptorFlag.availableAndUsed)
    } else {
      write(at, head, address, length, flags | availableMark)
    }
  }

  @inline(__always)
  func write(_ place: Int, _ id: Int, _ address: UInt64, _ length: UInt32, _ flags: UInt16) {
    let at = place &* RingFormat.descriptorBytes
    descriptors.store64(at, address)
    descriptors.store64Release(at &+ 8, PackedRing.word(id, length, flags))
  }

  @inline(__always)
  static func word(_ id: Int, _ length: UInt32, _ flags: UInt16) -> UInt64 {
    // A sum, of which a loop keeps all but the length in one register.
    (UInt64(flags) << 48 &+ UInt64(truncatingIfNeeded: id) << 32) &+ UInt64(length)
  }

  @inline(__always)
  func save(_ state: inout RingState) {
    if posted != 0 { descriptors.store64Release(head &+ 8, headWord) }
    state.lastUsed = UInt16(truncatingIfNeeded: lastUsed)
    state.usedMark = usedMark
    state.nextAvailable = UInt16(truncatingIfNeeded: nextAvailable)
    state.availableMark = availableMark
    state.published &+= UInt16(truncatingIfNeeded: posted)
    state.idle = idle
    if Order.isInOrder {
      state.batchLeft = UInt16(truncatingIfNeeded: batchLeft)
      state.batchLength = batchLength
    }
  }

  /// The flags, which were saved, say it all.
  @inline(__always)
  static func expose(_ state: borrowing RingState) {}

  @inline(__always)
  static func untold(_ state: borrowing RingState) -> UInt16 { state.published }

  @inline(__always)
  static func publish(_ state: inout RingState) -> Bool {
    let added = Int(state.published)
    if added == 0 { return false }
    state.published = 0
    // The flags must be out before the wish is read (2.8.21.3.1).
    shared_fence()
    let wish = state.used.load32(0)
    let flags = UInt16(truncatingIfNeeded: wish >> 16) & 3
    if flags != EventFlag.atDescriptor || !state.shape.hasEventIndex { return flags != EventFlag.disable }
    // Was the descriptor it names among those that are new?
    let lap = wish & 0x8000 != 0 ? DescriptorFlag.available : DescriptorFlag.used
    let isThisLap = state.availableMark == lap
    let event = Int(wish & 0x7fff) &- (isThisLap ? 0 : Int(state.size))
    let behind = Int(state.nextAvailable) &- 1 &- event
    return behind >= 0 && behind < added
  }
}
