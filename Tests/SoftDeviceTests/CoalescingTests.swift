// SPDX-License-Identifier: BSD-2-Clause
//
// Interrupts that wait for more packets: how many come, when, and of which queues; which commands are refused.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

/// The data of a command: packets and microseconds.
private func limits(_ packets: UInt32, _ microseconds: UInt32) -> [UInt8] {
  FrontEnd.bytes(packets) + FrontEnd.bytes(microseconds)
}

/// The data of a command for one queue. The reserved word is ignored.
private func limits(of queue: UInt16, _ packets: UInt32, _ microseconds: UInt32) -> [UInt8] {
  [6, 2] + FrontEnd.bytes(queue) + [0xab, 0xcd] + limits(packets, microseconds)
}

extension SoftDeviceTests {
  @Suite struct CoalescingTests {
    static let features = Feature.coalescing | Feature.queueCoalescing
    static let wish = FrontEnd.simple | Feature.controlQueue | Feature.multiqueue | features
    /// Longer than any test.
    static let ever: UInt32 = 4_000_000_000

    private func started(_ pairs: Int = 1, _ wish: UInt64 = wish) throws -> Bench {
      let bench = try Bench("loopback,queues=\(pairs)", pairs: pairs, wish: wish)
      try bench.front.negotiate()
      for queue in 0..<bench.front.kicks.count { try bench.front.startRing(queue) }
      if pairs > 1 { #expect(try bench.front.command([4, 0, UInt8(pairs), 0]) == 0) }
      return bench
    }

    /// Sends frames round, and returns how many interrupts came for them to receive.
    private func interrupts(_ front: FrontEnd, _ frames: Int, pair: Int = 0) throws -> UInt64 {
      _ = sys_eventfd_drain(front.calls[2 * pair])
      for number in 0..<frames {
        front.fill(1, queue: 2 * pair)
        front.transmit(frame(60, seed: number), queue: 2 * pair + 1)
        try front.expect(frame(60, seed: number), queue: 2 * pair)
        #expect(front.takeUsed(2 * pair + 1) != nil)
      }
      // A command is answered behind all of that.
      _ = try front.ask([0xff, 0xff], room: 1)
      return sys_eventfd_drain(front.calls[2 * pair])
    }

    @Test(arguments: [0, Feature.packed])
    func soManyPackets(_ extra: UInt64) throws {
      let bench = try started(1, Self.wish | extra)
      let front = bench.front
      #expect(try interrupts(front, 5) == 5)
      #expect(try front.command(limits(of: 0, 10, Self.ever)) == 0)
      #expect(try interrupts(front, 9) == 0)
      #expect(try interrupts(front, 1) == 1)
      #expect(try interrupts(front, 25) == 2)
      // With fewer packets, those that wait are enough at once; with either at zero none waits.
      #expect(try front.command(limits(of: 0, 6, Self.ever)) == 0)
      #expect(sys_eventfd_drain(front.calls[0]) == 0)
      #expect(try front.command(limits(of: 0, 5, Self.ever)) == 0)
      #expect(sys_eventfd_drain(front.calls[0]) == 1)
      #expect(try interrupts(front, 4) == 0)
      #expect(try front.command(limits(of: 0, 5, 0)) == 0)
      #expect(sys_eventfd_drain(front.calls[0]) == 1)
      #expect(try interrupts(front, 3) == 3)
      #expect(try front.command(limits(of: 0, 0, Self.ever)) == 0)
      #expect(try interrupts(front, 3) == 3)
    }

    @Test func soMuchTime() throws {
      let bench = try started()
      let front = bench.front
      for microseconds in [300, 3_000, 30_000] as [UInt32] {
        #expect(try front.command(limits(of: 0, 1000, microseconds)) == 0)
        _ = sys_eventfd_drain(front.calls[0])
        let start = sys_nanoseconds()
        front.fill(1)
        front.transmit(frame(60))
        let deadline = Deadline(milliseconds: 60_000)
        while sys_eventfd_drain(front.calls[0]) == 0, !deadline.hasPassed { sys_sleep_microseconds(20) }
        #expect(!deadline.hasPassed && sys_nanoseconds() - start >= UInt64(microseconds) * 1000)
        try front.expect(frame(60))
        #expect(front.takeUsed(1) != nil)
      }
    }

    /// The commands of 5.1.9.5.10, with two pairs.
    @Test func theLastCommandDecides() throws {
      let bench = try started(2)
      let front = bench.front
      func read(_ queue: UInt8) throws -> [UInt8] { try front.ask([6, 3, queue, 0, 0xff, 0xff], room: 9) }
      func all() throws -> [UInt32] {
        try (0..<4).map { queue in
          let got = try read(UInt8(queue))
          #expect(got.count == 9 && got[0] == 0 && Array(got[5...]) == FrontEnd.bytes(UInt32(7)))
          return UInt32(FrontEnd.number(Array(got[1..<5])))
        }
      }
      #expect(try read(0) == [UInt8](repeating: 0, count: 9))
      #expect(try front.command([6, 0] + limits(40, 7)) == 0)
      #expect(try front.command([6, 1] + limits(1, 7)) == 0)
      #expect(try all() == [1, 40, 1, 40])
      #expect(try front.command(limits(of: 0, 2, 7)) == 0)
      #expect(try front.command(limits(of: 1, 4, 7)) == 0)
      #expect(try all() == [2, 4, 1, 40])
      #expect(try front.command([6, 0] + limits(5, 7)) == 0)
      #expect(try all() == [2, 5, 1, 5])
      // A queue that comes into use again, or starts anew, has what all of its direction have.
      #expect(try front.command(limits(of: 2, 9, 7)) == 0)
      #expect(try front.command([4, 0, 1, 0]) == 0)
      #expect(try read(2) == [1])
      #expect(try front.command(limits(of: 2, 9, 7)) == 1)
      #expect(try front.command([4, 0, 2, 0]) == 0)
      #expect(try all() == [2, 5, 1, 5])
      try front.stopRing(0)
      #expect(try read(0) == [1])
      front.rings[0].claimed = 0
      try front.startRing(0)
      #expect(try all() == [1, 5, 1, 5])
    }

    @Test func eachQueueForItself() throws {
      let bench = try started(2)
      let front = bench.front
      #expect(try front.command(limits(of: 0, 1000, Self.ever)) == 0)
      #expect(try interrupts(front, 5) == 0)
      #expect(try interrupts(front, 5, pair: 1) == 5)
      #expect(sys_eventfd_drain(front.calls[1]) >= 5)
      #expect(try front.command([6, 0] + limits(1000, Self.ever)) == 0)
      _ = sys_eventfd_drain(front.calls[1])
      #expect(try interrupts(front, 5, pair: 1) == 5)
      #expect(try interrupts(front, 5) == 0)
      #expect(sys_eventfd_drain(front.calls[1]) == 0)
      // A queue that stops has nothing left that waits.
      try front.stopRing(0)
      #expect(sys_eventfd_drain(front.calls[0]) == 1)
    }

    @Test func refused() throws {
      let bench = try started(2)
      let front = bench.front
      let requests: [[UInt8]] = [
        [6], [6, 0], [6, 0] + limits(1, 1)[..<7], [6, 1] + limits(1, 1) + [0], [6, 4] + limits(1, 1),
        limits(of: 4, 1, 1), limits(of: 0xffff, 1, 1), Array(limits(of: 0, 1, 1)[..<13]), limits(of: 0, 1, 1) + [0],
        [6, 3, 4, 0, 0, 0], [6, 3, 0, 0, 0], [6, 3] + limits(of: 0, 1, 1)[2...],
      ]
      for request in requests { #expect(try front.command(request) == 1, "\(request)") }
      #expect(try front.ask([6, 3, 0, 0, 0, 0], room: 9) == [UInt8](repeating: 0, count: 9))
      for (feature, good) in [(Feature.coalescing, [0, 1, 1] as [UInt8]), (Feature.queueCoalescing, [1, 0, 0])] {
        let other = try started(1, Self.wish & ~Self.features | feature)
        #expect(try other.front.command([6, 1] + limits(1, 1)) == good[0])
        #expect(try other.front.command(limits(of: 0, 1, 1)) == good[1])
        #expect(try other.front.ask([6, 3, 0, 0, 0, 0], room: 9)[0] == good[2])
      }
    }
  }
}
