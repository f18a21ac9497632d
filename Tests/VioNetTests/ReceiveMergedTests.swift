// SPDX-License-Identifier: BSD-2-Clause
//
// Frames in several buffers (virtio 1.4, 5.1.9.4): one packet of as many segments, on every kind of ring, with one
// used entry per buffer or, with IN_ORDER, one for all.

import CLinux
import CVionet
import Linux
import Testing
import Virtio

@testable import VioNet

@Suite(.serialized) struct ReceiveMergedTests {
  /// 64 bytes of data in the first buffer, 76 in the others.
  private func bench(
    _ kind: RingKind, size: UInt16 = 128, packets: UInt32 = 1024, features: [UInt64] = []
  ) throws -> RingBench {
    try RingBench(kind, size: size, packets: packets, dataSize: 64, features: features + [Feature.mergeable])
  }

  /// Fills the buffers of one frame: all but the last completely, the last with `last` bytes.
  private func write(_ bench: RingBench, _ offers: [Offer], last: Int, first: UInt8, says: Int? = nil) -> [UInt8] {
    let header = HeaderBytes(buffers: UInt16(truncatingIfNeeded: says ?? offers.count)).bytes(12)
    let bytes = [UInt8].counting((offers.count - 1) * 76 - (offers.count == 1 ? 0 : 12) + last, from: first)
    for (place, byte) in (header + bytes).enumerated() {
      let offer = offers[min(place / 76, offers.count - 1)]
      offer.pieces[0].memory.store8(place - min(place / 76, offers.count - 1) * 76, byte)
    }
    return bytes
  }

  /// Delivers one frame in `count` buffers, as a batch if `isBatch`.
  private func deliver(_ bench: RingBench, _ count: Int, last: Int, first: UInt8, isBatch: Bool) throws -> [UInt8] {
    let offers = try bench.receiveDevice.take(count)
    let bytes = write(bench, offers, last: last, first: first)
    let length = UInt32(last + (count == 1 ? 12 : 0))
    if isBatch {
      bench.receiveDevice.use(offers, length: length)
    } else {
      for offer in offers.dropLast() { bench.receiveDevice.use(offer, length: 76) }
      bench.receiveDevice.use(offers[count - 1], length: length)
    }
    return bytes
  }

  @Test(arguments: RingKind.allCases, [1, 2, 17, 64])
  func aFrameOfManyBuffersIsOnePacket(kind: RingKind, count: Int) throws {
    for isBatch in kind.isInOrder ? [false, true] : [false] {
      let bench = try bench(kind)
      for round in 0..<40 {
        let last = round % 60 + 1
        let bytes = try deliver(bench, count, last: last + (count == 1 ? 14 : 0), first: UInt8(round), isBatch: isBatch)
        let packet = try bench.rxOne()
        guard packet.bytes == bytes, packet.segments == count, packet.totalLength == bytes.count else {
          throw Failure(EIO, "another frame came back in round ").number(round)
        }
        #expect(packet.lengths.count == count && packet.port == 7 && packet.flags == 0)
        #expect(bench.conserved(held: count))
        bench.free(packet)
      }
      #expect(bench.rx().isEmpty)
      #expect(bench.received.packets == 40 && bench.received.allDropped == 0)
      #expect(bench.receive.value.core.ring.outstanding == 128)
      #expect(bench.conserved())
    }
  }

