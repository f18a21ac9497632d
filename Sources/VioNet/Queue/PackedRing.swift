// SPDX-License-Identifier: BSD-2-Clause
//
// The packed ring (virtio 1.4, 2.8) as a burst sees it: one ring that both sides write. Two flags of a descriptor say
// whose it is, and their sense changes with every lap. A ring has any size up to 32768.

import CLinux
import Linux
import Virtio

struct PackedRing<Order: DescriptorOrder>: Ring, ~Copyable {
  @inline(__always) static var isPacked: Bool { true }
  @inline(__always) static var isInOrder: Bool { Order.isInOrder }

  let descriptors: Shared
  let size: Int
  var nextAvailable: Int
  /// Flags that mean "available" in the lap of `nextAvailable`.
  var availableFlags: UInt16
  var lastUsed: Int
  /// Flags that mean "used" in the lap of `lastUsed`.
  var usedFlags: UInt16
  var idle: IDQueue
  let isInRingOrder: Bool
  /// Length, id and flags of the descriptor that findUsed() read, in one access.
  var word: UInt64 = 0
  /// Offset of the first descriptor posted in this burst. Its flags are written last, by save(), so that the device
  /// does not read lines that are still being written.
  var head = 0
  var headWord: UInt64 = 0
  /// Descriptors posted in this burst.
  var posted = 0
  let pending: Int
  var batchLeft: Int
  var batchLength: UInt32

  @inline(__always)
  init(_ state: RingState) {
    descriptors = state.descriptors
    size = Int(state.size)
    nextAvailable = Int(state.nextAvailable)
    availableFlags = state.availableFlags
    lastUsed = Int(state.lastUsed)
    usedFlags = state.usedFlags
    idle = state.idle
    isInRingOrder = Order.isInOrder || state.isInRingOrder
    pending = Int(state.outstanding)
    batchLeft = Int(state.batchLeft)
    batchLength = state.batchLength
  }

  // MARK: Position

  @inline(__always) var idleCount: Int { Int(idle.count) }
  /// False always: there is no index. An invalid descriptor is found by its id.
  @inline(__always) var indexJumped: Bool { false }

  @inline(__always)
  mutating func findUsed() -> Bool {
    if Order.isInOrder && batchLeft != 0 { return true }
    word = descriptors.load64Acquire(lastUsed &* RingFormat.descriptorBytes &+ 8)
    return UInt16(truncatingIfNeeded: word >> 48) & DescriptorFlag.availableAndUsed == usedFlags
  }

  @inline(__always)
  func readUsed() -> Used {
    Used(id: UInt32(truncatingIfNeeded: word >> 32) & 0xffff, length: UInt32(truncatingIfNeeded: word))
  }

  /// True always: the flags of a descriptor expose it, so that a fast device may use it in the same burst.
  @inline(__always)
  func isExposed(_ id: Int) -> Bool { true }

  /// Reads the used entry that begins a batch, unless one is open; false if it names no outstanding buffer.
  @inline(__always)
  mutating func openBatch() -> Bool {
    if batchLeft != 0 { return true }
    let used = readUsed()
    var ahead = Int(used.id) &- lastUsed
    if ahead < 0 { ahead &+= size }
    // `pending` would count those that this burst has already given back.
    if Int(used.id) >= size || ahead >= size &- idleCount { return false }  // tested by abi-hostile-packed-rings
    batchLeft = ahead &+ 1
    batchLength = used.length
    return true
  }

  @inline(__always)
  mutating func passUsed(_ count: Int) {
    lastUsed &+= count
    if lastUsed >= size {
      lastUsed &-= size
      usedFlags ^= DescriptorFlag.availableAndUsed
    }
    if Order.isInOrder { batchLeft = max(0, batchLeft &- count) }
  }

  // MARK: Idle descriptors

  @inline(__always)
  mutating func nextIdle(after taken: Int) -> Int {
    if !isInRingOrder { return Int(idle.pop()) }
    idle.head &+= 1
    let id = nextAvailable &+ taken
    return id >= size ? id &- size : id
  }

  @inline(__always)
  mutating func giveBack(_ id: Int) {
    if isInRingOrder { idle.tail &+= 1 } else { idle.push(UInt16(truncatingIfNeeded: id)) }
  }

  @inline(__always)
  func isNextBack(_ id: Int) -> Bool {
    let next = nextAvailable &+ idleCount
    return id == (next >= size ? next &- size : next)
  }

  // MARK: Posting

  /// Posts a chain's head, after its other descriptors, so that the device sees all of it or nothing (virtio 1.4,
  /// 2.8.17).
  @inline(__always)
  mutating func post(
    _ id: Int, address: UInt64, length: UInt32, flags: UInt16, next: UInt16, descriptors count: Int
  ) {
    if posted == 0 {
      head = nextAvailable &* RingFormat.descriptorBytes
      headWord = PackedRing.word(id, length, flags | availableFlags)
      descriptors.store64(head, address)
    } else {
      write(nextAvailable, id, address, length, flags | availableFlags)
    }
    nextAvailable &+= count
    if nextAvailable >= size {
      nextAvailable &-= size
      availableFlags ^= DescriptorFlag.availableAndUsed
    }
    posted &+= count
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

  // MARK: Publishing

  @inline(__always)
  func save(_ state: inout RingState) {
    if posted != 0 { descriptors.store64Release(head &+ 8, headWord) }
    state.lastUsed = UInt16(truncatingIfNeeded: lastUsed)
    state.usedFlags = usedFlags
    state.nextAvailable = UInt16(truncatingIfNeeded: nextAvailable)
    state.availableFlags = availableFlags
    state.published &+= UInt16(truncatingIfNeeded: posted)
    state.idle = idle
    if Order.isInOrder {
      state.batchLeft = UInt16(truncatingIfNeeded: batchLeft)
      state.batchLength = batchLength
    }
  }

  @inline(__always)
  static func publish(_ state: inout RingState) -> Bool {
    let added = Int(state.published)
    if added == 0 { return false }
    state.published = 0
    // The flags must be visible before the request is read (virtio 1.4, 2.8.21.3.1).
    shared_fence()
    let request = state.used.load32(0)
    let flags = UInt16(truncatingIfNeeded: request >> 16) & 3
    if flags != EventFlag.atDescriptor || !state.shape.hasEventIndex { return flags != EventFlag.disable }
    // The descriptor that it names must be among the new ones.
    let lap = request & UInt32(RingFormat.wrapBit) != 0 ? DescriptorFlag.available : DescriptorFlag.used
    let isThisLap = state.availableFlags == lap
    let event = Int(request & 0x7fff) &- (isThisLap ? 0 : Int(state.size))
    let behind = Int(state.nextAvailable) &- 1 &- event
    return behind >= 0 && behind < added
  }
}
