// SPDX-License-Identifier: BSD-2-Clause
//
// Notifications in both directions: when the device is kicked (virtio 1.4, 2.7.10 and 2.8.10), compared with the words
// of the specification over every value; and how a sleeping program is woken, with no packet forgotten.

import CLinux
import CVionet
import Linux
import Testing
import Virtio

@testable import VioNet

@Suite(.serialized) struct NotificationTests {
  private static let eventIndex: [UInt64] = [Feature.eventIndex]

  // MARK: Kicks

  @Test(arguments: [(0, 1), (0, 16), (7, 5), (65530, 3), (65530, 6), (65530, 16), (65535, 1), (32760, 16)])
  func aSplitRingKicksWhenTheEntryIsAmongTheNewOnes(old: UInt16, added: UInt16) throws {
    for hasEventIndex in [true, false] {
      let bench = try RingBench(features: hasEventIndex ? NotificationTests.eventIndex : [])
      var state = bench.transmit.value.core.ring
      var wrong = 0
      // Reserved bits mean nothing (2.7.8).
      for flags in [0, 1, 0xfffe, 0xffff] as [UInt16] {
        state.used.store16(0, flags)
        for event in 0...UInt16.max {
          state.used.store16(4 + 8 * 16, event)
          state.published = old
          state.nextAvailable = old &+ added
          let isAmong = event &- old < added
          // The flags count only without EVENT_IDX, the event only with it (2.7.10.1).
          let expected = hasEventIndex ? isAmong : flags & 1 == 0
          if SplitRing<AnyOrder>.publish(&state) != expected { wrong += 1 }
          if state.published != old &+ added || SplitRing<AnyOrder>.publish(&state) { wrong += 1 }
        }
      }
      #expect(wrong == 0)
    }
  }

  @Test(arguments: [2, 5, 16, 255]) func aPackedRingKicksWhenTheDescriptorIsAmongTheNewOnes(size: Int) throws {
    let bench = try RingBench(.packed, size: UInt16(size), packets: 600, features: NotificationTests.eventIndex)
    let device = bench.transmitDevice
    var wrong = 0
    for start in stride(from: 0, to: 2 * size, by: size > 100 ? 41 : 1) {
      for added in stride(from: 1, through: size, by: size > 100 ? 37 : 1) {
        var state = bench.transmit.value.core.ring
        let end = start + added
        for counter in 0..<2 * size {
          device.ask(.at(counter))
          state.published = UInt16(added)
          state.nextAvailable = UInt16(end % size)
          state.availableFlags = end / size % 2 == 0 ? DescriptorFlag.available : DescriptorFlag.used
          let event = DeviceSide.event(counter, size)
          let expected = (start..<end).contains { DeviceSide.event($0, size) == event }
          if PackedRing<AnyOrder>.publish(&state) != expected { wrong += 1 }
          if state.published != 0 || PackedRing<AnyOrder>.publish(&state) { wrong += 1 }
        }
      }
    }
    #expect(wrong == 0)
  }

  @Test func reservedValuesInAPackedEventStructure() throws {
    // Reserved values, and places beyond the ring, neither stop the queue nor lead outside.
    for (features, flags, expected) in [
      (NotificationTests.eventIndex, 0, true), (NotificationTests.eventIndex, 1, false),
      (NotificationTests.eventIndex, 3, true), ([], 0, true), ([], 1, false), ([], 2, true), ([], 3, true),
    ] as [([UInt64], UInt16, Bool)] {
      let bench = try RingBench(.packed, features: features)
      for event in [0, 5, 15, 16, 0x7fff, 0x8000, 0x8010, 0xffff] as [UInt16] {
        bench.transmitDevice.ring.used.store16(0, event)
        // Upper bits are reserved.
        bench.transmitDevice.ring.used.store16(2, flags | 0xfffc)
        let before = bench.sent.kicks
        #expect(bench.tx([try bench.packet(60)]) == 1)
        #expect(bench.sent.kicks - before == (expected ? 1 : 0))
      }
      for event in [16, 0x7fff, 0x8010, 0xffff] as [UInt16] where features == NotificationTests.eventIndex {
        bench.transmitDevice.ring.used.store16(0, event)
        bench.transmitDevice.ring.used.store16(2, 2)
        #expect(bench.tx([try bench.packet(60)]) == 1)
      }
    }
  }