  @Test(arguments: RingKind.allCases, [16, 7] as [UInt16])
  func framesOfAllLengthsMix(kind: RingKind, size: UInt16) throws {
    if !kind.isPacked && size != 16 { return }
    let bench = try bench(kind, size: size)
    var state: UInt32 = 1
    for round in 0..<300 {
      var frames: [[UInt8]] = []
      var room = Int(size)
      while room > 0 {
        state = state &* 1_664_525 &+ 1_013_904_223
        let count = min(room, [1, 1, 2, 5, 3][Int(state >> 24) % 5])
        let isBatch = kind.isInOrder && state >> 20 & 1 != 0
        frames.append(
          try deliver(bench, count, last: 14 + Int(state >> 16) % 50, first: UInt8(round & 255), isBatch: isBatch))
        room -= count
      }
      let packets = bench.rx()
      guard packets.map(\.bytes) == frames else { throw Failure(EIO, "other frames came back in round ").number(round) }
      bench.free(packets)
    }
    #expect(bench.received.allDropped == 0 && bench.receive.value.core.fault == .none)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func aFrameThatIsNotAllThereWaits(kind: RingKind) throws {
    let bench = try bench(kind)
    for round in 0..<30 {
      let offers = try bench.receiveDevice.take(5)
      let bytes = write(bench, offers, last: 20, first: UInt8(round))
      for (place, offer) in offers.enumerated() {
        #expect(bench.rx().isEmpty && bench.rx(1).isEmpty)
        bench.receiveDevice.use(offer, length: place == 4 ? 20 : 76)
      }
      let packet = try bench.rxOne()
      #expect(packet.bytes == bytes)
      bench.free(packet)
    }
    #expect(bench.receive.value.core.fault == .none)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.packedKinds) func theFirstDescriptorIsUsedLast(kind: RingKind) throws {
    // Until then there is nothing, however many follow (2.8.9).
    let bench = try bench(kind)
    let offers = try bench.receiveDevice.take(4)
    let bytes = write(bench, offers, last: 20, first: 3)
    var later = bench.receiveDevice
    later.used += 1
    for (place, offer) in offers.enumerated().dropFirst() { later.use(offer, length: place == 3 ? 20 : 76) }
    #expect(bench.rx().isEmpty)
    bench.receiveDevice.use(offers[0], length: 76)
    let packet = try bench.rxOne()
    #expect(packet.bytes == bytes)
    bench.free(packet)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases, [0, 17, 64, 65, 65535])
  func aWrongCountBreaksTheQueue(kind: RingKind, count: Int) throws {
    // The ring has 16 descriptors.
    let bench = try bench(kind, size: 16)
    let offers = try bench.receiveDevice.take(16)
    _ = write(bench, offers, last: 76, first: 0, says: count)
    bench.receiveDevice.use(offers[0], length: 76)
    #expect(bench.rx().isEmpty)
    #expect(bench.receive.value.core.fault == .badCount)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases, [[], [Feature.eventIndex]] as [[UInt64]])
  func aPartOfAFrameWakesNobody(kind: RingKind, features: [UInt64]) throws {
    // An odd size, where there may be one, and enough turns for several laps.
    let bench = try bench(kind, size: kind.isPacked ? 19 : 16, features: features)
    for turn in 0..<40 {
      let offers = try bench.receiveDevice.take(3)
      let bytes = write(bench, offers, last: 20, first: UInt8(turn))
      #expect(!bench.arm())
      for place in 0..<2 {
        bench.receiveDevice.use(offers[place], length: 76)
        // A program that looks finds nothing, and may sleep.
        #expect(bench.rx().isEmpty)
        #expect(!bench.arm())
      }
      bench.receiveDevice.use(offers[2], length: 20)
      #expect(bench.arm())
      let packet = try bench.rxOne()
      #expect(packet.bytes == bytes)
      bench.free(packet)
    }
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func moreThanAPacketHasSegmentsBreaksTheQueue(kind: RingKind) throws {
    let bench = try bench(kind)
    let offers = try bench.receiveDevice.take(65)
    _ = write(bench, offers, last: 76, first: 0)
    for offer in offers { bench.receiveDevice.use(offer, length: 76) }
    #expect(bench.rx().isEmpty)
    #expect(bench.receive.value.core.fault == .badCount)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases, [1, 2, 3]) func anIDTwiceInAFrameBreaksTheQueue(kind: RingKind, place: Int) throws
  {
    let bench = try bench(kind)
    let offers = try bench.receiveDevice.take(4)
    _ = write(bench, offers, last: 20, first: 0)
    for wrong in 0..<4 { bench.receiveDevice.write(offers[wrong == place ? place - 1 : wrong].id, 76) }
    #expect(bench.rx().isEmpty)
    let fault = bench.receive.value.core.fault
    #expect(fault == (kind.isInOrder ? .badID : .notOutstanding))
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases, [0, 77, 65536 + 76, UInt32.max] as [UInt32])
  func aWrongLengthInAFrameDropsAllOfIt(kind: RingKind, length: UInt32) throws {
    let bench = try bench(kind)
    for place in 1..<4 {
      let offers = try bench.receiveDevice.take(4)
      _ = write(bench, offers, last: 76, first: 0)
      for (other, offer) in offers.enumerated() { bench.receiveDevice.use(offer, length: other == place ? length : 76) }
      let good = try deliver(bench, 2, last: 5, first: 9, isBatch: false)
      let packet = try bench.rxOne()
      #expect(packet.bytes == good)
      #expect(bench.conserved(held: 2))
      bench.free(packet)
    }
    #expect(bench.received.allDropped == 3 && bench.received.packets == 3)
    #expect(bench.received.dropped(VIONET_DROP_SHORT) + bench.received.dropped(VIONET_DROP_LONG) == 3)
    #expect(bench.receive.value.core.ring.outstanding == 128)
    #expect(bench.receive.value.core.fault == .none)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases, [0, 25, 77] as [UInt32])
  func aWrongLengthOfTheFirstBufferLosesNoPacket(kind: RingKind, length: UInt32) throws {
    // What follows may be received or dropped: only the first buffer says where a frame begins.
    let bench = try bench(kind)
    let offers = try bench.receiveDevice.take(4)
    _ = write(bench, offers, last: 76, first: 0)
    for (place, offer) in offers.enumerated() { bench.receiveDevice.use(offer, length: place == 0 ? length : 76) }
    let packets = bench.rx()
    #expect(bench.received.dropped(length < 26 ? VIONET_DROP_SHORT : VIONET_DROP_LONG) == 1)
    #expect(bench.conserved(held: packets.reduce(0) { $0 + Int($1.segments) }))
    bench.free(packets)
  }

  @Test(arguments: RingKind.allCases) func anEmptyPoolLeavesDescriptorsIdle(kind: RingKind) throws {
    let bench = try bench(kind, size: 16, packets: 20)
    for _ in 0..<10 {
      var held: [Packet] = []
      while bench.receive.value.core.ring.outstanding >= 3 {
        _ = try deliver(bench, 3, last: 10, first: 1, isBatch: false)
        held.append(try bench.rxOne())
      }
      #expect(held.count == 6 && bench.conserved(held: 18))
      bench.free(held)
      #expect(bench.rx().isEmpty)
      #expect(bench.receive.value.core.ring.outstanding == 16)
    }
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func aReceivedChainCanBeSentOn(kind: RingKind) throws {
    let bench = try bench(kind)
    let bytes = try deliver(bench, 17, last: 7, first: 5, isBatch: false)
    let packet = try bench.rxOne()
    #expect(bench.tx([packet]) == 1)
    let (offer, sent) = try bench.takeSent()
    #expect(sent == [UInt8](repeating: 0, count: 12) + bytes)
    bench.transmitDevice.use(offer, length: 0)
    #expect(bench.txDone() == 17)
    #expect(bench.conserved())
  }
}
