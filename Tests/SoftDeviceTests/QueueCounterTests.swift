// SPDX-License-Identifier: BSD-2-Clause
//
// What a driver is told of each queue (DEVICE_STATS): numbers that it can check, and which questions are refused.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

/// One block of an answer.
private struct Block: Equatable {
  let kind: UInt8
  let queue: Int
  let numbers: [UInt64]
}

/// The question for kinds of counters of one queue.
private func entry(_ queue: UInt16, _ kinds: UInt64) -> [UInt8] {
  FrontEnd.bytes(queue) + [0, 0, 0, 0, 0, 0] + FrontEnd.bytes(kinds)
}

extension SoftDeviceTests {
  @Suite struct QueueCounterTests {
    static let wish =
      FrontEnd.simple | Feature.controlQueue | Feature.multiqueue | Feature.deviceStatistics | Feature.checksum
    static let receive: UInt64 = 1 << 0
    static let transmit: UInt64 = 1 << 16
    static let control: UInt64 = 1 << 32

    private func start(_ front: FrontEnd) throws {
      try front.negotiate()
      for queue in 0..<front.kicks.count { try front.startRing(queue) }
    }

    /// The blocks of an answer, each as long as it says.
    private func blocks(_ bytes: [UInt8]) throws -> [Block] {
      try #require(bytes.first == 0)
      var rest = Array(bytes[1...])
      var all: [Block] = []
      while !rest.isEmpty {
        let size = try Int(#require(rest.count >= 8 ? rest[6] : nil)) + Int(rest[7]) << 8
        try #require(size >= 8 && size <= rest.count && size % 8 == 0 && rest[1] == 0 && rest[4] == 0 && rest[5] == 0)
        let numbers = (1..<size / 8).map { FrontEnd.number(Array(rest[8 * $0..<8 * $0 + 8])) }
        all.append(Block(kind: rest[0], queue: Int(rest[2]) + Int(rest[3]) << 8, numbers: numbers))
        rest = Array(rest[size...])
      }
      return all
    }

    private func numbers(_ front: FrontEnd, _ queue: UInt16) throws -> [UInt64] {
      let kinds = Int(queue) == front.controlQueue ? Self.control : queue % 2 == 0 ? Self.receive : Self.transmit
      let all = try blocks(front.ask([8, 1] + entry(queue, kinds), room: 100))
      try #require(all.count == 1 && all[0].queue == Int(queue) && UInt64(1) << UInt64(all[0].kind) == kinds)
      return all[0].numbers
    }

    @Test func kinds() throws {
      let bench = try Bench("sink", wish: Self.wish)
      try start(bench.front)
      let kinds = Self.receive | Self.transmit | Self.control
      #expect(try bench.front.ask([8, 0], room: 9) == [0] + FrontEnd.bytes(kinds))
      // What there is no room for is left out, wherever the pieces of the room end.
      #expect(try bench.front.ask([8, 0], room: 4) == [0] + FrontEnd.bytes(kinds)[..<3])
      #expect(try bench.front.ask([8, 0], room: 1) == [0])
      #expect(try bench.front.ask([8, 0], room: 20, answerCut: 2) == [0] + FrontEnd.bytes(kinds))
    }

    @Test func packetsAndBytesOfEachQueue() throws {
      let bench = try Bench("loopback,queues=2", pairs: 2, wish: Self.wish)
      let front = bench.front
      try start(front)
      #expect(try front.command([4, 0, 2, 0]) == 0)
      for pair in 0..<2 {
        front.fill(20, queue: 2 * pair)
        for length in 0..<5 + pair {
          front.transmit(frame(100 + length), queue: 2 * pair + 1)
          try front.expect(frame(100 + length), queue: 2 * pair)
          #expect(front.takeUsed(2 * pair + 1) != nil)
        }
      }
      for (queue, packets, bytes) in [(0, 5, 510), (1, 5, 510), (2, 6, 615), (3, 6, 615)] as [(UInt16, UInt64, UInt64)]
      {
        let got = try numbers(front, queue)
        #expect(got.count == 6 && got[1] == packets && got[2] == bytes && got[4] == 0 && got[5] == 0)
        #expect(got[0] <= front.rings[Int(queue)].kicks, "queue \(queue): \(got)")
        #expect(got[3] == sys_eventfd_drain(front.calls[Int(queue)]), "queue \(queue): \(got)")
      }
      // The command that asks counts too; one that is refused is a command that was not done.
      let before = try numbers(front, 4)
      #expect(before.count == 2 && before[0] == before[1])
      #expect(try front.command([8, 1]) == 1)
      #expect(try numbers(front, 4) == [before[0] + 2, before[1] + 1])
      // Several queues in one command, in the order asked for; a queue without kinds has no block.
      let question = entry(3, Self.transmit) + entry(0, 0) + entry(0, Self.receive) + entry(4, Self.control)
      let all = try blocks(front.ask([8, 1] + question, room: 200, cut: 5, answerCut: 7))
      #expect(all.map(\.queue) == [3, 0, 4] && all.map(\.kind) == [16, 0, 32])
      #expect(all[0].numbers[2] == 615 && all[1].numbers[2] == 510)
      // The answer is cut where the room ends.
      #expect(try front.ask([8, 1] + question, room: 40).count == 40)
    }

    @Test func kicks() throws {
      let bench = try Bench("sink", wish: Self.wish)
      try start(bench.front)
      let before = try numbers(bench.front, 1)[0]
      for kick in 1...3 {
        _ = sys_eventfd_signal(bench.front.kicks[1])
        let deadline = Deadline(milliseconds: 60_000)
        while try numbers(bench.front, 1)[0] == before + UInt64(kick) - 1, !deadline.hasPassed {}
        #expect(try numbers(bench.front, 1)[0] == before + UInt64(kick))
      }
    }

    @Test(arguments: [0, Feature.mergeable])
    func aPacketInSeveralBuffersIsOne(_ extra: UInt64) throws {
      let bench = try Bench("loopback", wish: Self.wish | extra)
      try start(bench.front)
      bench.front.fill(20, length: extra == 0 ? 1500 : 100)
      bench.front.transmit(frame(1000))
      try bench.front.expect(frame(1000))
      #expect(try numbers(bench.front, 0)[1...2] == [1, 1000])
    }

    @Test func losses() throws {
      let bench = try Bench("sink", wish: Self.wish)
      try start(bench.front)
      for length in [5, 60, 13, 70] { bench.front.transmit(frame(length)) }
      #expect(bench.until { $0.fromDriver == 4 })
      let sunk = try numbers(bench.front, 1)
      #expect(sunk[1] == 2 && sunk[2] == 130 && sunk[4] == 2 && sunk[5] == 2)
      // A pipe without another end takes nothing.
      let lonely = try Bench("pipe=lonely-counters", wish: Self.wish)
      try start(lonely.front)
      for length in [5, 60] { lonely.front.transmit(frame(length)) }
      #expect(lonely.until { $0.fromDriver == 2 })
      let lost = try numbers(lonely.front, 1)
      #expect(lost[1] == 0 && lost[2] == 0 && lost[4] == 2 && lost[5] == 1)
      // A frame that no buffer is large enough for, and one that the driver's filter keeps out.
      let round = try Bench("loopback,mac=02:11:22:33:44:55", wish: Self.wish | Feature.controlReceive)
      try start(round.front)
      round.front.fill(10, length: 100)
      round.front.transmit(frame(1000))
      #expect(round.until { $0.toDriverNoBuffer == 1 })
      #expect(try round.front.command([0, 0, 0]) == 0)
      round.front.transmit(frame(to: ControlTests.other))
      #expect(round.until { $0.toDriverFiltered == 1 })
      let kept = try numbers(round.front, 0)
      #expect(kept[1] == 0 && kept[2] == 0 && kept[4] == 1 && kept[5] == 1)
    }

    @Test func generatedFramesThatFindNoBuffer() throws {
      let bench = try Bench("generate,rate=100000", wish: Self.wish)
      try start(bench.front)
      bench.front.fill(7)
      #expect(bench.until { $0.toDriver == 7 && $0.toDriverNoBuffer > 10 })
      let got = try numbers(bench.front, 0)
      #expect(got[1] == 7 && got[2] == 7 * 64 && got[4] > 10 && got[4] == got[5])
    }

    @Test func refused() throws {
      let bench = try Bench("sink,queues=2", pairs: 2, wish: Self.wish)
      let front = bench.front
      try start(front)
      let good = entry(0, Self.receive)
      let questions: [[UInt8]] = [
        [0, 0], [1], [1] + good[..<15], [1] + good + [0], [2] + good, [1] + entry(5, Self.receive),
        [1] + entry(0xffff, Self.receive), [1] + entry(0, Self.transmit), [1] + entry(1, Self.receive),
        [1] + entry(0, Self.receive | 2), [1] + entry(4, Self.receive), [1] + entry(3, 1 << 63),
        [1] + good + entry(0, 1 << 5), [1] + (0..<6).flatMap { _ in good },
      ]
      for question in questions { #expect(try front.ask([8] + question, room: 400) == [1], "\(question)") }
      let five = (0..<5).flatMap { _ in good }
      #expect(try blocks(front.ask([8, 1] + five, room: 400)).count == 5)
    }

    @Test func withoutTheFeature() throws {
      let bench = try Bench("sink", wish: FrontEnd.simple | Feature.controlQueue)
      try start(bench.front)
      #expect(try bench.front.ask([8, 0], room: 9) == [1])
      #expect(try bench.front.ask([8, 1] + entry(0, Self.receive), room: 100) == [1])
    }

    /// Without MQ there is one pair, whatever the device could have.
    @Test func oneOfManyPairs() throws {
      let bench = try Bench("sink,queues=2", pairs: 2, wish: Self.wish & ~Feature.multiqueue)
      try bench.front.negotiate()
      for queue in 0..<3 { try bench.front.startRing(queue) }
      let front = bench.front
      for (queue, kinds) in [(2, Self.receive), (3, Self.transmit), (4, Self.control)] as [(UInt16, UInt64)] {
        let parts = try front.askAt(2, [8, 1] + entry(queue, kinds))
        #expect(parts == 1)
      }
      #expect(try front.askAt(2, [8, 1] + entry(1, Self.transmit)) == 0)
    }
  }
}

extension FrontEnd {
  /// The answer to a request on a control queue of another place.
  fileprivate func askAt(_ queue: Int, _ bytes: [UInt8]) throws -> UInt8 {
    for (position, byte) in bytes.enumerated() {
      unsafe (buffer(queue, 0) + position).storeBytes(of: byte, as: UInt8.self)
    }
    unsafe rings[queue].offer(
      [
        Part(address: Self.address(queue, 0), length: UInt32(bytes.count)),
        Part(address: Self.address(queue, 1), length: 100, isWritable: true),
      ], buffer: 0)
    guard takeUsed(queue) != nil else { throw TestError("the command is not answered") }
    return unsafe buffer(queue, 1).load(as: UInt8.self)
  }
}
