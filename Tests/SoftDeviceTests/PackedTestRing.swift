// SPDX-License-Identifier: BSD-2-Clause
//
// The driver's side of a packed virtqueue.

import CLinux
import Linux
import Testing

@testable import SoftDevice

final class PackedTestRing: TestRing {
  var next = 0
  var nextWrap = true
  private var place = 0
  private var placeWrap = true
  private var free: [Int] = []
  private var lastKick = 0

  override init(_ base: UnsafeMutableRawPointer, _ size: Int, _ features: UInt64, _ kick: Int32) {
    unsafe super.init(base, size, features, kick)
    // Ids that say nothing of the place they are used at.
    free = Array((0..<size).reversed())
  }

  override var position: UInt32 {
    let half = UInt32(place) | (placeWrap ? 0x8000 : 0)
    return half | half << 16
  }

  override var wantsKick: Bool {
    let event = unsafe shared_load32(device)
    switch event >> 16 {
    case 0: return true
    case 2:
      // Positions of two laps on one line.
      let lap = 2 * size
      let now = next + (nextWrap ? 0 : size)
      let asked = Int(event & 0x7fff) + (event & 0x8000 != 0 ? 0 : size)
      return (now - asked - 1 + 2 * lap) % lap < (now - lastKick + lap) % lap
    default: return false
    }
  }

  override func wasOffered() { lastKick = next + (nextWrap ? 0 : size) }

  override func take(over other: TestRing) {
    guard let other = other as? PackedTestRing else { return }
    (next, nextWrap, place, placeWrap) = (other.next, other.nextWrap, other.place, other.placeWrap)
    free = other.free
    wasOffered()
  }

  override var asksForNext: Bool {
    let event = unsafe shared_load32(device)
    return event >> 16 == 2 ? event & 0xffff == UInt32(next) | (nextWrap ? 0x8000 : 0) : event >> 16 == 0
  }

  func flags(_ wrap: Bool) -> UInt16 { wrap ? 0x80 : 0x8000 }

  override func offer(
    _ parts: [Part], buffer: Int, table: (UnsafeMutableRawPointer, UInt64)? = nil, kicking: Bool = true
  ) {
    let id = free.removeFirst()
    var written: [(at: Int, Part, UInt16)] = []
    if let (at, address) = unsafe table {
      for (index, part) in parts.enumerated() {
        unsafe describe(at + 16 * index, part, 0, part.isWritable ? 2 : 0)
      }
      written = [(next, Part(address: address, length: UInt32(16 * parts.count)), 4 | flags(nextWrap))]
      step(1)
    } else {
      for (index, part) in parts.enumerated() {
        let more: UInt16 = index < parts.count - 1 ? 1 : 0
        written.append((next, part, (part.isWritable ? 2 : 0) | more | flags(nextWrap)))
        step(1)
      }
    }
    // The head's flags last.
    for (at, part, flags) in written.reversed() {
      let last = at == written.last?.at
      let before = unsafe shared_load16(base + 16 * at + 14)
      unsafe describe(base + 16 * at, part, UInt16(last ? id : 0xdead), before)
      unsafe shared_store16_release(base + 16 * at + 14, flags)
    }
    outstanding.append((id, written.count, buffer))
    if kicking { signal() }
  }

  private func step(_ slots: Int) {
    next += slots
    if next >= size {
      next -= size
      nextWrap.toggle()
    }
  }

  override func take() -> (buffer: Int, length: Int)? {
    if batch == nil {
      let at = unsafe base + 16 * place
      let flags = unsafe shared_load16_acquire(at + 14)
      if flags & 0x8080 != (placeWrap ? 0x8080 : 0) { return nil }
      let length = flags & 2 != 0 ? Int(unsafe shared_load32(at + 8)) : 0
      batch = (Int(unsafe shared_load16(at + 12)), length)
    }
    guard let entry = batch else { return nil }
    let (id, slots, buffer, length) = retire(entry.id, entry.length)
    free.append(id)
    if !isInOrder { batch = nil }
    used += 1
    place += slots
    if place >= size {
      place -= size
      placeWrap.toggle()
    }
    if hasEventIndex { ask() }
    return (buffer, length)
  }

  private func ask() {
    unsafe shared_store16(driver, UInt16(place) | (placeWrap ? 0x8000 : 0))
    unsafe shared_store16_release(driver + 2, 2)
    shared_fence()
  }

  override func setInterrupts(_ wanted: Bool) {
    if wanted && hasEventIndex { ask() } else { unsafe shared_store16(driver + 2, wanted ? 0 : 1) }
    shared_fence()
  }
}
