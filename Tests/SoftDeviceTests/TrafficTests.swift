// SPDX-License-Identifier: BSD-2-Clause
//
// Frames through the device: every shape of chain, every rule about when buffers may be used, and sleep.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

extension SoftDeviceTests {
  @Suite struct TrafficTests {
    @Test func loopbackGivesBackEveryFrame() throws {
      let bench = try Bench("loopback")
      try bench.front.start()
      for round in 0..<50 {
        bench.front.fill(10)
        let frames = (0..<10).map { frame(14 + round * 30 + $0, seed: round) }
        frames.forEach { bench.front.transmit($0) }
        for expected in frames { #expect(bench.front.receiveFrame() == expected) }
        for _ in 0..<10 { #expect(bench.front.takeUsed(1)?.length == 0) }
      }
      #expect(bench.until { $0.toDriver == 500 })
      #expect(bench.until { $0.fromDriver == 500 })
      #expect(bench.statistics.toDriverDrops == 0 && bench.statistics.fromDriverDrops == 0)
    }

    @Test func loopbackWaitsForBuffers() throws {
      let bench = try Bench("loopback")
      try bench.front.start()
      for index in 0..<200 { bench.front.transmit(frame(60, seed: index)) }
      #expect(bench.front.takeUsed(1, wait: 50) == nil)
      bench.front.fill(200)
      for index in 0..<200 { #expect(bench.front.receiveFrame() == frame(60, seed: index)) }
    }

    @Test func loopbackDropsWhatDoesNotFit() throws {
      let bench = try Bench("loopback")
      try bench.front.start()
      bench.front.fill(1, length: 100)
      bench.front.transmit(frame(89))
      bench.front.transmit(frame(88))
      #expect(bench.front.receiveFrame() == frame(88))
      #expect(bench.until { $0.toDriverDrops == 1 })
    }

    @Test(arguments: [1, 2, 3, 8])
    func chains(_ parts: Int) throws {
      let bench = try Bench("loopback")
      let front = bench.front
      try front.start()
      for round in 0..<100 {
        let sent = frame(64 + round * 10, seed: round)
        // Both chains are cut into pieces of 12 / parts bytes and a rest, of one page of descriptors each.
        front.place(sent, 0)
        let total = front.header + sent.count
        for queue in 0..<2 {
          let flag: UInt16 = queue == 0 ? 2 : 0
          let length = queue == 0 ? FrontEnd.bufferSize : total
          var at = 0
          for part in 0..<parts {
            let last = part == parts - 1
            let piece = last ? length - at : 5
            front.describe(
              queue, part * 3, FrontEnd.address(queue, 0) + UInt64(at), UInt32(piece), last ? flag : flag | 1,
              UInt16(part * 3 + 3))
            at += piece
          }
        }
        front.post(0, 0)
        front.post(1, 0)
        #expect(front.receiveFrame() == sent)
        #expect(front.takeUsed(1)?.id == 0)
      }
    }

    @Test func indirectAfterDirect() throws {
      let bench = try Bench("loopback")
      let front = bench.front
      try front.start()
      front.fill(1)
      let sent = frame(200)
      front.place(sent, 0)
      let table = unsafe front.buffer(1, 5)
      for (index, (offset, length)) in [(4, 8), (12, 100), (112, 100)].enumerated() {
        let at = unsafe table + 16 * index
        unsafe at.storeBytes(of: FrontEnd.address(1, 0) + UInt64(offset), as: UInt64.self)
        unsafe at.storeBytes(of: UInt32(length), toByteOffset: 8, as: UInt32.self)
        unsafe at.storeBytes(of: index < 2 ? 1 : 0, toByteOffset: 12, as: UInt16.self)
        unsafe at.storeBytes(of: UInt16(index + 1), toByteOffset: 14, as: UInt16.self)
      }
      front.describe(1, 0, FrontEnd.address(1, 0), 4, 1, 1)
      // The WRITE flag of a descriptor that names a table is ignored.
      front.describe(1, 1, FrontEnd.address(1, 5), 48, 4 | 2)
      front.post(1, 0)
      #expect(front.receiveFrame() == sent)
    }

    @Test func headerOfTenBytes() throws {
      let bench = try Bench("loopback")
      try bench.front.negotiate(features: FrontEnd.protocolBit)
      try bench.front.startRing(0)
      try bench.front.startRing(1)
      bench.front.fill(1)
      bench.front.transmit(frame(99))
      #expect(bench.front.receiveFrame() == frame(99))
    }

    @Test func withoutProtocolFeaturesRingsBeginEnabled() throws {
      let bench = try Bench("loopback")
      let front = bench.front
      #expect(try front.ask(VhostRequest.getFeatures) == FrontEnd.offered)
      front.send(VhostRequest.setFeatures, FrontEnd.bytes(FrontEnd.versionOne))
      front.agree(FrontEnd.versionOne)
      front.send(VhostRequest.setMemoryTable, front.memoryTable(), files: [front.memory])
      for queue in 0..<2 {
        front.send(VhostRequest.setVringSize, FrontEnd.state(UInt32(queue), UInt32(front.size)))
        front.send(VhostRequest.setVringAddress, front.address(queue))
        front.send(VhostRequest.setVringKick, FrontEnd.bytes(UInt64(queue)), files: [front.kicks[queue]])
      }
      front.fill(1)
      front.transmit(frame(60))
      #expect(front.receiveFrame() == frame(60))
    }

    @Test func nothingBeforeDriverOK() throws {
      let bench = try Bench("loopback")
      let front = bench.front
      try front.negotiate(status: true)
      #expect(try front.confirm(VhostRequest.setStatus, FrontEnd.bytes(UInt64(0xb))) == 0)
      #expect(try front.ask(VhostRequest.getStatus) == 0xb)
      try front.startRing(0)
      try front.startRing(1)
      front.fill(1)
      front.transmit(frame(60))
      #expect(front.takeUsed(0, wait: 50) == nil)
      #expect(try front.confirm(VhostRequest.setStatus, FrontEnd.bytes(UInt64(0xf))) == 0)
      #expect(front.receiveFrame() == frame(60))
      #expect(try front.confirm(VhostRequest.setStatus, FrontEnd.bytes(UInt64(0))) == 0)
      #expect(try front.ask(VhostRequest.getStatus) == 0)
      front.fill(1)
      front.transmit(frame(60))
      #expect(front.takeUsed(0, wait: 50) == nil)
    }

    @Test func disabledRingsDiscardAndDeliverNothing() throws {
      let bench = try Bench("loopback")
      let front = bench.front
      try front.negotiate()
      try front.startRing(0, enable: false)
      try front.startRing(1, enable: false)
      front.fill(1)
      front.transmit(frame(60))
      #expect(front.takeUsed(1) != nil)
      #expect(front.takeUsed(0, wait: 50) == nil)
      #expect(bench.until { $0.fromDriverDrops == 1 })
    }

    @Test func stopAndGoOn() throws {
      let bench = try Bench("loopback")
      let front = bench.front
      try front.start()
      for round in 0..<5 {
        front.fill(3)
        for index in 0..<3 { front.transmit(frame(60, seed: index)) }
        for index in 0..<3 { #expect(front.receiveFrame() == frame(60, seed: index)) }
        for _ in 0..<3 { _ = front.takeUsed(1) }
        #expect(try front.stopRing(1) == UInt32(3 * round + 3))
        #expect(try front.stopRing(0) == UInt32(3 * round + 3))
        try front.startRing(0)
        try front.startRing(1)
      }
    }

    @Test func interruptsWhenWanted() throws {
      let bench = try Bench("loopback")
      let front = bench.front
      try front.start()
      front.fill(2)
      front.transmit(frame(60))
      #expect(front.receiveFrame() != nil)
      sys_sleep_microseconds(1000)
      #expect(sys_eventfd_drain(front.calls[0]) >= 1)
      front.rings[0].setInterrupts(false)
      _ = sys_eventfd_drain(front.calls[0])
      front.transmit(frame(60))
      #expect(front.receiveFrame() != nil)
      sys_sleep_microseconds(1000)
      #expect(sys_eventfd_drain(front.calls[0]) == 0)
    }

    @Test(arguments: ["loopback", "generate", "sink", "pipe=idle"])
    func idleDevicesSleep(_ wire: String) throws {
      let bench = try Bench(wire)
      try bench.front.start()
      bench.front.transmit(frame(60))
      if wire == "generate" { bench.front.fill(64) }
      // A busy machine may let it come to rest late; once it has, it needs no time at all.
      var rests = false
      for _ in 0..<300 where !rests {
        let before = processorTime(bench.device)
        sys_sleep_microseconds(100_000)
        rests = bench.front.kicksWanted && processorTime(bench.device) == before
      }
      #expect(rests)
    }

    /// Nanoseconds that the device's thread has run.
    private func processorTime(_ device: Cell<Device>) -> Int {
      var clock = clockid_t()
      var time = timespec()
      unsafe _ = pthread_getcpuclockid(device.value.thread, &clock)
      unsafe _ = clock_gettime(clock, &time)
      return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
  }
}
