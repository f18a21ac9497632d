// SPDX-License-Identifier: BSD-2-Clause
//
// Rows of the ring: what a burst does with several entries at once, lies at every place among them, and devices that
// keep the order for a while and then no longer.

import CLinux
import CVionet
import Linux
import Virtio
import Testing

@testable import VioNet

/// What is wrong with one entry of a row.
enum RowLie: Sendable, CaseIterable {
  case short, long, huge, lastBit
  /// Negative when the least length is taken off, or when it is taken off the span.
  var length: UInt32 {
    switch self {
    case .short: 25
    case .long: 1997
    case .huge: UInt32.max
    case .lastBit: 1 << 31 | 72
    }
  }
}

@Suite(.serialized) struct RowTests {
  @Test(arguments: RingKind.allCases, RowLie.allCases)
  func aWrongLengthAnywhereInARowIsDroppedAlone(kind: RingKind, lie: RowLie) throws {
    for size in [16, 64] as [UInt16] {
      for place in 0..<9 {
        let bench = try RingBench(kind, size: size)
        let offers = try bench.receiveDevice.take(9)
        for (n, offer) in offers.enumerated() {
          bench.write(60, first: UInt8(n), to: offer)
          bench.receiveDevice.use(offer, length: n == place ? lie.length : 72 + UInt32(n))
        }
        let packets = bench.rx()
        #expect(packets.map { $0.bytes[0] } == (0..<9).filter { $0 != place }.map { UInt8($0) })
        #expect(packets.map(\.length) == (0..<9).filter { $0 != place }.map { UInt32(60 + $0) })
        #expect(bench.received.packets == 8)
        #expect(bench.received.bytes == UInt64(9 * 60 + 36 - 60 - place))
        #expect(bench.received.allDropped == 1 && bench.receive.value.core.fault == .none)
        bench.free(packets)
        #expect(bench.conserved())
      }
    }
  }

  @Test(arguments: RingKind.allCases) func aWrongIDAnywhereInARowBreaksTheQueueThere(kind: RingKind) throws {
    for place in 0..<9 {
      let bench = try RingBench(kind)
      for (n, offer) in try bench.receiveDevice.take(9).enumerated() {
        if n == place { bench.receiveDevice.write(16, 72) } else { bench.receiveDevice.use(offer, length: 72) }
      }
      let packets = bench.rx()
      #expect(packets.count == place)
      #expect(bench.receive.value.core.fault == .badID)
      #expect(bench.conserved(held: place))
      bench.free(packets)
    }
  }

  @Test(arguments: RingKind.anyOrder, [16, 64] as [UInt16])
  func receivingGoesOnWhenADeviceLeavesTheOrder(kind: RingKind, size: UInt16) throws {
    for straight in 0..<Int(size) + 3 {
      let bench = try RingBench(kind, size: size, dataSize: 64)
      var next: UInt8 = 0
      var expected: UInt8 = 0
      for round in 0..<straight + 2 * Int(size) {
        // One at a time in order, and from then on three at a time, backwards.
        let count = round < straight ? 1 : 3
        for offer in try bench.receiveDevice.take(count).reversed() {
          bench.write(60, first: next, to: offer)
          next &+= 1
          bench.receiveDevice.use(offer, length: 72)
        }
        let packets = bench.rx()
        try #require(packets.count == count, "round \(round) after \(straight)")
        for packet in packets {
          #expect(packet.bytes[0] == expected)
          expected &+= 1
        }
        bench.free(packets)
        #expect(bench.receive.value.core.ring.isStraight == (round < straight))
      }
      #expect(bench.receive.value.core.fault == .none && bench.received.allDropped == 0)
      #expect(bench.receive.value.core.ring.outstanding == size)
      #expect(bench.conserved())
    }
  }

  @Test(arguments: RingKind.anyOrder, [[], [Feature.indirect]] as [[Int32]])
  func sendingGoesOnWhenADeviceLeavesTheOrder(kind: RingKind, features: [Int32]) throws {
    // Of a size that is no power of two where there may be one: then ids and counters do not keep step either.
    let size: UInt16 = kind.isPacked ? 13 : 16
    for straight in 0..<20 {
      let bench = try RingBench(kind, size: size, dataSize: 64, features: features)
      for round in 0..<straight + 30 {
        // Chains among them, so that descriptors and entries do not keep step.
        let lengths = [[20], [20, 20, 20], [20], [20, 20], [20]] as [[UInt32]]
        for some in lengths { #expect(bench.tx([try bench.chain(some)]) == 1) }
        let offers = try bench.transmitDevice.take(lengths.count)
        #expect(offers.map { $0.pieces.count } == lengths.map(\.count))
        for offer in round < straight ? offers : [3, 0, 4, 2, 1].map({ offers[$0] }) {
          bench.transmitDevice.use(offer, length: 0)
        }
        _ = bench.txDone()
        try #require(bench.transmit.value.core.ring.outstanding == 0, "round \(round) after \(straight)")
        #expect(bench.transmit.value.core.ring.isStraight == (round < straight))
        guard bench.conserved() else { throw Failure(EIO, "packets were lost in round ").number(round) }
      }
      #expect(bench.transmit.value.core.fault == .none)
    }
  }

  @Test(arguments: RingKind.anyOrder) func aBentRingStillKnowsWhatIsNotOutstanding(kind: RingKind) throws {
    let bench = try RingBench(kind)
    #expect(bench.tx(try bench.packets(4)) == 4)
    let offers = try bench.transmitDevice.take(4)
    bench.transmitDevice.use(offers[2], length: 0)
    #expect(bench.txDone() == 1)
    // The same once more, which is idle now.
    bench.transmitDevice.write(offers[2].id, 0)
    #expect(bench.txDone() == 0)
    #expect(bench.transmit.value.core.fault == .notOutstanding)
    #expect(bench.conserved())
  }
}
