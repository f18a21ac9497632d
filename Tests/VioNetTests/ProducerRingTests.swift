// SPDX-License-Identifier: BSD-2-Clause
//
// The ring of a transmit buffer: places, marks of runs, and who sees what, with numbers in place of packets.

import CLinux
import CVionet
import Linux
import Testing

@testable import VioNet

@Suite(.serialized) struct ProducerRingTests {
  private typealias Pointer = UnsafeMutablePointer<vionet_packet>

  /// Puts numbers in, as addresses that nobody follows.
  private func put(_ ring: ProducerRing, _ numbers: Range<Int>, at time: UInt32 = 0) -> Int {
    var list = unsafe numbers.map { unsafe Pointer(bitPattern: ($0 + 1) << 6) }
    return unsafe ring.put(&list, from: 0, to: list.count, at: time)
  }

  /// The numbers that are published from the first place on, and lie one after another in memory.
  private func published(_ ring: ProducerRing) -> [Int] {
    let head = ring.head
    let count = ring.published(head, limit: ring.tail)
    let list = unsafe ring.packets(head)
    return (0..<count).map { unsafe Int(bitPattern: list[$0]) >> 6 - 1 }
  }

  @Test(arguments: [2, 4, 64]) func everyNumberComesOutOnceInOrder(room: Int) throws {
    let ring = try #require(ProducerRing.make(room: room))
    defer { ring.destroy() }
    var added = 0
    var taken = 0
    var x: UInt32 = 1
    while taken < 5000 {
      x = x &* 1_664_525 &+ 1_013_904_223
      let wanted = Int(x >> 24) % (room + 2)
      let found = put(ring, added..<added + wanted)
      #expect(found == min(wanted, room - (added - taken)))
      added += found
      let seen = published(ring)
      #expect(seen == Array(taken..<taken + seen.count))
      #expect(!seen.isEmpty || added == taken)
      // A part of what is there, which may end within a run.
      let count = min(seen.count, Int(x >> 16) % (room + 1))
      ring.take(ring.head, count)
      taken += count
      #expect(ring.head == UInt64(taken) && ring.tail == UInt64(added))
      #expect(ring.count == UInt64(added - taken))
    }
  }

  @Test func theRestOfARunKeepsItsTime() throws {
    let ring = try #require(ProducerRing.make(room: 8))
    defer { ring.destroy() }
    #expect(ring.oldest == nil)
    #expect(put(ring, 0..<5, at: 7) == 5)
    #expect(put(ring, 5..<7, at: 9) == 2)
    for _ in 0..<5 {
      #expect(ring.oldest == 7)
      ring.take(ring.head, 1)
    }
    #expect(ring.oldest == 9)
    ring.take(ring.head, 2)
    #expect(ring.oldest == nil)
    // Over the end of the array: what lies behind it is a list of its own.
    #expect(put(ring, 7..<13, at: 11) == 6)
    #expect(published(ring) == [7])
    ring.take(ring.head, 1)
    #expect(ring.oldest == 11)
    #expect(published(ring) == Array(8..<13))
  }

  @Test func reasons() throws {
    let ring = try #require(ProducerRing.make(room: 8))
    defer { ring.destroy() }
    #expect(ring.reason(enough: 4) == nil)
    ring.request(.request)
    #expect(ring.reason(enough: 4) == nil)
    _ = put(ring, 0..<3)
    #expect(ring.reason(enough: 4) == nil)
    ring.request(.request)
    #expect(ring.reason(enough: 4) == .request)
    ring.request(.age)
    #expect(ring.reason(enough: 4) == .age)
    _ = put(ring, 3..<4)
    #expect(ring.reason(enough: 4) == .count)
    // The one that came after the request is not asked for.
    ring.take(ring.head, 3)
    #expect(ring.reason(enough: 4) == nil)
    // An earlier request does not undo a later one.
    _ = put(ring, 4..<6)
    ring.request(.age)
    ring.request(.request)
    #expect(ring.reason(enough: 4) == .age)
  }

  @Test func afterNotAllWasTakenAReasonComesWithMorePackets() throws {
    let ring = try #require(ProducerRing.make(room: 8))
    defer { ring.destroy() }
    _ = put(ring, 0..<3)
    ring.retry(at: 5)
    #expect(ring.isStalled)
    #expect(ring.reason(enough: 2) == nil)
    _ = put(ring, 3..<4)
    ring.request(.age)
    #expect(ring.reason(enough: 2) == nil)
    _ = put(ring, 4..<5)
    #expect(ring.reason(enough: 2) == .count)
    ring.retry(at: 99)
    #expect(ring.reason(enough: 2) == nil)
    // A full ring is a reason at any time.
    #expect(put(ring, 5..<9) == 3)
    #expect(ring.reason(enough: 2) == .count)
    ring.take(ring.head, 7)
    #expect(ring.reason(enough: 1) == nil)
    ring.retryNow()
    #expect(!ring.isStalled)
    #expect(ring.reason(enough: 1) == .count)
  }

  @Test func oneThreadEnters() throws {
    let ring = try #require(ProducerRing.make(room: 2))
    defer { ring.destroy() }
    #expect(ring.enter())
    #expect(!ring.enter())
    ring.leave()
    #expect(ring.enter())
  }

  private struct Work: @unchecked Sendable {
    let ring: ProducerRing
    let each: Int
    let thread: Int
  }

  /// What several threads put in comes out once, and what one of them put in comes out in its order.
  @Test func producersInThreads() throws {
    let ring = try #require(ProducerRing.make(room: 64))
    defer { ring.destroy() }
    let threads = 4
    let each = 20000
    var ids = [pthread_t](repeating: pthread_t(), count: threads)
    var works = (0..<threads).map { Work(ring: ring, each: each, thread: $0) }
    unsafe works.withUnsafeMutableBufferPointer { works in
      for thread in 0..<threads {
        let started = unsafe sys_thread_start(
          &ids[thread], "producer",
          { argument in
            guard let work = unsafe argument?.load(as: Work.self) else { return nil }
            var next = 0
            while next < work.each {
              let number = work.thread * work.each + next
              var list = unsafe (0..<3).map { unsafe Pointer(bitPattern: (number + $0 + 1) << 6) }
              let count = min(3, work.each - next)
              let found = unsafe work.ring.put(&list, from: 0, to: count, at: 0)
              if found == 0 { _ = sched_yield() }
              next += found
            }
            return nil
          }, works.baseAddress.map { unsafe UnsafeMutableRawPointer($0 + thread) })
        #expect(started == 0)
      }
      var next = [Int](repeating: 0, count: threads)
      var wrong = 0
      while next.reduce(0, +) < threads * each {
        let seen = published(ring)
        for number in seen {
          let thread = number / each
          if number % each != next[thread] { wrong += 1 }
          next[thread] += 1
        }
        ring.take(ring.head, seen.count)
        if seen.isEmpty { _ = sched_yield() }
      }
      #expect(wrong == 0)
      for id in ids { pthread_join(id, nil) }
    }
    #expect(ring.count == 0)
  }
}
