// SPDX-License-Identifier: BSD-2-Clause
//
// Packets that the device has not sent when it goes: they are taken out of the ring in the order in which they were sent,
// whatever the ring's size and wherever in a lap that happens.

import CLinux
import CVionet
import Linux
import Testing

@testable import VioNet

/// A kind of ring and a size that it may have.
struct SizedRing: Sendable {
  let kind: RingKind
  let size: UInt16
  static let all: [SizedRing] = RingKind.allCases.flatMap { kind in
    let sizes: [UInt16] = kind.isPacked ? [2, 3, 5, 8, 13, 16] : [2, 8, 16]
    return sizes.map { SizedRing(kind: kind, size: $0) }
  }
}

@Suite(.serialized) struct UnsentTests {
  @Test(arguments: SizedRing.all, [false, true])
  func theOldestComesFirst(ring: SizedRing, leavesOrder: Bool) throws {
    if leavesOrder && (ring.kind.isInOrder || ring.size < 3) { return }
    let size = Int(ring.size)
    for sentBefore in 0...2 * size + 1 {
      let bench = try RingBench(ring.kind, size: ring.size)
      for _ in 0..<sentBefore { try send(1, bench) }
      if leavesOrder { try send(2, bench, reversed: true) }
      let packets = try bench.packets(size)
      #expect(bench.tx(packets) == size)
      let table = try #require(PacketTable(count: size))
      #expect(bench.transmit.value.takeUnsent(into: table) == size)
      let order = (0..<size).map { place in
        packets.firstIndex { unsafe $0.pointer == table[unchecked: place]?.pointer }
      }
      #expect(order == Array(0..<size), "after \(sentBefore)")
      for packet in packets where packet.returnToCaller() { bench.free(packet) }
      table.destroy()
    }
  }

  @Test(arguments: SizedRing.all) func theOldestComesFirstAlsoIfOrderIsLeftWithPacketsUnderWay(ring: SizedRing) throws {
    if ring.kind.isInOrder || ring.size < 5 { return }
    let size = Int(ring.size)
    for sentBefore in 0...2 * size + 1 {
      let bench = try RingBench(ring.kind, size: ring.size)
      for _ in 0..<sentBefore { try send(1, bench) }
      let packets = try bench.packets(size - 1)
      #expect(bench.tx(packets) == size - 1)
      // The second of them is sent before the first.
      let offers = try bench.transmitDevice.take(2)
      bench.transmitDevice.use(offers[1], length: 0)
      #expect(bench.txDone() == 1)
      let table = try #require(PacketTable(count: size))
      #expect(bench.transmit.value.takeUnsent(into: table) == size - 2)
      let left = [packets[0]] + packets[2...]
      for place in 0..<size - 2 {
        unsafe #expect(table[unchecked: place]?.pointer == left[place].pointer, "after \(sentBefore)")
      }
      for packet in left where packet.returnToCaller() { bench.free(packet) }
      table.destroy()
    }
  }

  /// Sends that many packets, which the device uses at once.
  private func send(_ count: Int, _ bench: RingBench, reversed: Bool = false) throws {
    #expect(bench.tx(try bench.packets(count)) == count)
    let offers = try bench.transmitDevice.take(count)
    for offer in reversed ? offers.reversed() : offers { bench.transmitDevice.use(offer, length: 0) }
    #expect(bench.txDone() == count)
  }
}
