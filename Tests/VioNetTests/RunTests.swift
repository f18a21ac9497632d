// SPDX-License-Identifier: BSD-2-Clause
//
// Runs: what a burst does with several entries at once, invalid ones at every place among them, and devices that leave
// ring order after a while.

import CLinux
import CVionet
import Linux
import Testing
import Virtio

@testable import VioNet

/// An invalid length in one entry of a run.
enum WrongLength: Sendable, CaseIterable {
  case short, long, huge, lastBit
  /// The difference to the least length, or to the span, is negative.
  var length: UInt32 {
    switch self {
    case .short: 25
    case .long: 1997
    case .huge: UInt32.max
    case .lastBit: 1 << 31 | 72
    }
  }
}

@Suite(.serialized) struct RunTests {
  @Test(arguments: RingKind.allCases, WrongLength.allCases)
  func aWrongLengthAnywhereInARunIsDroppedAlone(kind: RingKind, wrong: WrongLength) throws {
    for size in [16, 64] as [UInt16] {
      for place in 0..<9 {
        let bench = try RingBench(kind, size: size)
        let offers = try bench.receiveDevice.take(9)
        for (n, offer) in offers.enumerated() {
          bench.write(60, first: UInt8(n), to: offer)
          bench.receiveDevice.use(offer, length: n == place ? wrong.length : 72 + UInt32(n))
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

  @Test(arguments: RingKind.allCases) func aWrongIDAnywhereInARunBreaksTheQueueThere(kind: RingKind) throws {
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
  func receivingGoesOnWhenADeviceLeavesRingOrder(kind: RingKind, size: UInt16) throws {
    for ordered in 0..<Int(size) + 3 {
      let bench = try RingBench(kind, size: size, dataSize: 64)
      var next: UInt8 = 0
      var expected: UInt8 = 0
      for round in 0..<ordered + 2 * Int(size) {
        // One at a time in order, and from then on three at a time in reverse.
        let count = round < ordered ? 1 : 3
        for offer in try bench.receiveDevice.take(count).reversed() {
          bench.write(60, first: next, to: offer)
          next &+= 1
          bench.receiveDevice.use(offer, length: 72)
        }
        let packets = bench.rx()
        try #require(packets.count == count, "round \(round) after \(ordered)")
        for packet in packets {
          #expect(packet.bytes[0] == expected)
          expected &+= 1
        }
        bench.free(packets)
        #expect(bench.receive.value.core.ring.isInRingOrder == (round < ordered))
      }
      #expect(bench.receive.value.core.fault == .none && bench.received.allDropped == 0)
      #expect(bench.receive.value.core.ring.outstanding == size)
      #expect(bench.conserved())
    }
  }

  @Test(arguments: RingKind.anyOrder, [[], [Feature.indirect]] as [[UInt64]])
  func sendingGoesOnWhenADeviceLeavesRingOrder(kind: RingKind, features: [UInt64]) throws {
    // A size that is no power of two, where one is allowed: then ids and counters differ too.
    let size: UInt16 = kind.isPacked ? 13 : 16
    for ordered in 0..<20 {
      let bench = try RingBench(kind, size: size, dataSize: 64, features: features)
      for round in 0..<ordered + 30 {
        // Chains among them, so that counts of descriptors and of entries differ.
        let lengths = [[20], [20, 20, 20], [20], [20, 20], [20]] as [[UInt32]]
        for some in lengths { #expect(bench.tx([try bench.chain(some)]) == 1) }
        let offers = try bench.transmitDevice.take(lengths.count)
        #expect(offers.map { $0.pieces.count } == lengths.map(\.count))
        for offer in round < ordered ? offers : [3, 0, 4, 2, 1].map({ offers[$0] }) {
          bench.transmitDevice.use(offer, length: 0)
        }
        _ = bench.txDone()
        try #require(bench.transmit.value.core.ring.outstanding == 0, "round \(round) after \(ordered)")
        #expect(bench.transmit.value.core.ring.isInRingOrder == (round < ordered))
        guard bench.conserved() else { throw Failure(EIO, "packets were lost in round ").number(round) }
      }
      #expect(bench.transmit.value.core.fault == .none)
    }
  }

  @Test(arguments: RingKind.anyOrder) func aRingOutOfOrderStillKnowsWhatIsNotOutstanding(kind: RingKind) throws {
    let bench = try RingBench(kind)
    #expect(bench.tx(try bench.packets(4)) == 4)
    let offers = try bench.transmitDevice.take(4)
    bench.transmitDevice.use(offers[2], length: 0)
    #expect(bench.txDone() == 1)
    // The device uses the same descriptor again, which is idle now.
    bench.transmitDevice.write(offers[2].id, 0)
    #expect(bench.txDone() == 0)
    #expect(bench.transmit.value.core.fault == .notOutstanding)
    #expect(bench.conserved())
  }
}
