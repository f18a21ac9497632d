// SPDX-License-Identifier: BSD-2-Clause
//
// What each wire does with frames.

import CLinux
import Linux
import Testing

@testable import SoftDevice

extension SoftDeviceTests {
  @Suite struct WireTests {
    // MARK: generate and sink

    @Test func sinkCounts() throws {
      let bench = try Bench("sink")
      try bench.front.start()
      for index in 0..<200 { bench.front.transmit(frame(60, seed: index)) }
      #expect(bench.until { $0.fromDriver == 200 })
      for _ in 0..<200 { #expect(bench.front.takeUsed(1) != nil) }
    }

    @Test(arguments: [(64, 1), (65, 3), (1514, 7), (1515, 1), (2000, 2)])
    func generatedFramesAreSound(_ length: Int, _ flows: Int) throws {
      let bench = try Bench("generate,length=\(length),flows=\(flows)")
      try bench.front.start()
      bench.front.fill(100)
      for index in 0..<100 {
        let frame = try #require(bench.front.receiveFrame())
        #expect(frame.count == length)
        #expect(word(frame, 12) == 0x0800)
        #expect(word(frame, 16) == length - 14)
        #expect(sum(frame[14..<34]) == 0xffff)
        #expect(word(frame, 38) == length - 34)
        #expect(isSound(frame))
        #expect(word(frame, 34) == 1024 + index % flows)
        let sequence = frame[42..<50].reduce(0) { $0 << 8 | Int($1) }
        #expect(sequence == index)
      }
    }

    /// The UDP checksum and its pseudo-header add up.
    private func isSound(_ frame: [UInt8]) -> Bool {
      let pseudo = sum(frame[26..<34]) + 17 + frame.count - 34
      return word(frame, 40) != 0 && (pseudo + sum(frame[34...])) % 0xffff == 0
    }

    private func word(_ frame: [UInt8], _ at: Int) -> Int { Int(frame[at]) << 8 | Int(frame[at + 1]) }

    /// The ones' complement sum of 16-bit words.
    private func sum(_ bytes: ArraySlice<UInt8>) -> Int {
      var total = 0
      for (index, byte) in bytes.enumerated() { total += Int(byte) << (index % 2 == 0 ? 8 : 0) }
      while total > 0xffff { total = total & 0xffff + total >> 16 }
      return total
    }

    @Test func generateIntoChains() throws {
      let bench = try Bench("generate,length=100")
      let front = bench.front
      try front.start()
      front.describe(0, 0, FrontEnd.address(0, 0), 10, 3, 1)
      front.describe(0, 1, FrontEnd.address(0, 0) + 10, 50, 3, 2)
      front.describe(0, 2, FrontEnd.address(0, 0) + 60, 500, 2)
      front.post(0, 0)
      let frame = try #require(front.receiveFrame())
      #expect(frame.count == 100 && sum(frame[14..<34]) == 0xffff)
      #expect(isSound(frame))
    }

    @Test(arguments: [500, 5000, 200_000])
    func generateKeepsItsRate(_ rate: Int) throws {
      let bench = try Bench("generate,rate=\(rate)")
      let front = bench.front
      try front.start()
      front.fill(256)
      let start = sys_nanoseconds()
      while sys_nanoseconds() - start < 300_000_000 {
        if front.receiveFrame(wait: 20) != nil { front.fill(1) }
      }
      let statistics = bench.statistics
      let wanted = Double(sys_nanoseconds() - start) / 1e9 * Double(rate)
      let made = Double(statistics.toDriver + statistics.toDriverDrops)
      // How many it should be at least is for the next test, which has its own time.
      #expect(made > 0 && made < wanted * 1.2 + 2, "\(made) of \(wanted): \(statistics)")
    }

    /// However often it is asked, in five seconds it owes five times the rate: the last frame of each second, too.
    @Test(arguments: [1, 3, 10, 999, 1_000_000_000] as [UInt64], [7, 100, 333, 1000] as [UInt64])
    func generateOwesEachFrame(_ rate: UInt64, _ step: UInt64) throws {
      var generator = try Generator(WireOptions(parsing: text("generate,rate=\(rate)")))
      generator.restart(1)
      var made: UInt64 = 0
      var time: UInt64 = 0
      while time < 5000 {
        time += step
        for _ in 0..<2 {
          let due = generator.due(1 + time * 1_000_000)
          generator.account(due)
          made += UInt64(due)
        }
        #expect(made == time * rate / 1000, "after \(time) ms")
      }
    }

    // MARK: pipes

    @Test func pipeJoinsTwo() throws {
      let left = try Bench("pipe=join")
      try left.front.start()
      left.front.transmit(frame(60))
      #expect(left.until { $0.fromDriverDrops == 1 })
      let right = try Bench("pipe=join")
      #expect(throws: TestError.self) { try Bench("pipe=join") }
      #expect(sentence().contains("\"join\" has two ends already"))
      left.front.transmit(frame(60))
      #expect(left.until { $0.fromDriverDrops == 2 })
      try right.front.start()
      left.front.fill(100)
      right.front.fill(100)
      for round in 0..<100 {
        left.front.transmit(frame(60 + round, seed: 1))
        right.front.transmit(frame(160 + round, seed: 2))
        #expect(right.front.receiveFrame() == frame(60 + round, seed: 1))
        #expect(left.front.receiveFrame() == frame(160 + round, seed: 2))
      }
    }

    @Test func pipeIsBoundedAndComesRound() throws {
      let left = try Bench("pipe=full", size: 1024)
      let right = try Bench("pipe=full", size: 1024)
      try left.front.start()
      try right.front.start()
      var sent = 0
      for round in 0..<6 {
        for _ in 0..<400 {
          left.front.transmit(frame(1000, seed: sent))
          sent += 1
        }
        #expect(left.until { $0.fromDriver == UInt64(sent) })
        let kept = 400 * (round + 1) - Int(left.statistics.fromDriverDrops) - Int(right.statistics.toDriver)
        for _ in 0..<min(kept, 300) {
          right.front.fill(1)
          #expect(right.front.receiveFrame()?.count == 1000)
        }
      }
      #expect(left.statistics.fromDriverDrops == 0)
      for _ in 0..<3000 {
        left.front.transmit(frame(1000))
        #expect(left.front.takeUsed(1) != nil)
      }
      #expect(left.until { $0.fromDriver == UInt64(sent + 3000) })
      #expect(left.statistics.fromDriverDrops > 500)
    }

    /// Frames that wait for buffers of a driver which goes are lost, and counted as that.
    @Test func pipeCountsWhatWaitedInVain() throws {
      let left = try Bench("pipe=vain")
      let right = try Bench("pipe=vain")
      try left.front.start()
      for round in 1...3 {
        try right.front.start()
        right.front.fill(5)
        for number in 0..<40 { left.front.transmit(frame(60 + number)) }
        for number in 0..<5 { #expect(right.front.receiveFrame() == frame(60 + number)) }
        #expect(left.until { $0.fromDriver == UInt64(40 * round) })
        try right.front.stopRing(0)
        try right.front.stopRing(1)
        unsafe memset(right.front.base, 0, 0x200000)
        #expect(right.until { $0.toDriverDrops == UInt64(35 * round) })
        #expect(right.until { $0.toDriver == UInt64(5 * round) })
      }
      #expect(left.statistics.fromDriverDrops == 0)
    }

    @Test func pipeEndsLeaveAndReturn() throws {
      let before = openFiles()
      for _ in 0..<5 {
        let left = try Bench("pipe=again")
        for _ in 0..<3 {
          let right = try Bench("pipe=again")
          try right.front.start()
          try left.front.stopRing(0)
          unsafe memset(left.front.base, 0, 0x200000)
          try left.front.start()
          right.front.fill(1)
          left.front.transmit(frame(77))
          #expect(right.front.receiveFrame() == frame(77))
          try left.front.stopRing(0)
          try left.front.stopRing(1)
        }
      }
      #expect(openFiles() == before)
    }
  }
}
