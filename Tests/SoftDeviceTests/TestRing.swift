// SPDX-License-Identifier: BSD-2-Clause
//
// The driver's side of one virtqueue, split or packed, written for these tests: it offers chains of any shape, takes
// back what was used, and kicks and asks for interrupts as the features say. It shares no code with the device.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

/// One piece of a chain: where the device sees it, and how long it is.
struct Part {
  var address: UInt64
  var length: UInt32
  var isWritable = false
}

class TestRing {
  let base: UnsafeMutableRawPointer
  let size: Int
  let features: UInt64
  let kick: Int32
  /// Chains that are with the device: id, slots, and the part of the buffers they stand for.
  var outstanding: [(id: Int, slots: Int, buffer: Int)] = []
  var batch: (id: Int, length: Int)?
  var used = 0
  var kicks = 0
  /// What SET_VRING_BASE says in place of the position.
  var claimed: UInt32?

  /// Where the two other parts of a ring of `size` lie behind its descriptors.
  static func driverOffset(_ size: Int) -> Int { (16 * size + 4095) & ~4095 }
  static func deviceOffset(_ size: Int) -> Int { driverOffset(size) + (6 + 2 * size + 4095) & ~4095 }
  static func bytes(_ size: Int) -> Int { deviceOffset(size) + (6 + 8 * size + 4095) & ~4095 }

  static func make(_ base: UnsafeMutableRawPointer, _ size: Int, _ features: UInt64, _ kick: Int32) -> TestRing {
    unsafe features & Feature.packed != 0
      ? PackedTestRing(base, size, features, kick) : SplitTestRing(base, size, features, kick)
  }

  init(_ base: UnsafeMutableRawPointer, _ size: Int, _ features: UInt64, _ kick: Int32) {
    unsafe self.base = base
    self.size = size
    self.features = features
    self.kick = kick
  }

  var driver: UnsafeMutableRawPointer { unsafe base + Self.driverOffset(size) }
  var device: UnsafeMutableRawPointer { unsafe base + Self.deviceOffset(size) }
  var hasEventIndex: Bool { features & Feature.eventIndex != 0 }
  var isInOrder: Bool { features & Feature.inOrder != 0 }
  /// What SET_VRING_BASE is to say.
  var position: UInt32 { 0 }
  var wantsKick: Bool { true }
  /// The device asks to be kicked for the next chain that is offered.
  var asksForNext: Bool { wantsKick }
  var freeSlots: Int { size - outstanding.reduce(0) { $0 + $1.slots } }

  /// A copy of the ring and its memory, as far as it has come.
  func moved(to base: UnsafeMutableRawPointer, kick: Int32) -> TestRing {
    let copy = unsafe Self.make(base, size, features, kick)
    copy.used = used
    copy.take(over: self)
    return copy
  }

  func take(over other: TestRing) {}

  /// Shows the device a chain and kicks if it wants that; `tables` are written at `table`, if the chain is indirect.
  func offer(_ parts: [Part], buffer: Int, table: (UnsafeMutableRawPointer, UInt64)? = nil, kicking: Bool = true) {}

  /// Retires the next chain, if it was used.
  func take() -> (buffer: Int, length: Int)? { nil }

  func setInterrupts(_ wanted: Bool) {}

  func describe(_ at: UnsafeMutableRawPointer, _ part: Part, _ third: UInt16, _ fourth: UInt16) {
    unsafe at.storeBytes(of: part.address, as: UInt64.self)
    unsafe at.storeBytes(of: part.length, toByteOffset: 8, as: UInt32.self)
    unsafe at.storeBytes(of: third, toByteOffset: 12, as: UInt16.self)
    unsafe at.storeBytes(of: fourth, toByteOffset: 14, as: UInt16.self)
  }

  func signal() {
    shared_fence()
    if wantsKick {
      kicks += 1
      _ = sys_eventfd_signal(kick)
    }
    wasOffered()
  }

  /// What is offered from now on is new.
  func wasOffered() {}

