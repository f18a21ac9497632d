// SPDX-License-Identifier: BSD-2-Clause
//
// A bounded ring of packets, into which any thread puts and from which one thread at a time takes. A producer reserves
// places with one compare-and-swap, writes its packets there, and publishes them with one mark in the first place: how
// many they are, and when they came. A producer that was stopped in between delays what lies behind its places, and no
// thread: the taker ends at the first place without a mark.
//
// Positions count up for ever; the low bits are the place. The mark at `head` is that of a published run, or 0: who takes
// a part of a run leaves a mark of the rest.
//
// Who publishes passes a fence and then looks whether there is something to do; who stops taking passes a fence and then
// looks whether something was published. So one of the two sees the other.

import CLinux
import CVionet
import Linux

// Safety: `memory` has the control words, and for each place a mark and a packet, from make() to destroy(). Places are
// masked. Whoever takes has entered, and reads packets only where a mark was seen.
@safe
package struct ProducerRing {
  private let memory: Shared
  private let mask: UInt64

  package var room: UInt64 { mask &+ 1 }

  /// Places of the control words. Words of one group are on cache lines of their own, with one between, because processors
  /// fetch lines in pairs.
  private enum At {
    // What producers write.
    /// Position behind the last reserved place.
    static var tail: Int { 0 }
    /// A copy of `head` that may be old: producers read the taker's line only when this one does not tell.
    static var headSeen: Int { 8 }
    /// Twice the position up to which all is to be taken, whatever the number, and 1 if that is for its age.
    static var wanted: Int { 16 }
    // What the taker writes.
    /// Position of the first place that is not taken.
    static var head: Int { 128 }
    static var isEntered: Int { 136 }
    /// 0, or the tail from which on it is worth while to try again after not all could be taken.
    static var retry: Int { 144 }
    /// A count for each reason to take.
    static var counts: Int { 152 }
    // What a producer without luck writes.
    static var refused: Int { 256 }
    static var marks: Int { 384 }
  }

  /// Room for `room` packets, a power of two; nil when there is no memory.
  package static func make(room: Int) -> ProducerRing? {
    guard let raw = unsafe Heap.zeroed(At.marks + room * 16) else { return nil }
    return unsafe ProducerRing(memory: Shared(raw), mask: UInt64(room - 1))
  }

  private init(memory: Shared, mask: UInt64) {
    self.memory = memory
    self.mask = mask
  }

  package func destroy() { unsafe free(memory.base) }

  @inline(__always)
  private func markPlace(_ position: UInt64) -> Int { At.marks &+ Int(truncatingIfNeeded: position & mask) &* 8 }
  @inline(__always)
  private func packetPlace(_ position: UInt64) -> Int {
    At.marks &+ Int(truncatingIfNeeded: room &+ (position & mask)) &* 8
  }
}

/// Why packets are taken.
package enum TakeReason: Int {
  /// There are as many as were waited for.
  case count
  /// One of them has waited for as long as it may.
  case age
  /// Somebody asked for it.
  case request
}

// MARK: Producers

extension ProducerRing {
  /// Puts in as many of the packets from `begin` to `end` as there is room for, from the first on. Returns how many.
  // Safety: the list has `end` pointers, by the contract of the public call.
  @inline(__always)
  package func put(
    _ packets: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>, from begin: Int, to end: Int, at time: UInt32
  ) -> Int {
    let (position, count) = reserve(UInt64(truncatingIfNeeded: end &- begin))
    if count == 0 { return 0 }
    let list = unsafe PacketList(packets)
    let last = begin &+ Int(truncatingIfNeeded: count)
    var place = position
    var index = begin
    while index != last {
      memory.store64(packetPlace(place), UInt64(list[uncheckedAddress: index]))
      place &+= 1
      index &+= 1
    }
    memory.store64Release(markPlace(position), Mark(time: time, count: count).word)
    shared_fence()
    return Int(truncatingIfNeeded: count)
  }

  /// Reserves up to `wanted` places: the first position, and how many.
  @inline(__always)
  private func reserve(_ wanted: UInt64) -> (UInt64, UInt64) {
    var head = memory.load64Acquire(At.headSeen)
    while true {
      let tail = memory.load64(At.tail)
      if tail &+ wanted &- head > room { head = seeHead() }
      // More than the room, as a negative number is: others have moved both since `tail` was read.
      let used = tail &- head
      if used > room { continue }
      let count = min(wanted, room &- used)
      if count == 0 { return (tail, 0) }
      if memory.replace64(At.tail, tail, tail &+ count) { return (tail, count) }
    }
  }

  /// Reads the taker's position, and keeps it for the next producer.
  private func seeHead() -> UInt64 {
    let head = memory.load64Acquire(At.head)
    memory.store64Release(At.headSeen, head)
    return head
  }

  /// Asks for all that is in the ring now to be taken.
  package func request(_ reason: TakeReason) {
    let request = memory.load64(At.tail) << 1 | (reason == .age ? 1 : 0)
    var known = memory.load64(At.wanted)
    while known < request && !memory.replace64(At.wanted, known, request) { known = memory.load64(At.wanted) }
    shared_fence()
  }

