// SPDX-License-Identifier: BSD-2-Clause
//
// The split ring (virtio 1.4, 2.7) from the device's side. Each word the driver may write is loaded once: a head from
// the available ring, a descriptor's address, and its length, flags and next in one 64-bit load. A chain is walked for
// at most as many descriptors as the ring, or the indirect table, has.

import CLinux
import Linux
import Virtio

enum SplitRing {
  @inline(__always)
  static func hasBuffers(_ rings: Rings, _ next: Position) -> Bool {
    rings.driver.load16Acquire(RingFormat.indexOffset) != next.index
  }

  static func wantKicks(_ wanted: Bool, _ rings: Rings, _ next: Position, size: UInt16, byPosition: Bool) {
    if byPosition {
      // Left alone, the index asks for one kick in 65536 buffers.
      if wanted {
        rings.device.store16(RingFormat.elementsOffset + RingFormat.usedElementBytes * Int(size), next.index)
      }
    } else {
      rings.device.store16(RingFormat.flagsOffset, wanted ? 0 : SplitFlag.noNotify)
    }
  }

  /// Takes chains until the batch has `limit` of them; false if the driver broke a rule.
  @_optimize(speed)
  static func take(
    _ queue: inout Queue, _ rings: Rings, _ batch: inout Batch, _ memory: inout Translation, limit: Int, _ touch: Touch
  ) -> Bool {
    let mask = queue.size &- 1
    let plain = queue.direction.plainFlags
    var next = queue.ahead.index
    let end = rings.driver.load16Acquire(RingFormat.indexOffset)
    if end &- queue.next.index > queue.size { return false }  // tested by HostileRingTests
    var translation = memory
    var count = batch.count
    var slotsAhead = queue.slotsAhead
    let stop = min(limit, count &+ Int(end &- next))
    var good = true
    while count < stop {
      let head = rings.driver.load16(RingFormat.elementsOffset &+ RingFormat.availableElementBytes &* Int(next & mask))
      if head > mask {  // tested by HostileRingTests
        good = false
        break
      }
      let descriptor = BufferDescriptor(rings.descriptors, Int(head))
      if descriptor.flags == plain, let bytes = translation.guest(descriptor.address, descriptor.length) {
        touch.prefetch(bytes)
        batch.chains[count] = Chain(head, bytes, descriptor.length)
      } else {
        batch.count = count
        if !batch.hasRoom { break }
        var walk = Walk(memory: translation, direction: queue.direction, hasIndirect: queue.agreement.hasIndirect)
        good = walkSplit(&walk, descriptor, rings.descriptors, mask, &batch)
        if !good { break }
        batch.chains[count].id = head
      }
      slotsAhead &+= Int(batch.chains[count].slots)
      count &+= 1
      next &+= 1
    }
    batch.count = count
    memory = translation
    queue.ahead.index = next
    queue.slotsAhead = slotsAhead
    return good
  }

  /// Follows a chain through the ring's own descriptors; its last one may name an indirect table (2.7.5.3.2).
  @inline(never)
  private static func walkSplit(
    _ walk: inout Walk, _ head: BufferDescriptor, _ descriptors: Shared, _ mask: UInt16, _ batch: inout Batch
  ) -> Bool {
    batch.begin()
    var descriptor = head
    var left = Int(mask)
    while true {
      if descriptor.flags & DescriptorFlag.indirect != 0 { return walk.addTable(descriptor, linked: true, &batch) }
      if !walk.add(descriptor, &batch) { return false }
      if descriptor.flags & DescriptorFlag.next == 0 { return true }
      if left == 0 || descriptor.extra > mask { return false }  // tested by HostileRingTests
      left &-= 1
      batch.chains[batch.count].slots &+= 1
      descriptor = BufferDescriptor(descriptors, Int(descriptor.extra))
    }
  }

  /// Gives back the chains that are done and shows them to the driver. With IN_ORDER, one entry with the last head covers
  /// a whole batch of a transmit queue (virtio 1.4, 2.7.9).
  @_optimize(speed)
  static func give(_ queue: inout Queue, _ rings: Rings, _ batch: borrowing Batch) {
    let mask = queue.size &- 1
    let used = queue.used.index
    let done = batch.done
    var index = queue.direction == .read && queue.agreement.isInOrder ? done &- 1 : 0
    var place = used
    while index < done {
      let at = RingFormat.elementsOffset &+ RingFormat.usedElementBytes &* Int(place & mask)
      rings.device.store32(at, UInt32(batch.chains[index].id))
      rings.device.store32(at &+ 4, batch.chains[index].written)
      place &+= 1
      index &+= 1
    }
    let end = used &+ UInt16(truncatingIfNeeded: done)
    rings.device.store16Release(RingFormat.indexOffset, end)
    queue.inflight?.confirm(Position(index: end))
    queue.used.index = end
    queue.next.index &+= UInt16(truncatingIfNeeded: done)
  }

  /// Whether the driver wants an interrupt for what was given back since `old` (2.7.7.2). Call when the index is visible.
  @inline(__always)
  static func wantsInterrupt(_ queue: borrowing Queue, _ rings: Rings, since old: Position) -> Bool {
    if !queue.agreement.hasEventIndex {
      return rings.driver.load16(RingFormat.flagsOffset) & SplitFlag.noInterrupt == 0
    }
    let event = rings.driver.load16(RingFormat.elementsOffset &+ RingFormat.availableElementBytes &* Int(queue.size))
    return queue.used.index &- event &- 1 < queue.used.index &- old.index
  }
}
