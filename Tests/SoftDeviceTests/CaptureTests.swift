// SPDX-License-Identifier: BSD-2-Clause
//
// The wire "pcap".

import CLinux
import Linux
import Testing

@testable import SoftDevice

extension SoftDeviceTests {
  @Suite struct CaptureTests {
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
        #expect(bench.until { $0.toDriver == 601 && $0.toDriverDrops == 2 })
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

    // MARK: damaged captures

    /// pcapng: a section, an interface, two packets.
    private func blocks() -> [UInt8] {
      func block(_ type: UInt32, _ body: [UInt8]) -> [UInt8] {
        let size = FrontEnd.bytes(UInt32(body.count + 12))
        return FrontEnd.bytes(type) + size + body + size
      }
      func packet(_ frame: [UInt8]) -> [UInt8] {
        let count = FrontEnd.bytes(UInt32(frame.count))
        return block(6, [UInt8](repeating: 0, count: 12) + count + count + frame + [2, 0, 4, 0, 0, 0, 0, 0])
      }
      let section = FrontEnd.bytes(UInt32(0x1a2b_3c4d)) + [1, 0, 0, 0] + [UInt8](repeating: 255, count: 8)
      let interface: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 0, 13, 0, 1, 0, 4, 0, 0, 0]
      return block(0x0a0d_0d0a, section) + block(1, interface) + packet(frame(60)) + packet(frame(64))
    }

    /// Whatever a capture holds, each step goes on and stays inside of what there is.
    @Test func damagedCapturesAreLeft() throws {
      let block = try Block(4096)
      for good in [capture([frame(60), frame(64)], swapped: true, nanoseconds: false), blocks()] {
        var chance: UInt64 = 0x9e37_79b9_7f4a_7c15
        for round in 0..<20_000 {
          var bytes = good
          for _ in 0...(round % 3) {
            chance = chance &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            bytes[Int(chance >> 33) % bytes.count] =
              UInt8(truncatingIfNeeded: chance >> 20) & (round % 2 == 0 ? 255 : 15)
          }
          for (index, byte) in bytes.enumerated() { block.bytes[index] = byte }
          follow(block.bytes.first(bytes.count - round % 5))
        }
      }
    }

    private func follow(_ all: Bytes) {
      var parser = CaptureParser(followsOthers: true)
      var rest = all
      while true {
        switch parser.next(rest) {
        case .frame(let at, let count, let size):
          #expect(size > 0 && size <= rest.count && at >= 0 && count >= 0 && at + count <= size)
          rest = rest.dropping(size)
        case .other(let size), .unusable(let size):
          #expect(size > 0)
          rest = rest.dropping(size)
        case .needs(let count):
          #expect(count > rest.count)
          return
        case .broken: return
        }
      }
    }
  }
}