  @Test(arguments: RingKind.allCases, [false, true]) func burstsKickOnceAndOnlyIfRequested(
    kind: RingKind, hasEventIndex: Bool
  ) throws {
    let bench = try RingBench(
      kind, features: hasEventIndex ? NotificationTests.eventIndex : [], start: kind.isPacked ? 0 : 65500)
    _ = sys_eventfd_drain(bench.transmit.value.core.kick)
    for round in 0..<200 {
      let count = round % 7 + 1
      let next = bench.transmitDevice.taken
      // One of the new entries, the one before them, or the one behind.
      let requested = max(next + round % (count + 2) - 1, 0)
      hasEventIndex
        ? bench.transmitDevice.ask(.at(requested)) : bench.transmitDevice.ask(round & 1 == 0 ? .always : .never)
      let isRequested = hasEventIndex ? (next..<next + count).contains(requested) : round & 1 == 0
      let before = bench.sent.kicks
      #expect(bench.tx(try bench.packets(count)) == count)
      #expect(bench.sent.kicks - before == (isRequested ? 1 : 0))
      #expect(sys_eventfd_drain(bench.transmit.value.core.kick) == (isRequested ? 1 : 0))
      for offer in try bench.transmitDevice.take(count) { bench.transmitDevice.use(offer, length: 0) }
    }
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases, [false, true]) func freshBuffersKickWhenTheyAreManyOrNothingWasReceived(
    kind: RingKind, hasEventIndex: Bool
  ) throws {
    let features = hasEventIndex ? NotificationTests.eventIndex : []
    let bench = try RingBench(kind, size: 256, packets: 600, features: features)
    // The device waits for the next buffer, so that it requests a kick for each.
    func waits() { bench.receiveDevice.ask(hasEventIndex ? .at(256 + bench.receiveDevice.used) : .always) }
    func one() throws -> UInt64 {
      let before = bench.received.kicks
      try bench.deliver()
      try bench.free(bench.rxOne())
      return bench.received.kicks - before
    }
    for _ in 0..<5 {
      waits()
      for _ in 1..<32 { #expect(try one() == 0) }
      #expect(try one() == 1)
      waits()
      for _ in 0..<3 { #expect(try one() == 0) }
      let before = bench.received.kicks
      #expect(bench.rx().isEmpty && bench.received.kicks - before == 1)
      #expect(bench.rx().isEmpty && bench.received.kicks - before == 1)
      // A program that goes to sleep kicks for them first.
      waits()
      #expect(try one() == 0)
      #expect(bench.receive.value.fill() && !bench.receive.value.fill())
    }
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases, [false, true]) func refillsKickLikewise(kind: RingKind, hasEventIndex: Bool)
    throws
  {
    let bench = try RingBench(kind, features: hasEventIndex ? NotificationTests.eventIndex : [])
    for round in 0..<100 {
      for _ in 0..<5 { try bench.deliver() }
      // 16 descriptors were posted before these five: the next refill begins behind them.
      let next = bench.receiveDevice.used - 5 + 16
      let requested = next + round % 7 - 1
      hasEventIndex
        ? bench.receiveDevice.ask(.at(requested)) : bench.receiveDevice.ask(round & 1 == 0 ? .always : .never)
      let isRequested = hasEventIndex ? (next..<next + 5).contains(requested) : round & 1 == 0
      let before = bench.received.kicks
      let packets = bench.rx()
      #expect(packets.count == 5)
      #expect(bench.received.kicks - before == (isRequested ? 1 : 0))
      bench.free(packets)
    }
  }

  // MARK: Wake-ups

  @Test(arguments: RingKind.allCases, [false, true]) func onlyAnArmedQueueRequestsANotification(
    kind: RingKind, hasEventIndex: Bool
  ) throws {
    let size: UInt16 = kind.isPacked ? 5 : 16
    let bench = try RingBench(
      kind, size: size, features: hasEventIndex ? NotificationTests.eventIndex : [], start: kind.isPacked ? 0 : 65500)
    let ring = bench.receiveDevice.ring
    for round in 0..<100 {
      // While the program polls: none.
      for _ in 0..<round % 3 {
        let before = bench.receiveDevice.used
        try bench.deliver()
        #expect(!bench.receiveDevice.requestsNotification(since: before))
        bench.free(try bench.rxOne())
      }
      // While armed: one, at the next entry.
      #expect(!bench.arm())
      let before = bench.receiveDevice.used
      try bench.deliver()
      #expect(bench.receiveDevice.requestsNotification(since: before))
      bench.free(try bench.rxOne())
      #expect(!bench.receive.value.core.armed)
      // Packets wait already: no sleep and no notification.
      try bench.deliver()
      #expect(bench.arm())
      #expect(!bench.receive.value.core.armed)
      let behind = bench.receiveDevice.used
      try bench.deliver()
      #expect(!bench.receiveDevice.requestsNotification(since: behind))
      bench.free(bench.rx())
      if kind.isPacked {
        // Flags have no reserved value, and 2 only with EVENT_IDX (2.8.10).
        #expect(ring.available.load16(2) <= (hasEventIndex ? 2 : 1))
      } else {
        // With EVENT_IDX the flags stay 0, else they are 0 or 1 (2.7.7.1).
        #expect(ring.available.load16(0) <= (hasEventIndex ? 0 : 1))
      }
    }
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.inOrder) func theRestOfABatchKeepsAProgramAwake(kind: RingKind) throws {
    let bench = try RingBench(kind, dataSize: 64)
    let offers = try bench.receiveDevice.take(3)
    bench.receiveDevice.use(offers, length: 40)
    for left in [2, 1, 0] {
      bench.free(bench.rx(1))
      #expect(bench.arm() == (left > 0))
    }
  }

  @Test(arguments: RingKind.allCases) func aSignalWithoutReasonDoesNoHarm(kind: RingKind) throws {
    // As 2.7.7.1 allows.
    let bench = try RingBench(kind)
    for _ in 0..<1000 {
      #expect(!bench.arm())
      _ = sys_eventfd_signal(bench.receive.value.core.call)
      #expect(bench.rx().isEmpty)
    }
    try bench.deliver()
    bench.free(try bench.rxOne())
  }

  /// A device on another processor that uses buffers and signals only if that is requested.
  private static func serve(_ bench: RingBench, _ count: Int) -> Int {
    var done = 0
    var state: UInt32 = 1
    let deadline = sys_nanoseconds() + 60_000_000_000
    while done < count && sys_nanoseconds() < deadline {
      guard let offer = bench.receiveDevice.take() else {
        _ = sched_yield()
        continue
      }
      state = state &* 1_664_525 &+ 1_013_904_223
      for _ in 0..<(state >> 24) { shared_fence() }
      let before = bench.receiveDevice.used
      bench.write(14, to: offer)
      bench.receiveDevice.use(offer, length: 26)
      if bench.receiveDevice.requestsNotification(since: before) {
        _ = sys_eventfd_signal(bench.receive.value.core.call)
      }
      done += 1
    }
    return done
  }

  @Test(arguments: RingKind.allCases, [false, true]) func noWakeUpIsLost(kind: RingKind, hasEventIndex: Bool)
    async throws
  {
    let count = 5000
    nonisolated(unsafe) let bench = try RingBench(
      kind, dataSize: 64, features: hasEventIndex ? NotificationTests.eventIndex : [])
    async let served = Task.detached { NotificationTests.serve(bench, count) }.value
    var received = 0
    var sleeps = 0
    var lost = 0
    while received < count && lost < 3 {
      let packets = bench.rx()
      received += packets.count
      bench.free(packets)
      if !packets.isEmpty || bench.arm() { continue }
      var waiting = pollfd(fd: bench.receive.value.core.call, events: Int16(POLLIN), revents: 0)
      sleeps += 1
      let woken = unsafe sys_poll(&waiting, 1, 2000)
      // A used buffer and no signal for two seconds: a wake-up was lost.
      if woken == 0 && bench.receive.value.core.ring.hasUsed { lost += 1 }
    }
    #expect(lost == 0 && received == count)
    #expect(await served == count)
    #expect(sleeps > 0)
    #expect(bench.conserved())
  }
}
