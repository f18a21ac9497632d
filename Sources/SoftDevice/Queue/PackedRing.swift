// SPDX-License-Identifier: BSD-2-Clause
//
// The packed ring (virtio 1.4, 2.8) from the device's side: one table that both sides write. A descriptor is the
// driver's to give when its AVAIL bit equals the ring's wrap counter and its USED bit does not. Flags are loaded first,
// in order, and then length, id and flags in one 64-bit load, of which the second reading of the flags gives only the kind of descriptor.

import CLinux
import Linux
import Virtio

enum PackedRing {
  @inline(__always)
  private static func isAvailable(_ rings: Rings, _ position: Position) -> Bool {
    let flags = rings.descriptors.load16Acquire(
      Int(position.index) &* RingFormat.descriptorBytes &+ RingFormat.packedFlagsOffset)
    return flags & DescriptorFlag.availableAndUsed == (position.wrap ? DescriptorFlag.available : DescriptorFlag.used)
  }

  @inline(__always)
  static func hasBuffers(_ rings: Rings, _ next: Position) -> Bool { isAvailable(rings, next) }

  static func wantKicks(_ wanted: Bool, _ rings: Rings, _ next: Position, byPosition: Bool) {
    if wanted && byPosition { rings.device.store16(RingFormat.eventOffset, UInt16(truncatingIfNeeded: next.packed)) }
    rings.device.store16Release(
      RingFormat.eventFlagsOffset, !wanted ? EventFlag.disable : byPosition ? EventFlag.atDescriptor : EventFlag.enable)
  }

  /// Fetches the lines of the descriptors that are likely to follow, for writing: a driver writes them in bursts, and used
  /// descriptors go into the same places.
  @inline(__always)
  private static func prefetch(_ rings: Rings, _ position: Position, _ size: UInt16) {
    let first = Int(position.index) &* RingFormat.descriptorBytes
    let end = min(first &+ Batch.burst &* RingFormat.descriptorBytes, Int(size) &* RingFormat.descriptorBytes)
    var at = first &+ 64
    while at < end {
      rings.descriptors.prefetchForWriting(at)
      at &+= 64
    }
  }

  /// Takes chains until the batch has `limit` of them; false if the driver broke a rule.
  @_optimize(speed)
  static func take(
    _ queue: inout Queue, _ rings: Rings, _ batch: inout Batch, _ memory: inout Translation, limit: Int, _ touch: Touch
  ) -> Bool {
    let size = queue.size
    let plain = queue.direction.plainFlags
    var position = queue.ahead
    var translation = memory
    var count = batch.count
    var slotsAhead = queue.slotsAhead
    var good = true
    if count < limit, slotsAhead < Int(size), isAvailable(rings, position) { prefetch(rings, position, size) }
    while count < limit, slotsAhead < Int(size), isAvailable(rings, position) {
      let descriptor = BufferDescriptor(packed: rings.descriptors, Int(position.index))
      var slots: UInt16 = 1
      if descriptor.flags & BufferDescriptor.kinds == plain,
        let bytes = translation.guest(descriptor.address, descriptor.length)
      {
        touch.prefetch(bytes)
        batch.chains[count] = Chain(descriptor.extra, bytes, descriptor.length)
      } else {
        batch.count = count
        if !batch.hasRoom { break }
        var walk = Walk(memory: translation, direction: queue.direction, hasIndirect: queue.agreement.hasIndirect)
        slots = walkPacked(&walk, descriptor, rings.descriptors, position, size, &batch)
        good = slots > 0
        // A chain that ends in descriptors that are taken already.
        if slotsAhead &+ Int(slots) > Int(size) { good = false }  // tested by HostilePackedTests
        if !good { break }
        batch.chains[count].slots = slots
      }
      count &+= 1
      slotsAhead &+= Int(slots)
      position.step(slots, size: size)
    }
    batch.count = count
    memory = translation
    queue.slotsAhead = slotsAhead
    queue.ahead = position
    return good
  }

