// SPDX-License-Identifier: BSD-2-Clause
//
// Sending, on every kind of ring: what is posted, what comes back, laps of rings and counters, what is refused and why.
// Packets of several segments are in ChainTests.swift.

import CLinux
import CVionet
import Linux
import Testing

@testable import VioNet

@Suite(.serialized) struct TransmitTests {
  @Test(arguments: RingKind.allCases) func onePacketTakesOneDescriptorWithItsHeaderInFront(kind: RingKind) throws {
    let bench = try RingBench(kind)
    let packet = try bench.packet(60, first: 9)
    for place in 1...12 { packet.setBefore(place, 0xee) }
    // The byte before the longest header stays.
    packet.setBefore(21, 0xdd)
    let data = UInt64(packet.dataAddress)
    #expect(bench.tx([packet]) == 1)
    let (offer, bytes) = try bench.takeSent()
    #expect(offer.elements.count == 1)
    #expect(offer.elements[0].address == data - 12)
    #expect((kind.isPacked ? offer.elements[0].kind : offer.elements[0].flags) == 0)
    #expect(bytes == [UInt8](repeating: 0, count: 12) + .counting(60, from: 9))
    #expect(packet.before(21) == 0xdd)
    #expect(packet.owner == Owner.ring && bench.conserved())
    // The caller cannot free it while it is in the ring.
    bench.free(packet)
    #expect(bench.pool.value.refused == 1 && packet.owner == Owner.ring)
    #expect(bench.txDone() == 0)
    bench.transmitDevice.use(offer, length: 0)
    // A burst of no packets takes back what was sent and returns how many.
    #expect(bench.txDone() == 1)
    #expect(bench.txDone() == 0)
    #expect(packet.owner == Owner.pool)
    #expect(bench.sent.packets == 1 && bench.sent.bytes == 60)
  }

  @Test(arguments: Lap.all) func everyCounterOverflowsAndNothingIsLost(lap: Lap) throws {
    let bench = try RingBench(lap.kind, size: lap.size, packets: UInt32(lap.size) + 1024, dataSize: 64)
    var burst = 1
    var done = 0
    while done < lap.buffers {
      burst = burst % 61 + 1
      let packets = try bench.packets(min(burst, Int(lap.size)), 14)
      guard bench.tx(packets) == packets.count else { throw Failure(EIO, "the ring is full after ").number(done) }
      for place in 0..<packets.count {
        let offer = try bench.transmitDevice.take(1)[0]
        guard offer.elements[0].length == 26, offer.elements[0].memory.load8(12) == UInt8(place) else {
          throw Failure(EIO, "something else was sent after ").number(done)
        }
        bench.transmitDevice.use(offer, length: 0)
      }
      done += packets.count
    }
    _ = bench.txDone()
    #expect(bench.transmit.value.core.ring.outstanding == 0)
    #expect(bench.sent.packets == done && bench.sent.bytes == 14 * done)
    #expect(bench.transmit.value.core.fault == .none)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.anyOrder) func buffersComeBackInAnyOrder(kind: RingKind) throws {
    let bench = try RingBench(kind, size: 8)
    for round in 0..<50 {
      let packets = try bench.packets(8)
      #expect(bench.tx(packets) == 8)
      let offers = try bench.transmitDevice.take(8)
      for place in 0..<8 { bench.transmitDevice.use(offers[(place * 3 + round) % 8], length: 0) }
      #expect(bench.txDone() == 8)
      #expect(bench.conserved())
    }
    #expect(bench.transmit.value.core.fault == .none)
  }

  @Test(arguments: RingKind.allCases) func aFullRingLeavesTheRestToTheCaller(kind: RingKind) throws {
    let bench = try RingBench(kind, size: 8)
    var packets = try bench.packets(12)
    #expect(bench.tx(packets) == 8)
    #expect(bench.sent.ringFull == 4)
    bench.free(Array(packets[8...]))
    #expect(bench.conserved())
    #expect(bench.tx([]) == 0)
    // The device has sent three of them, and later all.
    let offers = try bench.transmitDevice.take(8)
    for offer in offers[..<3] { bench.transmitDevice.use(offer, length: 0) }
    packets = try bench.packets(4)
    #expect(bench.tx(packets) == 3)
    bench.free(packets[3])
    for offer in offers[3...] { bench.transmitDevice.use(offer, length: 0) }
    for offer in try bench.transmitDevice.take(3) { bench.transmitDevice.use(offer, length: 0) }
    #expect(bench.txDone() == 8)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func whatCannotBeSentIsTakenDroppedAndCounted(kind: RingKind) throws {
    let bench = try RingBench(kind)
    let packets = try bench.packets(6)
    let tooLong = try bench.packet(1519)
    let tooShort = try bench.packet(13)
    packets[0].set { beyond in
      beyond.headroom = 128 - 1
      unsafe beyond.data += 100_000_000
    }
    packets[1].set { asking in asking.flags = 1 }
    packets[2].set { miscounted in miscounted.segments = 2 }
    packets[3].set { endless in
      unsafe endless.next = packets[3].pointer
      endless.segments = 3
    }
    packets[4].set { noRoom in
      noRoom.headroom = 11
      unsafe noRoom.data -= 117
    }
    packets[5].set { uncounted in uncounted.segments = 0 }
    #expect(bench.tx(packets + [tooLong, tooShort, nil]) == 9)
    #expect(bench.transmitDevice.take() == nil)
    #expect(bench.sent.dropped(VIONET_DROP_LONG) == 3)
    #expect(bench.sent.dropped(VIONET_DROP_EMPTY) == 1)
    #expect(bench.sent.dropped(VIONET_DROP_OFFLOAD) == 1)
    #expect(bench.sent.dropped(VIONET_DROP_SEGMENTS) == 3)
    #expect(bench.sent.dropped(VIONET_DROP_FOREIGN) == 1)
    #expect(bench.sent.packets == 0 && bench.sent.ringFull == 0)
    // The endless chain is freed once.
    #expect(bench.conserved(refused: 1))
  }

