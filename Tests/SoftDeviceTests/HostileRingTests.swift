// SPDX-License-Identifier: BSD-2-Clause
//
// Front-ends that break the rules of the rings: the device leaves them, keeps no file of theirs, and goes on.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

/// Runs `body` on a fresh device and checks that nothing of it stays open.
func hostile(
  _ wire: String = "loopback", size: Int = 256, wish: UInt64 = FrontEnd.simple, _ body: (Bench) throws -> Void
) throws {
  let before = openFiles()
  do {
    let bench = try Bench(wire, size: size, wish: wish)
    try body(bench)
  }
  #expect(untilOpenFiles(are: before))
}

extension SoftDeviceTests {
  @Suite struct HostileRingTests {
    enum Crime: CaseIterable {
      case headBeyondRing, indexJump, loop, nextBeyondRing, outside, acrossTheEnd, wrap, wrongDirection, noHeader
      case tableLoop, tableInTable, tableBeyond, tableOdd, tableEmpty, tableOutside, tableAndNext, manySegments
      case tableUnaligned
    }

    @Test(arguments: Crime.allCases)
    func crimesOfTheDriver(_ crime: Crime) throws {
      for wire in ["loopback", "sink", "generate", "pipe=crime", "pcap=,out=/dev/null"] {
        try hostile(wire) { bench in
          let front = bench.front
          try front.start()
          if crime == .wrongDirection { front.fill(1) } else { front.fill(4) }
          commit(crime, front)
          front.post(1, crime == .headBeyondRing ? 257 : 0)
          #expect(front.isClosed)
          #expect(bench.statistics.faults == 1)
        }
      }
    }

    private func commit(_ crime: Crime, _ front: FrontEnd) {
      let address = FrontEnd.address(1, 0)
      let end = FrontEnd.guest + UInt64(FrontEnd.memorySize)
      switch crime {
      case .headBeyondRing:
        // What lies there, in the available ring, would be a good descriptor.
        unsafe front.rings[1].describe(front.rings[1].driver + 16, Part(address: address, length: 32), 0, 0)
      case .indexJump:
        // So would all that the index claims.
        front.describe(1, 0, address, 32, 0)
        front.split(1).available &+= 256
      case .loop:
        front.describe(1, 0, address, 20, 1, 1)
        front.describe(1, 1, address, 20, 1, 0)
      case .nextBeyondRing: front.describe(1, 0, address, 20, 1, 256)
      case .outside: front.describe(1, 0, end, 20, 0)
      case .acrossTheEnd: front.describe(1, 0, end - 30, 31, 0)
      case .wrap: front.describe(1, 0, UInt64.max - 10, 0xffff_ffff, 0)
      case .wrongDirection: front.describe(1, 0, address, 100, 2)
      case .noHeader: front.describe(1, 0, address, 11, 0)
      case .tableLoop: table(front, [(0, 1), (0, 1)])
      case .tableInTable: table(front, [(1, 4), (0, 0)])
      case .tableBeyond: table(front, [(5, 1)])
      case .tableOdd: front.describe(1, 0, FrontEnd.address(1, 9), 17, 4)
      case .tableEmpty: front.describe(1, 0, FrontEnd.address(1, 9), 0, 4)
      case .tableOutside: front.describe(1, 0, end - 8, 16, 4)
      case .tableAndNext:
        table(front, [(0, 0)])
        front.describe(1, 0, FrontEnd.address(1, 9), 16, 5, 1)
      case .tableUnaligned:
        for entry in 0..<3 {
          let at = unsafe front.buffer(1, 9) + 4 + 16 * entry
          unsafe front.rings[1].describe(at, Part(address: address, length: 32), 0, 0)
        }
        front.describe(1, 0, FrontEnd.address(1, 9) + 4, 16, 4)
      case .manySegments: table(front, (1...2000).map { ($0, $0 < 2000 ? 1 : 0) })
      }
    }

    /// An indirect table of (next, flags), named by descriptor 0.
    private func table(_ front: FrontEnd, _ entries: [(Int, Int)]) {
      for (index, entry) in entries.enumerated() {
        let at = unsafe front.buffer(1, 9) + 16 * index
        unsafe at.storeBytes(of: FrontEnd.address(1, 0), as: UInt64.self)
        unsafe at.storeBytes(of: 20, toByteOffset: 8, as: UInt32.self)
        unsafe at.storeBytes(of: UInt16(entry.1), toByteOffset: 12, as: UInt16.self)
        unsafe at.storeBytes(of: UInt16(entry.0), toByteOffset: 14, as: UInt16.self)
      }
      front.describe(1, 0, FrontEnd.address(1, 9), UInt32(16 * entries.count), 4)
    }

    @Test func errorEventTellsOfBrokenRules() throws {
      try hostile("sink") { bench in
        let error = sys_eventfd(0)
        defer { _ = sys_close(error) }
        try bench.front.start()
        #expect(try bench.front.confirm(VhostRequest.setVringError, FrontEnd.bytes(UInt64(1)), files: [error]) == 0)
        bench.front.post(1, 999)
        #expect(bench.front.isClosed)
        #expect(sys_eventfd_drain(error) == 1)
      }
    }

    @Test func oddFramesAreDropped() throws {
      try hostile { bench in
        let front = bench.front
        try front.start()
        front.fill(4)
        front.transmit([])
        front.transmit(frame(13))
        front.transmit(frame(14))
        #expect(front.receiveFrame() == frame(14))
      }
    }

    /// Random rings and messages, the same ones each time.
    @Test func noise() throws {
      var random = UInt64(42)
      func next() -> UInt64 {
        random ^= random << 13
        random ^= random >> 7
        random ^= random << 17
        return random
      }
      for _ in 0..<300 {
        try hostile(["loopback", "generate", "sink"][Int(next() % 3)]) { bench in
          let front = bench.front
          try front.start()
          for _ in 0..<40 {
            let queue = Int(next() % 2)
            let near = FrontEnd.guest + next() % UInt64(FrontEnd.memorySize + 4096)
            front.describe(
              queue, Int(next() % 8), next() % 8 == 0 ? next() : near, UInt32(next() % 4096), UInt16(next() % 8),
              UInt16(next() % 8))
            if next() % 3 == 0 { front.post(queue, Int(next() % 9)) }
            if next() % 29 == 0 {
              front.send(UInt32(next() % 48), (0..<Int(next() % 41)).map { _ in UInt8(next() % 3) })
            }
          }
        }
      }
    }
  }
}
