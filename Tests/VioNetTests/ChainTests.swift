// SPDX-License-Identifier: BSD-2-Clause
//
// Sending packets of several segments, on every kind of ring: chains of descriptors in the ring and tables outside it,
// how they come back, and ids that name no head.

import CLinux
import CVionet
import Linux
import Testing
import Virtio

@testable import VioNet

@Suite(.serialized) struct ChainTests {
  private static let indirect: [UInt64] = [Feature.indirect]

  @Test(arguments: RingKind.allCases) func aChainIsOneBufferForTheDevice(kind: RingKind) throws {
    let bench = try RingBench(kind, size: 8)
    // Three do not divide the size, so that some chains wrap around the end of the ring.
    for round in 0..<30 {
      #expect(bench.tx([try bench.chain([100, 200, 300])]) == 1)
      #expect(bench.transmit.value.core.ring.outstanding == 3 && bench.conserved())
      let (offer, bytes) = try bench.takeSent()
      #expect(bench.transmitDevice.take() == nil)
      #expect(offer.elements.map(\.length) == [112, 200, 300])
      #expect(offer.elements.map { kind.isPacked ? $0.kind : $0.flags } == [1, 1, 0])
      #expect(bytes == [UInt8](repeating: 0, count: 12) + .counting(600))
      if kind.isInOrder { #expect(Int(offer.id) == round * 3 % 8) }
      if kind == .splitInOrder {
        // With IN_ORDER descriptors follow one another (2.7.5.2).
        let places = [Int(offer.id), Int(offer.elements[0].nextOrID), Int(offer.elements[1].nextOrID)]
        #expect(places == [places[0], (places[0] + 1) % 8, (places[0] + 2) % 8])
      }
      bench.transmitDevice.use(offer, length: 0)
      #expect(bench.txDone() == 3)
    }
    #expect(bench.sent.packets == 30 && bench.sent.bytes == 30 * 600)
    #expect(bench.conserved())
  }

  /// Sends packets of 1 to 64 segments, which the device uses in order or in reverse.
  private func mix(_ kind: RingKind, _ size: UInt16, _ features: [UInt64]) throws {
    let bench = try RingBench(kind, size: size, packets: 512, dataSize: 64, features: features, longest: 4096)
    var state: UInt32 = 3
    for round in 0..<300 {
      var expected: [[UInt8]] = []
      var packets: [Packet] = []
      var room = Int(size)
      while true {
        state = state &* 1_664_525 &+ 1_013_904_223
        let segments = [1, 1, 2, 3, 8, 9, 17, 64][Int(state >> 24) % 8]
        if segments > room { break }
        room -= segments
        packets.append(try bench.chain((0..<segments).map { 14 + UInt32(($0 + round) % 50) }))
        expected.append([UInt8](repeating: 0, count: 12) + packets[packets.count - 1].bytes)
      }
      try #require(bench.tx(packets) == packets.count)
      var offers: [Offer] = []
      for bytes in expected {
        let (offer, sent) = try bench.takeSent()
        guard sent == bytes else { throw Failure(EIO, "another packet went out in round ").number(round) }
        offers.append(offer)
      }
      if !kind.isInOrder && round & 1 != 0 { offers.reverse() }
      for offer in offers { bench.transmitDevice.use(offer, length: 0) }
      #expect(bench.txDone() == offers.reduce(0) { $0 + $1.elements.count })
      guard bench.conserved() else { throw Failure(EIO, "packets were lost in round ").number(round) }
    }
    #expect(bench.transmit.value.core.fault == .none && bench.sent.allDropped == 0)
  }

  @Test(arguments: RingKind.allCases) func chainsOfAllLengthsMix(kind: RingKind) throws {
    try mix(kind, kind.isPacked ? 101 : 128, [])
  }

  @Test(arguments: RingKind.allCases) func chainsAndTablesMix(kind: RingKind) throws {
    // Each list is of one kind, and both kinds are in one ring (2.8.5).
    try mix(kind, kind.isPacked ? 101 : 128, ChainTests.indirect)
  }

  @Test(arguments: RingKind.allCases) func twoToEightSegmentsTakeATable(kind: RingKind) throws {
    let bench = try RingBench(kind, size: 4, features: ChainTests.indirect)
    for segments in [2, 3, 4] {
      let lengths = (0..<segments).map { 20 + UInt32($0) }
      let packet = try bench.chain(lengths)
      let bytes = packet.bytes
      #expect(bench.tx([packet]) == 1)
      #expect(bench.transmit.value.core.ring.outstanding == 1 && bench.conserved())
      let (offer, sent) = try bench.takeSent()
      #expect(sent == [UInt8](repeating: 0, count: 12) + bytes)
      #expect(offer.elements.count == 1 && offer.elements[0].length == 16 * UInt32(segments))
      #expect((kind.isPacked ? offer.elements[0].kind : offer.elements[0].flags) == Element.indirect)
      #expect(offer.table.map(\.length) == [32] + lengths.dropFirst())
      // A split ring's table is a chain; a packed one's is read in order and has no flags (2.7.5.3.1 and 2.8.19).
      let last = segments - 1
      #expect(offer.table.map(\.flags) == (0..<segments).map { kind.isPacked || $0 == last ? 0 : Element.next })
      if !kind.isPacked { #expect(offer.table.dropLast().map(\.nextOrID) == (1..<segments).map { UInt16($0) }) }
      bench.transmitDevice.use(offer, length: 0)
      #expect(bench.txDone() == 1)
      #expect(bench.conserved())
    }
  }

  @Test(arguments: RingKind.allCases) func aTableIsForUpToEightSegments(kind: RingKind) throws {
    for (segments, isIndirect) in [(1, false), (2, true), (8, true), (9, false), (64, false)] {
      let bench = try RingBench(kind, size: 64, features: ChainTests.indirect)
      #expect(bench.tx([try bench.chain([UInt32](repeating: 20, count: segments))]) == 1)
      let (offer, sent) = try bench.takeSent()
      #expect(sent.count == 12 + 20 * segments)
      #expect(offer.table.isEmpty == !isIndirect)
      #expect(offer.elements.count == (isIndirect ? 1 : segments))
      bench.transmitDevice.use(offer, length: 0)
      #expect(bench.txDone() == (isIndirect ? 1 : segments))
      #expect(bench.conserved())
    }
  }

  @Test(arguments: RingKind.allCases) func aTableThatTheDeviceOverwroteChangesNothing(kind: RingKind) throws {
    let bench = try RingBench(kind, features: ChainTests.indirect)
    for _ in 0..<40 {
      #expect(bench.tx([try bench.chain([60, 60, 60])]) == 1)
      let offer = try bench.transmitDevice.take(1)[0]
      let table = offer.elements[0].memory
      for place in 0..<16 { table.store64(place * 8, UInt64.max) }
      bench.transmitDevice.use(offer, length: 0)
      #expect(bench.txDone() == 1)
    }
    #expect(bench.transmit.value.core.fault == .none)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func whatHasNoRoomIsNotBegun(kind: RingKind) throws {
    // No part of a list is visible before there is room for all of it (2.8.17).
    let bench = try RingBench(kind, size: 8)
    #expect(bench.tx(try bench.packets(5)) == 5)
    let offers = try bench.transmitDevice.take(5)
    let chain = try bench.chain([20, 30, 40, 50])
    for _ in 0..<3 {
      #expect(bench.tx([chain]) == 0)
      #expect(bench.transmitDevice.take() == nil)
      #expect(bench.transmit.value.core.ring.idle.count == 3)
      #expect(chain.owner == Owner.caller && bench.conserved(held: 4))
    }
    // It is the same packet each time.
    #expect(bench.sent.ringFull == 1)
    bench.transmitDevice.use(offers[0], length: 0)
    #expect(bench.tx([chain]) == 1)
    #expect(try bench.takeSent().1.count == 12 + 140)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases, [[], [Feature.indirect]] as [[UInt64]])
  func moreThanTheRingIsNotSent(kind: RingKind, features: [UInt64]) throws {
    // 2.7.5.3.1, 2.8.17: a table counts like a chain.
    let bench = try RingBench(kind, size: 4, features: features)
    let most = try bench.chain([20, 20, 20, 20])
    let tooMany = try bench.chain([20, 20, 20, 20, 20])
    let miscounted = try bench.chain([20, 20])
    miscounted.set { packet in packet.segments = 65 }
    #expect(bench.tx([tooMany, miscounted, most]) == 3)
    #expect(bench.sent.dropped(VIONET_DROP_SEGMENTS) == 2 && bench.sent.packets == 1)
    #expect(try bench.takeSent().1.count == 12 + 80)
    #expect(bench.transmitDevice.take() == nil)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func aSegmentThatCannotBeSentDropsAllOfThem(kind: RingKind) throws {
    let bench = try RingBench(kind, longest: 1514)
    let empty = try bench.chain([20, 0, 20])
    let beyond = try bench.chain([20, 20, 20])
    beyond.next?.set { packet in unsafe packet.data += 100_000 }
    let long = try bench.chain([1000, 500, 15])
    let short = try bench.chain([6, 7])
    let freed = try bench.chain([20, 20])
    if let second = freed.next { bench.free(second) }
    #expect(bench.tx([empty, beyond, long, short, freed]) == 5)
    #expect(bench.transmitDevice.take() == nil)
    #expect(bench.sent.dropped(VIONET_DROP_EMPTY) == 2)
    #expect(bench.sent.dropped(VIONET_DROP_LONG) == 2)
    #expect(bench.sent.dropped(VIONET_DROP_FOREIGN) == 1)
    // The segment that was free already cannot be freed again.
    #expect(bench.conserved(refused: 1))
  }

  @Test(arguments: RingKind.anyOrder) func onlyAHeadIsAHead(kind: RingKind) throws {
    // Ids of the middle and the tail of a chain, and of places in a table.
    for (features, ids) in [([], [1, 2, 3]), (ChainTests.indirect, [1, 2, 7])] as [([UInt64], [UInt32])] {
      for id in ids {
        let bench = try RingBench(kind, size: 8, features: features)
        #expect(bench.tx([try bench.chain([20, 20, 20])]) == 1)
        #expect(try bench.transmitDevice.take(1)[0].id == 0)
        bench.transmitDevice.write(id, 0)
        #expect(bench.txDone() == 0)
        #expect(bench.transmit.value.core.fault == .notOutstanding)
        #expect(bench.conserved())
        bench.transmit.value.takeBack()
        #expect(bench.sent.dropped(VIONET_DROP_STOPPED) == 1)
        #expect(bench.conserved())
      }
    }
  }

  @Test(arguments: RingKind.allCases, [[], [Feature.indirect]] as [[UInt64]])
  func aStopTakesChainsBack(kind: RingKind, features: [UInt64]) throws {
    let bench = try RingBench(kind, features: features)
    #expect(bench.tx([try bench.chain([20, 20, 20]), try bench.packet(60), try bench.chain([20, 20])]) == 3)
    bench.transmit.value.takeBack()
    #expect(bench.sent.dropped(VIONET_DROP_STOPPED) == 3)
    #expect(bench.conserved())
    #expect(bench.pool.value.freeCount + bench.receive.value.cache.count + bench.transmit.value.cache.count == 240)
  }

  @Test(arguments: RingKind.allCases, [[], [Feature.indirect]] as [[UInt64]])
  func aSharedTailGoesOutWithSeveralHeads(kind: RingKind, features: [UInt64]) throws {
    let bench = try RingBench(kind, features: features)
    let tail = try bench.packet(50, first: 77)
    let heads = try bench.packets(3, 30)
    for head in heads {
      unsafe _ = vionet_packet_chain(head.pointer, tail.pointer)
      try unsafe PacketCalls.reference(tail.pointer)
    }
    #expect(bench.tx(heads) == 3)
    for place in 0..<3 {
      let (offer, bytes) = try bench.takeSent()
      #expect(Array(bytes[12...]) == .counting(30, from: UInt8(place)) + .counting(50, from: 77))
      bench.transmitDevice.use(offer, length: 0)
    }
    _ = bench.txDone()
    #expect(tail.owner == Owner.caller && tail.references == 1)
    bench.free(tail)
    #expect(bench.conserved())
  }
}