  /// Follows a chain; the descriptors behind its head were written before that, and the last one has the buffer's id
  /// (2.8.6). An indirect table stands alone (2.8.19). Returns the descriptors it takes, 0 if a rule was broken.
  @inline(never)
  private static func walkPacked(
    _ walk: inout Walk, _ head: BufferDescriptor, _ descriptors: Shared, _ start: Position, _ size: UInt16,
    _ batch: inout Batch
  ) -> UInt16 {
    batch.begin()
    var descriptor = head
    var position = start
    var slots: UInt16 = 1
    if head.flags & DescriptorFlag.indirect != 0 {
      batch.chains[batch.count].id = head.extra
      return walk.addTable(head, linked: false, &batch) ? 1 : 0
    }
    while walk.add(descriptor, &batch) {
      if descriptor.flags & DescriptorFlag.next == 0 {
        batch.chains[batch.count].id = descriptor.extra
        return slots
      }
      // No loop is longer than the ring; take() would refuse such a chain, too.
      if slots == size { return 0 }
      slots &+= 1
      position.step(1, size: size)
      descriptor = BufferDescriptor(packed: descriptors, Int(position.index))
      if descriptor.flags & DescriptorFlag.indirect != 0 { return 0 }  // tested by HostilePackedTests
    }
    return 0
  }

  /// Gives back the chains that are done. The first one's flags are written last, so that the driver sees all or none
  /// (virtio 1.4, 2.8.9). With IN_ORDER, one descriptor with the last id covers a whole batch of a transmit queue (2.8.8).
  // Safety: the position is inside the ring, whose `size` descriptors resolve() has found inside the memory.
  @_optimize(speed)
  static func give(_ queue: inout Queue, _ rings: Rings, _ batch: borrowing Batch) {
    let size = queue.size
    let first = queue.used
    let done = batch.done
    let isBatched = queue.direction == .read && queue.agreement.isInOrder
    var position = first
    var next = queue.next
    var index = 0
    if let inflight = queue.inflight { journal(batch, inflight, rings, first, size, keeping: !isBatched) }
    while index < done {
      let slots = batch.chains[index].slots
      if index > 0 && !isBatched { store(batch.chains[index], position, rings) }
      position.step(slots, size: size)
      next.step(slots, size: size)
      index &+= 1
    }
    let word = usedWord(batch.chains[isBatched ? done &- 1 : 0], first)
    unsafe device_store64_release(
      rings.descriptors.base + (Int(first.index) &* RingFormat.descriptorBytes &+ RingFormat.wordOffset), word)
    queue.inflight?.confirm(position)
    queue.used = position
    queue.next = next
  }

  /// Saves what a batch overwrites before its first descriptor shows the batch as used, and then how far the batch goes.
  /// Places inside chains are saved too, though they stay as they are, so that all between two positions are there.
  @inline(never)
  @_optimize(speed)
  private static func journal(
    _ batch: borrowing Batch, _ inflight: Inflight, _ rings: Rings, _ first: Position, _ size: UInt16, keeping: Bool
  ) {
    var position = first
    var number: UInt16 = 0
    var index = 0
    while index < batch.done {
      var left = batch.chains[index].slots
      while left > 0 {
        if keeping { inflight.save(position.index, as: number, rings) }
        position.step(1, size: size)
        number &+= 1
        left &-= 1
      }
      index &+= 1
    }
    inflight.announce(position)
  }

  @inline(__always)
  private static func store(_ chain: Chain, _ position: Position, _ rings: Rings) {
    rings.descriptors.store64(
      Int(position.index) &* RingFormat.descriptorBytes &+ RingFormat.wordOffset, usedWord(chain, position))
  }

  /// Length, id and flags of a used descriptor. WRITE says whether the length means anything (2.8.4).
  @inline(__always)
  private static func usedWord(_ chain: Chain, _ position: Position) -> UInt64 {
    let flags = (position.wrap ? DescriptorFlag.availableAndUsed : 0) | (chain.written > 0 ? DescriptorFlag.write : 0)
    return UInt64(chain.written) | UInt64(chain.id) << 32 | UInt64(flags) << 48
  }

  /// Whether the driver wants an interrupt for what was given back since `old` (2.8.10). Call when the flags are visible.
  @inline(__always)
  static func wantsInterrupt(_ queue: borrowing Queue, _ rings: Rings, since old: Position) -> Bool {
    let word = rings.driver.load32(0)
    let flags = UInt16(truncatingIfNeeded: word >> 16)
    if flags == EventFlag.disable { return false }
    let knowsPositions = queue.agreement.hasEventIndex
    if flags != EventFlag.atDescriptor || !knowsPositions { return true }
    let event = Position(packed: word)
    // Positions of the lap before count from below zero.
    let new = queue.used.index
    let place = event.wrap == queue.used.wrap ? event.index : event.index &- queue.size
    let begin = old.wrap == queue.used.wrap ? old.index : old.index &- queue.size
    return new &- place &- 1 < new &- begin
  }
}