  /// Why packets should be taken, nil if there is no reason: `enough` of them are there, or somebody asked. After not all
  /// could be taken, there is none before `enough` more have come or the ring is full.
  @inline(__always)
  package func reason(enough: UInt64) -> TakeReason? {
    let tail = memory.load64(At.tail)
    let wanted = memory.load64(At.wanted)
    let head = memory.load64Acquire(At.headSeen)
    // The old position is too low, so that what it does not show is not there. A tail before it was read too early, and
    // who moved it looks for a reason, too.
    if Int64(bitPattern: tail &- head) < Int64(bitPattern: enough) && wanted >> 1 <= head { return nil }
    return reason(tail, wanted, enough: enough)
  }

  private func reason(_ tail: UInt64, _ wanted: UInt64, enough: UInt64) -> TakeReason? {
    let head = seeHead()
    let used = Int64(bitPattern: tail &- head)
    if tail < memory.load64(At.retry) && used < Int64(bitPattern: room) { return nil }
    if used >= Int64(bitPattern: enough) { return .count }
    if wanted >> 1 <= head { return nil }
    return wanted & 1 != 0 ? .age : .request
  }

  /// Lets the next look for a reason find one even if not all could be taken before.
  package func retryNow() { memory.store64(At.retry, 0) }

  package func refuse(_ count: Int) { memory.add64(At.refused, UInt64(truncatingIfNeeded: count)) }
}

// MARK: The taker

extension ProducerRing {
  /// Makes this thread the taker, unless there is one.
  package func enter() -> Bool { memory.load32(At.isEntered) == 0 && memory.exchange32Acquire(At.isEntered, 1) == 0 }

  /// Ends the taking. What was published before this returns is seen after it, or its producer sees that nobody takes.
  package func leave() {
    memory.store32Release(At.isEntered, 0)
    shared_fence()
  }

  /// Positions of the first place that is not taken, and behind the last one reserved.
  package var head: UInt64 { memory.load64Acquire(At.head) }
  package var tail: UInt64 { memory.load64(At.tail) }

  /// How many packets are published and lie one after another in memory, from `head` on: at most 256, and up to `limit`.
  package func published(_ head: UInt64, limit: UInt64) -> Int {
    let most = min(limit &- head, room &- (head & mask), 256)
    var count: UInt64 = 0
    while count < most {
      let mark = Mark(word: memory.load64Acquire(markPlace(head &+ count)))
      if mark.count == 0 { break }
      count &+= mark.count
    }
    return Int(truncatingIfNeeded: min(count, most))
  }

  /// The packets from `head` on, as a list for a burst.
  // Safety: as for the struct; pointers were stored where the list is read.
  package func packets(_ head: UInt64) -> UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?> {
    unsafe (memory.base + packetPlace(head)).assumingMemoryBound(to: UnsafeMutablePointer<vionet_packet>?.self)
  }

  /// Gives back the places of `count` published packets from `head` on.
  package func take(_ head: UInt64, _ count: Int) {
    let end = head &+ UInt64(truncatingIfNeeded: count)
    var position = head
    while position != end {
      let mark = Mark(word: memory.load64(markPlace(position)))
      memory.store64(markPlace(position), 0)
      let left = end &- position
      if mark.count > left {
        memory.store64(markPlace(end), Mark(time: mark.time, count: mark.count &- left).word)
        break
      }
      position &+= mark.count
    }
    memory.store64Release(At.head, end)
  }

  /// Says from which tail on it is worth while to try again: not all could be taken. 0 if all was taken.
  package func retry(at tail: UInt64) { memory.store64(At.retry, tail) }

  package func countTaking(_ reason: TakeReason) {
    let at = At.counts &+ reason.rawValue &* 8
    memory.store64(at, memory.load64(at) &+ 1)
  }
}

// MARK: Whoever looks

extension ProducerRing {
  /// Packets that are in the ring, or just being put there.
  package var count: UInt64 {
    let head = self.head
    return memory.load64(At.tail) &- head
  }

  /// When the first packets came; nil if there are none, or somebody is about to put or take them.
  package var oldest: UInt32? {
    let mark = Mark(word: memory.load64Acquire(markPlace(head)))
    return mark.count == 0 ? nil : mark.time
  }

  /// True after not all could be taken that was there.
  package var isStalled: Bool { memory.load64(At.retry) != 0 }

  package var refused: UInt64 { memory.load64(At.refused) }
  package func takings(_ reason: TakeReason) -> UInt64 { memory.load64(At.counts &+ reason.rawValue &* 8) }
}

/// What publishes a run of packets: their number in the low half, and the time in the high one. 0 is no run.
private struct Mark {
  let word: UInt64

  @inline(__always)
  init(word: UInt64) { self.word = word }
  @inline(__always)
  init(time: UInt32, count: UInt64) { word = UInt64(time) << 32 | count }

  @inline(__always) var count: UInt64 { word & 0xffff_ffff }
  @inline(__always) var time: UInt32 { UInt32(truncatingIfNeeded: word >> 32) }
}