  @Test(arguments: RingKind.allCases) func aPacketSentTwiceGoesOutOnce(kind: RingKind) throws {
    let bench = try RingBench(kind)
    let packet = try bench.packet(60)
    #expect(bench.tx([packet, packet]) == 2)
    #expect(try bench.transmitDevice.take(1).count == 1)
    #expect(bench.transmitDevice.take() == nil)
    #expect(bench.sent.dropped(VIONET_DROP_FOREIGN) == 1)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func aReferencedPacketOutlivesItsSending(kind: RingKind) throws {
    let bench = try RingBench(kind)
    let packet = try bench.packet(60)
    try unsafe PacketCalls.reference(packet.pointer)
    #expect(bench.tx([packet]) == 1)
    bench.transmitDevice.use(try bench.transmitDevice.take(1)[0], length: 0)
    #expect(bench.txDone() == 1)
    #expect(packet.references == 1 && packet.owner == Owner.caller)
    #expect(bench.conserved(held: 1))
    bench.free(packet)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func lengthsOfUsedTransmitEntriesAreIgnored(kind: RingKind) throws {
    let bench = try RingBench(kind, size: 4)
    for _ in 0..<20 {
      #expect(bench.tx([try bench.packet(60)]) == 1)
      bench.transmitDevice.use(try bench.transmitDevice.take(1)[0], length: UInt32.max)
    }
    #expect(bench.transmit.value.core.fault == .none)
    #expect(bench.conserved())
  }

  @Test(arguments: [4, 5, 65535, 65536, 65540, UInt32.max] as [UInt32], [RingKind.split, .packed, .packedInOrder])
  func anIDBeyondTheRingBreaksTheQueue(id: UInt32, kind: RingKind) throws {
    // A packed ring's id has 16 bits. A split ring with IN_ORDER does not read ids: the index says everything.
    if kind.isPacked && id > 65535 { return }
    let bench = try RingBench(kind, size: 4)
    #expect(bench.tx(try bench.packets(4)) == 4)
    bench.transmitDevice.write(id, 0)
    let packet = try bench.packet(60)
    #expect(bench.tx([packet]) == 0)
    #expect(bench.transmit.value.core.fault == .badID && bench.transmit.value.core.faultIsUnreported)
    #expect(bench.tx([packet]) == 0)
    #expect(bench.conserved(held: 1))
    bench.transmit.value.takeBack()
    #expect(bench.sent.dropped(VIONET_DROP_STOPPED) == 4)
    bench.free(packet)
    #expect(bench.conserved())
  }

  @Test(arguments: [RingKind.split, .packed, .packedInOrder]) func theSameIDTwiceBreaksTheQueue(kind: RingKind) throws {
    let bench = try RingBench(kind, size: 8)
    #expect(bench.tx(try bench.packets(5)) == 5)
    let offers = try bench.transmitDevice.take(5)
    bench.transmitDevice.use(offers[0], length: 0)
    bench.transmitDevice.use(offers[0], length: 0)
    #expect(bench.txDone() == 1)
    #expect(bench.transmit.value.core.fault == (kind.isInOrder ? .badID : .notOutstanding))
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.splitKinds, [4, 5, 1000, 32768, 65535] as [UInt16])
  func anIndexThatJumpsBreaksTheQueue(kind: RingKind, jump: UInt16) throws {
    for start in [0, 65532] as [UInt16] {
      let bench = try RingBench(kind, start: start)
      #expect(bench.tx(try bench.packets(3)) == 3)
      bench.transmitDevice.ring.used.store16Release(2, start &+ jump)
      #expect(bench.txDone() == 0)
      #expect(bench.transmit.value.core.fault == .indexJump)
      #expect(bench.conserved())
    }
  }

  @Test(arguments: RingKind.allCases) func aStopTakesBackWhatWasNotSent(kind: RingKind) throws {
    let bench = try RingBench(kind)
    #expect(bench.tx(try bench.packets(9)) == 9)
    for offer in try bench.transmitDevice.take(4) { bench.transmitDevice.use(offer, length: 0) }
    reclaimSent(bench.transmit)
    bench.transmit.value.takeBack()
    #expect(bench.sent.dropped(VIONET_DROP_STOPPED) == 5)
    #expect((0..<16).allSatisfy { bench.transmit.value.core.slots[uncheckedTagged: $0] == 0 })
    #expect(bench.conserved())
  }
}
