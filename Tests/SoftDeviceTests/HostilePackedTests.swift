// SPDX-License-Identifier: BSD-2-Clause
//
// Front-ends that break the rules of packed rings.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

extension SoftDeviceTests {
  @Suite struct HostilePackedTests {
    enum Crime: CaseIterable {
      case outside, acrossTheEnd, wrap, wrongDirection, noHeader, chainOfTheWholeRing, chainIntoTaken, tableInChain
      case tableAndNext, tableOdd, tableEmpty, tableOutside, tableInTable, tableUnaligned, manySegments, chainOfNothing
    }

    static let wish = FrontEnd.simple | Feature.packed

    @Test(arguments: Crime.allCases)
    func crimesOfTheDriver(_ crime: Crime) throws {
      for wire in ["loopback", "sink", "generate", "pipe=crime", "pcap=,out=/dev/null"] {
        try hostile(wire, wish: Self.wish) { bench in
          try bench.front.start()
          if crime == .wrongDirection { bench.front.fill(1) } else { bench.front.fill(4) }
          commit(crime, bench.front)
          bench.front.rings[1].signal()
          #expect(bench.front.isClosed)
        }
      }
    }

    /// Writes descriptors from place 0 of the transmit ring on, the head last.
    private func write(_ front: FrontEnd, _ entries: [(address: UInt64, length: UInt32, flags: UInt16)]) {
      for (index, entry) in entries.enumerated().reversed() {
        let at = unsafe front.ring(1) + 16 * index
        let part = Part(address: entry.address, length: entry.length)
        unsafe front.rings[1].describe(at, part, 0, 0)
        unsafe shared_store16_release(at + 14, entry.flags | 0x80)
      }
    }

    private func table(_ front: FrontEnd, _ entries: [UInt16]) {
      for (index, flags) in entries.enumerated() {
        let at = unsafe front.buffer(1, 9) + 16 * index
        unsafe front.rings[1].describe(at, Part(address: FrontEnd.address(1, 0), length: 20), 0, flags)
      }
    }

    private func commit(_ crime: Crime, _ front: FrontEnd) {
      let address = FrontEnd.address(1, 0)
      let list = FrontEnd.address(1, 9)
      let end = FrontEnd.guest + UInt64(FrontEnd.memorySize)
      table(front, [0, 0])
      switch crime {
      case .outside: write(front, [(end, 20, 0)])
      case .acrossTheEnd: write(front, [(end - 30, 31, 0)])
      case .wrap: write(front, [(UInt64.max - 10, 0xffff_ffff, 0)])
      case .wrongDirection: write(front, [(address, 100, 2)])
      case .noHeader: write(front, [(address, 11, 0)])
      case .chainOfTheWholeRing: write(front, (0..<front.size).map { _ in (address, 20, 1) })
      case .chainIntoTaken:
        // The first one is a frame of its own, and ends the chain of all others, too.
        write(front, (0..<front.size).map { (address, 72, $0 == 0 ? 0 : 1) })
      case .tableInChain: write(front, [(address, 20, 1), (list, 32, 4)])
      case .tableAndNext: write(front, [(list, 32, 5), (address, 20, 0)])
      case .tableOdd: write(front, [(list, 17, 4)])
      case .tableEmpty: write(front, [(list, 0, 4)])
      case .tableOutside: write(front, [(end - 8, 16, 4)])
      case .tableInTable:
        table(front, [0, 4])
        write(front, [(list, 32, 4)])
      case .tableUnaligned:
        // Each entry would be good.
        for entry in 0..<3 {
          let at = unsafe front.buffer(1, 9) + 4 + 16 * entry
          unsafe front.rings[1].describe(at, Part(address: address, length: 20), 0, 0)
        }
        write(front, [(list + 4, 32, 4)])
      case .chainOfNothing:
        // No piece of it counts as a segment.
        write(front, (0..<front.size).map { _ in (address, 0, 1) })
      case .manySegments:
        table(front, [UInt16](repeating: 0, count: 2000))
        write(front, [(list, 32000, 4)])
      }
    }

    /// A driver that goes on making the same place available, lap after lap, gains nothing.
    @Test func aRingThatIsAlwaysFull() throws {
      try hostile("sink", wish: Self.wish) { bench in
        let front = bench.front
        try front.start()
        for place in 0..<front.size {
          let at = unsafe front.ring(1) + 16 * place
          unsafe front.rings[1].describe(at, Part(address: FrontEnd.address(1, 0), length: 72), 0, 0x80)
        }
        front.rings[1].signal()
        #expect(bench.until { $0.fromDriver == UInt64(front.size) })
        sys_sleep_microseconds(1000)
        #expect(bench.until { $0.fromDriver == UInt64(front.size) })
      }
    }

    /// Random descriptors, the same ones each time.
    @Test func noise() throws {
      var random = UInt64(4711)
      func next() -> UInt64 {
        random ^= random << 13
        random ^= random >> 7
        random ^= random << 17
        return random
      }
      for round in 0..<300 {
        let extra = round % 2 == 0 ? Feature.mergeable : Feature.inOrder | Feature.eventIndex
        try hostile(["loopback", "generate", "sink"][round % 3], size: 5 + round % 40, wish: Self.wish | extra) {
          bench in
          let front = bench.front
          try front.start()
          for _ in 0..<60 {
            let queue = Int(next() % 2)
            let near = FrontEnd.guest + next() % UInt64(FrontEnd.memorySize + 4096)
            let part = Part(address: next() % 8 == 0 ? next() : near, length: UInt32(next() % 4096))
            let at = unsafe front.ring(queue) + 16 * Int(next() % UInt64(front.size))
            unsafe front.rings[queue].describe(at, part, UInt16(truncatingIfNeeded: next()), 0)
            unsafe shared_store16_release(at + 14, UInt16(next() % 8) | [0x80, 0x8000, 0][Int(next() % 3)])
            if next() % 3 == 0 { _ = sys_eventfd_signal(front.kicks[queue]) }
            if next() % 7 == 0 { unsafe shared_store32(front.rings[queue].driver, UInt32(truncatingIfNeeded: next())) }
          }
        }
      }
    }
  }
}