  /// The chain that a used id retires, and how much the device wrote: in order, an id may stand for several.
  func retire(_ id: Int, _ length: Int) -> (id: Int, slots: Int, buffer: Int, length: Int) {
    if isInOrder {
      let chain = outstanding.removeFirst()
      if chain.id == id { batch = nil }
      return (chain.id, chain.slots, chain.buffer, chain.id == id ? length : 0)
    }
    guard let place = outstanding.firstIndex(where: { $0.id == id }) else {
      Issue.record("id \(id) was not given")
      return (id, 1, 0, 0)
    }
    let chain = outstanding.remove(at: place)
    return (chain.id, chain.slots, chain.buffer, length)
  }
}

final class SplitTestRing: TestRing {
  var available: UInt16 = 0
  private var seen: UInt16 = 0
  private var nextDescriptor = 0
  private var lastKick: UInt16 = 0

  override var position: UInt32 { UInt32(UInt16(truncatingIfNeeded: used)) }

  override var wantsKick: Bool {
    if !hasEventIndex { return unsafe shared_load16(device) == 0 }
    let event = unsafe shared_load16(device + 4 + 8 * size)
    return available &- event &- 1 < available &- lastKick
  }

  override func wasOffered() { lastKick = available }

  override func take(over other: TestRing) {
    guard let other = other as? SplitTestRing else { return }
    available = other.available
    nextDescriptor = other.nextDescriptor
    lastKick = available
  }

  override var asksForNext: Bool {
    hasEventIndex ? unsafe shared_load16(device + 4 + 8 * size) == available : wantsKick
  }

  override func offer(
    _ parts: [Part], buffer: Int, table: (UnsafeMutableRawPointer, UInt64)? = nil, kicking: Bool = true
  ) {
    let head = nextDescriptor
    if let (at, address) = unsafe table {
      for (index, part) in parts.enumerated() {
        let flags: UInt16 = (part.isWritable ? 2 : 0) | (index < parts.count - 1 ? 1 : 0)
        unsafe describe(at + 16 * index, part, flags, UInt16(index + 1))
      }
      unsafe describe(base + 16 * head, Part(address: address, length: UInt32(16 * parts.count)), 4, 0)
    } else {
      for (index, part) in parts.enumerated() {
        let flags: UInt16 = (part.isWritable ? 2 : 0) | (index < parts.count - 1 ? 1 : 0)
        unsafe describe(base + 16 * ((head + index) % size), part, flags, UInt16((head + index + 1) % size))
      }
    }
    let slots = unsafe table == nil ? parts.count : 1
    nextDescriptor = (head + slots) % size
    outstanding.append((head, slots, buffer))
    publish(head)
    if kicking { signal() }
  }

  func publish(_ head: Int) {
    unsafe (driver + 4 + 2 * (Int(available) & (size - 1))).storeBytes(of: UInt16(head), as: UInt16.self)
    available &+= 1
    unsafe shared_store16_release(driver + 2, available)
  }

  override func take() -> (buffer: Int, length: Int)? {
    if unsafe shared_load16_acquire(device + 2) == UInt16(truncatingIfNeeded: used) { return nil }
    let at = unsafe device + 4 + 8 * (used & (size - 1))
    let entry = unsafe batch ?? (Int(shared_load32(at)), Int(shared_load32(at + 4)))
    batch = entry
    let (_, _, buffer, length) = retire(entry.id, entry.length)
    if !isInOrder { batch = nil }
    used += 1
    if hasEventIndex { unsafe shared_store16(driver + 4 + 2 * size, UInt16(truncatingIfNeeded: used)) }
    return (buffer, length)
  }

  override func setInterrupts(_ wanted: Bool) {
    if hasEventIndex {
      unsafe shared_store16(driver + 4 + 2 * size, UInt16(truncatingIfNeeded: wanted ? used : used + 0x8000))
    } else {
      unsafe shared_store16(driver, wanted ? 0 : 1)
    }
    shared_fence()
  }
}
