// SPDX-License-Identifier: BSD-2-Clause
//
// Every kind of ring with every kind of chain: frames go round and come back whole, and kicks and interrupts are
// saved where the features say so.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

extension SoftDeviceTests {
  @Suite struct RingTests {
    static let base = FrontEnd.simple
    static let extras = [Feature.packed, Feature.eventIndex, Feature.inOrder, Feature.mergeable]
    /// All sixteen sets of them.
    static let sets = (0..<16).map { number in
      extras.enumerated().reduce(base) { number & 1 << $1.offset != 0 ? $0 | $1.element : $0 }
    }

    @Test(arguments: sets)
    func framesGoRound(_ wish: UInt64) throws {
      let bench = try Bench("loopback,mtu=9000", wish: wish)
      let front = bench.front
      try front.start()
      for round in 0..<60 {
        let parts = round % 5 + 1
        let indirect = round % 3 == 0
        front.fill(10, parts: parts, indirect: indirect)
        let frames = (0..<10).map { frame(20 + round * 30 + $0, seed: round) }
        for sent in frames { front.transmit(sent, parts: parts, indirect: indirect && round % 2 == 0) }
        for expected in frames { try front.expect(expected) }
        for _ in 0..<10 { #expect(front.takeUsed(1)?.length == 0) }
      }
      #expect(bench.until { $0.toDriver == 600 && $0.toDriverDrops == 0 })
    }

    @Test(arguments: [1, 2, 3, 7, 31, 255, 256, 1000, 32767, 32768])
    func packedRingsOfAnySize(_ size: Int) throws {
      for extra in [Feature.eventIndex, Feature.inOrder, 0] {
        let bench = try Bench("loopback", size: size, wish: Self.base | Feature.packed | extra)
        let front = bench.front
        try front.start()
        for round in 0..<100 {
          let count = min(size, 20)
          front.fill(count)
          for index in 0..<count { front.transmit(frame(60 + index, seed: round)) }
          for index in 0..<count { try front.expect(frame(60 + index, seed: round)) }
          for _ in 0..<count { #expect(front.takeUsed(1) != nil) }
        }
      }
    }

    /// Rings whose ends lie in the middle of chains and of batches.
    @Test(arguments: [Feature.packed, 0])
    func wholeRingsAtATime(_ packed: UInt64) throws {
      let bench = try Bench("loopback", size: packed == 0 ? 128 : 101, wish: Self.base | packed)
      let front = bench.front
      try front.start()
      for round in 0..<50 {
        let parts = round % 3 + 1
        let count = front.size / parts
        for index in 0..<count { front.transmit(frame(64, seed: index + round), parts: parts) }
        #expect(front.rings[1].freeSlots < parts)
        front.fill(count, parts: parts)
        for index in 0..<count { try front.expect(frame(64, seed: index + round)) }
        for _ in 0..<count { #expect(front.takeUsed(1) != nil) }
      }
    }

    @Test(arguments: [Feature.packed, 0, Feature.inOrder, Feature.packed | Feature.inOrder])
    func longFramesAreSpread(_ extra: UInt64) throws {
      let bench = try Bench("loopback,mtu=9000", wish: Self.base | Feature.mergeable | extra)
      let front = bench.front
      try front.start()
      for (length, count, parts) in [(2000, 200, 1), (2000, 100, 2), (2000, 100, 3), (1900, 64, 1), (1900, 80, 1)] {
        front.fill(40, length: count, parts: parts)
        front.transmit(frame(length, seed: count))
        let (got, head, buffers) = try #require(front.receiveWhole())
        #expect(got == frame(length, seed: count))
        #expect(buffers == (length + 12 + count - 1) / count && head[..<10].allSatisfy { $0 == 0 })
        #expect(front.takeUsed(1) != nil)
        let rest = 40 - buffers
        for index in 0..<rest { front.transmit(frame(40, seed: index)) }
        for index in 0..<rest { try front.expect(frame(40, seed: index)) }
        for _ in 0..<rest { #expect(front.takeUsed(1) != nil) }
      }
      #expect(bench.statistics.toDriverDrops == 0)
    }

    @Test func aLongFrameWaitsForBuffers() throws {
      let bench = try Bench("loopback,mtu=9000", wish: Self.base | Feature.mergeable)
      let front = bench.front
      try front.start()
      front.fill(9, length: 200)
      front.transmit(frame(2000))
      #expect(front.takeUsed(0, wait: 30) == nil)
      front.fill(2, length: 200)
      try front.expect(frame(2000))
    }

    @Test func frameThatNoRingHoldsIsLost() throws {
      for packed in [Feature.packed, 0] {
        let bench = try Bench("loopback", size: 8, wish: Self.base | Feature.mergeable | packed)
        try bench.front.start()
        bench.front.fill(8, length: 100)
        bench.front.transmit(frame(800))
        bench.front.transmit(frame(700))
        #expect(bench.front.receiveFrame() == frame(700))
        #expect(bench.until { $0.toDriverDrops == 1 })
      }
    }

    /// In order, one used entry tells of a whole batch of transmitted frames.
    @Test(arguments: [Feature.packed, 0])
    func transmittedFramesRetireTogether(_ packed: UInt64) throws {
      let bench = try Bench("sink", wish: Self.base | Feature.inOrder | packed)
      let front = bench.front
      try front.negotiate()
      for index in 0..<20 { front.transmit(frame(60, seed: index), parts: index % 3 + 1) }
      try front.startRing(1)
      #expect(bench.until { $0.fromDriver == 20 })
      let written = unsafe packed != 0 ? shared_load16(front.ring(1) + 16 * 1 + 14) & 0x8080 : 0
      #expect(written != 0x8080, "the second descriptor was used by itself")
      for _ in 0..<20 { #expect(front.takeUsed(1) != nil) }
    }

    @Test(arguments: sets.filter { $0 & Feature.mergeable == 0 })
    func kicksAndInterruptsAreSaved(_ wish: UInt64) throws {
      let bench = try Bench("loopback", wish: wish)
      let front = bench.front
      try front.start()
      front.rings[0].setInterrupts(false)
      // A device that sleeps is woken by a kick each time.
      for index in 0..<5 {
        try front.untilAsleep()
        front.fill(1)
        front.transmit(frame(60, seed: index))
        try front.expect(frame(60, seed: index))
        front.rings[0].setInterrupts(false)
      }
      try front.untilAsleep()
      #expect(front.rings[0].kicks + front.rings[1].kicks >= 5)
      _ = sys_eventfd_drain(front.calls[0])
      front.fill(1)
      front.transmit(frame(60))
      #expect(bench.until { $0.toDriver == 6 })
      try front.untilAsleep()
      #expect(sys_eventfd_drain(front.calls[0]) == 0)
      try front.expect(frame(60))
      front.rings[0].setInterrupts(true)
      front.fill(1)
      front.transmit(frame(60))
      #expect(bench.until { $0.toDriver == 7 })
      #expect(sys_eventfd_drain(front.calls[0]) == 1)
    }

    /// EVENT_IDX: an interrupt comes when the one asked for is passed, and not before.
    @Test(arguments: [Feature.packed, 0])
    func interruptAtAPosition(_ packed: UInt64) throws {
      let size = packed == 0 ? 16 : 13
      let bench = try Bench("loopback", size: size, wish: Self.base | Feature.eventIndex | packed)
      let front = bench.front
      try front.start()
      var place = 0
      for ahead in (0..<60).map({ $0 % 10 }) {
        let (index, lap) = ((place + ahead) % size, (place + ahead) / size)
        if packed != 0 {
          unsafe shared_store16(front.rings[0].driver, UInt16(index) | (lap % 2 == 0 ? 0x8000 : 0))
          unsafe shared_store16(front.rings[0].driver + 2, 2)
        } else {
          unsafe shared_store16(front.rings[0].driver + 4 + 2 * size, UInt16(place + ahead))
        }
        _ = sys_eventfd_drain(front.calls[0])
        for step in 0...ahead {
          front.fill(1)
          front.transmit(frame(60))
          #expect(bench.until { $0.toDriver == UInt64(place + step + 1) })
          try front.untilAsleep()
          #expect(sys_eventfd_drain(front.calls[0]) == (step == ahead ? 1 : 0), "asked \(ahead) ahead, at \(step)")
        }
        place += ahead + 1
        while front.rings[0].outstanding.count > 0 { retire(front, 0, packed) }
        while front.rings[1].outstanding.count > 0 { retire(front, 1, packed) }
      }
    }

    /// Takes a used chain without asking for anything.
    private func retire(_ front: FrontEnd, _ queue: Int, _ packed: UInt64) {
      let ring = front.rings[queue]
      let at = unsafe packed != 0 ? ring.driver : ring.driver + 4 + 2 * front.size
      let kept = unsafe shared_load32(at)
      #expect(front.takeUsed(queue) != nil)
      unsafe shared_store32(at, kept)
    }

    @Test(arguments: [Feature.packed, 0])
    func stopAndGoOnWhereItStood(_ packed: UInt64) throws {
      let bench = try Bench("loopback", size: packed == 0 ? 8 : 7, wish: Self.base | packed)
      let front = bench.front
      try front.start()
      for round in 0..<30 {
        front.fill(3)
        for index in 0..<3 { front.transmit(frame(60, seed: index + round)) }
        for index in 0..<3 { try front.expect(frame(60, seed: index + round)) }
        for _ in 0..<3 { _ = front.takeUsed(1) }
        #expect(try front.stopRing(1) == front.rings[1].position)
        #expect(try front.stopRing(0) == front.rings[0].position)
        try front.startRing(0)
        try front.startRing(1)
      }
    }

    /// DPDK's front-end leaves the used half of a packed ring's base out.
    @Test func baseWithoutItsUpperHalf() throws {
      let bench = try Bench("loopback", wish: Self.base | Feature.packed)
      let front = bench.front
      try front.start()
      try front.stopRing(0)
      #expect(try front.confirm(VhostRequest.setVringBase, FrontEnd.state(0, 0x8000)) == 0)
      #expect(try front.stopRing(0) == 0x8000_8000)
      #expect(try front.confirm(VhostRequest.setVringBase, FrontEnd.state(0, 0x8002_0003)) == 0)
      #expect(try front.stopRing(0) == 0x8002_0003)
      #expect(try front.confirm(VhostRequest.setVringBase, FrontEnd.state(0, 0x8000 | 256)) == 1)
    }

    /// DPDK's driver marks the net header in a packed ring's indirect tables so. Nowhere else is it taken.
    @Test func aTransmitTableMarkedForWriting() throws {
      for (extra, indirect, good) in [(Feature.packed, true, true), (Feature.packed, false, false), (0, true, false)] {
        let bench = try Bench("loopback", wish: FrontEnd.simple | Feature.indirect | extra)
        try bench.front.start()
        bench.front.fill(1)
        bench.front.transmit(frame(200), parts: 4, indirect: indirect, writable: true)
        if good { try bench.front.expect(frame(200)) } else { #expect(bench.front.isClosed) }
      }
    }
  }
}
