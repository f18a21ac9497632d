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
      #expect(made > wanted * 0.5 && made < wanted * 1.2 + 2, "\(made) of \(wanted): \(statistics)")
    }

    // MARK: captures

    private func capture(_ frames: [[UInt8]], swapped: Bool, nanoseconds: Bool) -> [UInt8] {
      func bytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] { FrontEnd.bytes(swapped ? value.byteSwapped : value) }
      var file = bytes(nanoseconds ? UInt32(0xa1b2_3c4d) : 0xa1b2_c3d4) + bytes(UInt16(2)) + bytes(UInt16(4))
      file += bytes(UInt32(0)) + bytes(UInt32(0)) + bytes(UInt32(262144)) + bytes(UInt32(1))
      for frame in frames {
        file += bytes(UInt32(1)) + bytes(UInt32(2)) + bytes(UInt32(frame.count)) + bytes(UInt32(frame.count)) + frame
      }
      return file
    }

    @Test(arguments: [(false, false), (true, false), (false, true), (true, true)])
    func captureIsReplayedOnce(_ swapped: Bool, _ nanoseconds: Bool) throws {
      try withFolder { folder in
        let frames = (0..<600).map { frame(14 + $0, seed: $0) }
        let short = [frame(13), [], frame(60)]
        write(capture(frames + short, swapped: swapped, nanoseconds: nanoseconds), to: folder + "/in.pcap")
        let bench = try Bench("pcap=\(folder)/in.pcap")
        try bench.front.start()
        bench.front.fill(100)
        for expected in frames {
          #expect(bench.front.receiveFrame() == expected)
          bench.front.fill(1)
        }
        #expect(bench.front.receiveFrame() == frame(60))
        #expect(bench.front.receiveFrame(wait: 50) == nil)
        #expect(bench.statistics.toDriver == 601 && bench.statistics.toDriverDrops == 2)
      }
    }

    @Test func captureIsRecorded() throws {
      try withFolder { folder in
        let frames = (0..<200).map { frame(14 + $0 * 7, seed: $0) }
        do {
          let bench = try Bench("pcap=,out=\(folder)/out.pcap")
          try bench.front.start()
          frames.forEach { bench.front.transmit($0) }
          #expect(bench.until { $0.fromDriver == 200 })
          // Written already when the device falls idle, not only at its end.
          let whole = 24 + frames.reduce(0) { $0 + 16 + $1.count }
          #expect(bench.until { _ in bytesOf(folder + "/out.pcap").count == whole })
          bench.front.transmit(frame(60))
          #expect(bench.until { $0.fromDriver == 201 })
        }
        let bench = try Bench("pcap=\(folder)/out.pcap")
        try bench.front.start()
        bench.front.fill(256)
        for expected in frames + [frame(60)] { #expect(bench.front.receiveFrame() == expected) }
      }
    }

    @Test func badCaptures() throws {
      try withFolder { folder in
        let good = capture([frame(60)], swapped: false, nanoseconds: false)
        var other = good
        other[20] = 101
        write(other, to: folder + "/raw")
        write([0x0a, 0x0d, 0x0d, 0x0a] + good, to: folder + "/ng")
        write(Array(good[..<23]), to: folder + "/short")
        write([], to: folder + "/empty")
        let cases = [
          ("pcap=\(folder)/none", "none\": No such file"), ("pcap=\(folder)/raw", "link type 101"),
          ("pcap=\(folder)/ng", "pcapng"), ("pcap=\(folder)/short", "not a pcap"),
          ("pcap=\(folder)/empty", "not a pcap"),
          ("pcap=\(folder)", "Is a directory"), ("pcap=,out=\(folder)", "Is a directory"), ("pcap=", "neither"),
        ]
        let before = openFiles()
        for (wire, part) in cases {
          #expect(throws: TestError.self) { try Bench(wire) }
          #expect(sentence().contains(part), "\(sentence())")
        }
        #expect(openFiles() == before)
        // A record that claims more than a frame can have ends the replay; so does one that is cut off.
        var huge = good
        huge[24 + 10] = 0xff
        for (name, bytes) in [("huge", huge), ("cut", Array(good[..<(good.count - 1)]))] {
          write(bytes, to: folder + "/" + name)
          let bench = try Bench("pcap=\(folder)/\(name)")
          try bench.front.start()
          bench.front.fill(4)
          #expect(bench.front.receiveFrame(wait: 50) == nil)
        }
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
        #expect(right.statistics.toDriver == UInt64(5 * round))
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
