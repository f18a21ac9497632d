// SPDX-License-Identifier: BSD-2-Clause
//
// A full transmit ring, on every kind of ring: at which used entry a sender asks to be woken, that it is woken, and that
// nothing is asked for besides; and which packets count as given back.

import CLinux
import CVionet
import Linux
import Testing
import Virtio

@testable import VioNet

@Suite(.serialized) struct TransmitRoomTests {
  private static func bench(
    _ kind: RingKind, size: UInt16, _ hasEventIndex: Bool, more: [UInt64] = []
  ) throws -> RingBench {
    try RingBench(
      kind, size: size, packets: UInt32(size) * 8 + 64, dataSize: 64,
      features: more + (hasEventIndex ? [Feature.eventIndex] : []), start: kind.isPacked ? 0 : 65500)
  }

  /// Posts as many packets as fit, which the device takes; returns its buffers.
  private func fill(_ bench: RingBench, segments: Int = 1) throws -> [Offer] {
    var offers: [Offer] = []
    while Int(bench.transmit.value.core.ring.idle.count) >= segments {
      #expect(bench.tx([try bench.chain([UInt32](repeating: 20, count: segments))]) == 1)
      offers.append(try bench.transmitDevice.take(1)[0])
    }
    return offers
  }

  @Test(arguments: RingKind.allCases, [false, true]) func oneNotificationAtAQuarterOfTheRing(
    kind: RingKind, hasEventIndex: Bool
  ) throws {
    for size in kind.isPacked ? [2, 3, 5, 8, 21, 64] : [2, 4, 8, 64] as [UInt16] {
      let bench = try TransmitRoomTests.bench(kind, size: size, hasEventIndex)
      let room = max(Int(size) / 4, 1)
      for lap in 0..<100 {
        // Each lap begins at another place of the ring.
        #expect(bench.tx(try bench.packets(lap % Int(size), 14)) == lap % Int(size))
        for offer in try bench.transmitDevice.take(lap % Int(size)) { bench.transmitDevice.use(offer, length: 0) }
        _ = bench.txDone()
        let offers = try fill(bench)
        // What comes back before is counted.
        let early = lap % room
        for offer in offers[..<early] { bench.transmitDevice.use(offer, length: 0) }
        #expect(!awaitRoom(bench.transmit) && bench.transmit.value.core.armed)
        for place in early..<offers.count {
          let before = bench.transmitDevice.used
          bench.transmitDevice.use(offers[place], length: 0)
          #expect(
            bench.transmitDevice.requestsNotification(since: before) == (!hasEventIndex || place == room - 1))
        }
        #expect(awaitRoom(bench.transmit) && !bench.transmit.value.core.armed)
        #expect(bench.conserved())
      }
    }
  }

  @Test(arguments: RingKind.allCases, [[], [Feature.indirect]] as [[UInt64]]) func chainsMakeRoomSooner(
    kind: RingKind, features: [UInt64]
  ) throws {
    for segments in [2, 3, 7] {
      let bench = try TransmitRoomTests.bench(kind, size: 64, true, more: features)
      let each = features.isEmpty ? segments : 1
      for _ in 0..<20 {
        let offers = try fill(bench, segments: segments)
        // The last chain may have left descriptors idle.
        let missing = 16 - Int(bench.transmit.value.core.ring.idle.count)
        let wanted = (missing + each - 1) / each
        var looks = 0
        for place in 0..<wanted {
          #expect(!awaitRoom(bench.transmit))
          let before = bench.transmitDevice.used
          bench.transmitDevice.use(offers[place], length: 0)
          if bench.transmitDevice.requestsNotification(since: before) { looks += 1 }
        }
        // Armed anew each time, it is woken at the end at the latest.
        #expect(looks > 0 && awaitRoom(bench.transmit))
        for offer in offers[wanted...] { bench.transmitDevice.use(offer, length: 0) }
        _ = bench.txDone()
      }
    }
  }

  @Test(arguments: RingKind.allCases, [false, true]) func onlyBurstsAndRoomDisarm(kind: RingKind, hasEventIndex: Bool)
    throws
  {
    let bench = try TransmitRoomTests.bench(kind, size: 16, hasEventIndex)
    for _ in 0..<50 {
      let offers = try fill(bench)
      #expect(!awaitRoom(bench.transmit))
      bench.transmitDevice.use(offers[0], length: 0)
      #expect(bench.txDone() == 1 && bench.transmit.value.core.armed)
      let more = try bench.packet(20)
      #expect(bench.tx([more]) == 1 && !bench.transmit.value.core.armed)
      let before = bench.transmitDevice.used
      for offer in offers[1...] { bench.transmitDevice.use(offer, length: 0) }
      #expect(!bench.transmitDevice.requestsNotification(since: before))
      for offer in try bench.transmitDevice.take(1) { bench.transmitDevice.use(offer, length: 0) }
      _ = bench.txDone()
    }
    #expect(bench.conserved())
  }

  /// A device on another processor that sends and signals only if that is requested.
  private static func serve(_ bench: RingBench, _ count: Int) -> Int {
    var done = 0
    var state: UInt32 = 1
    let deadline = sys_nanoseconds() + 60_000_000_000
    while done < count && sys_nanoseconds() < deadline {
      guard let offer = bench.transmitDevice.take() else {
        _ = sched_yield()
        continue
      }
      state = state &* 1_664_525 &+ 1_013_904_223
      for _ in 0..<(state >> 24) { shared_fence() }
      let before = bench.transmitDevice.used
      bench.transmitDevice.use(offer, length: 0)
      if bench.transmitDevice.requestsNotification(since: before) {
        _ = sys_eventfd_signal(bench.transmit.value.core.call)
      }
      done += 1
    }
    return done
  }

  @Test(arguments: RingKind.allCases, [false, true]) func noWakeUpIsLost(kind: RingKind, hasEventIndex: Bool)
    async throws
  {
    let count = 20000
    nonisolated(unsafe) let bench = try TransmitRoomTests.bench(kind, size: 32, hasEventIndex)
    async let served = Task.detached { TransmitRoomTests.serve(bench, count) }.value
    var sent = 0
    var sleeps = 0
    var lost = 0
    while sent < count && lost < 3 {
      let packets = try bench.packets(min(count - sent, 20), 14)
      let taken = bench.tx(packets)
      sent += taken
      bench.free(Array(packets[taken...]))
      if taken == packets.count || awaitRoom(bench.transmit) { continue }
      var waiting = pollfd(fd: bench.transmit.value.core.call, events: Int16(POLLIN), revents: 0)
      sleeps += 1
      let woken = unsafe sys_poll(&waiting, 1, 2000)
      _ = sys_eventfd_drain(bench.transmit.value.core.call)
      if woken == 0 && awaitRoom(bench.transmit) { lost += 1 }
    }
    #expect(lost == 0 && sent == count && sleeps > 0)
    #expect(await served == count)
    _ = bench.txDone()
    #expect(bench.conserved())
  }

  // MARK: Given back

  @Test(arguments: RingKind.allCases) func aPacketIsRefusedOnce(kind: RingKind) throws {
    let bench = try RingBench(kind, size: 8)
    let offers = try fill(bench)
    let packets = try bench.packets(30)
    for count in [6, 6, 4, 6, 1] { #expect(bench.tx(Array(packets[..<count])) == 0) }
    #expect(bench.sent.ringFull == 6)
    for offer in offers[..<2] { bench.transmitDevice.use(offer, length: 0) }
    // Two of the six go, and three more are offered behind them.
    #expect(bench.tx(Array(packets[..<9])) == 2)
    #expect(bench.sent.ringFull == 9)
    #expect(bench.tx(Array(packets[2..<9])) == 0)
    #expect(bench.sent.ringFull == 9)
    // Other packets are refused for the first time, and the ones before begin anew.
    #expect(bench.tx(Array(packets[20..<25])) == 0)
    #expect(bench.sent.ringFull == 14)
    #expect(bench.tx(Array(packets[2..<9])) == 0)
    #expect(bench.sent.ringFull == 21)
    bench.free(Array(packets[2...]))
    for offer in offers[2...] { bench.transmitDevice.use(offer, length: 0) }
  }

  @Test(arguments: RingKind.allCases) func smallerBurstsGoOnWithTheRest(kind: RingKind) throws {
    let bench = try RingBench(kind, size: 8)
    let offers = try fill(bench)
    let packets = try bench.packets(8)
    #expect(bench.tx(packets) == 0)
    for offer in offers[..<5] { bench.transmitDevice.use(offer, length: 0) }
    #expect(bench.tx(Array(packets[..<2])) == 2)
    #expect(bench.tx(Array(packets[2..<4])) == 2)
    #expect(bench.tx(Array(packets[4...])) == 1)
    #expect(bench.tx(Array(packets[5...])) == 0)
    #expect(bench.sent.ringFull == 8)
    for offer in offers[5...] { bench.transmitDevice.use(offer, length: 0) }
    for offer in try bench.transmitDevice.take(5) { bench.transmitDevice.use(offer, length: 0) }
    // After everything was taken, nothing is expected any more.
    #expect(bench.tx(Array(packets[5...])) == 3)
    _ = try bench.transmitDevice.take(3)
    let others = try bench.packets(6)
    #expect(bench.tx(others) == 5)
    #expect(bench.sent.ringFull == 9)
    bench.free(others[5])
  }
}
