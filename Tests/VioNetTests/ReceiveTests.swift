// SPDX-License-Identifier: BSD-2-Clause
//
// Receiving from a well-behaved device, on every kind of ring: what arrives, what goes back, laps of rings and
// counters, an empty pool, a stop. Hostile devices are in ReceiveHostileTests.swift.

import CLinux
import CVionet
import Linux
import Testing
import Virtio

@testable import VioNet

/// A ring, and buffers enough for every counter in it to overflow.
struct Lap: Sendable {
  let kind: RingKind
  let size: UInt16
  let buffers: Int
  /// Packed rings have any size.
  static let all: [Lap] =
    [2, 256, 32768].flatMap { size in RingKind.allCases.map { Lap(kind: $0, size: size, buffers: 70000) } }
    + [7, 255].flatMap { size in
      RingKind.packedKinds.map { Lap(kind: $0, size: size, buffers: 70000) }
    }
}

@Suite(.serialized) struct ReceiveTests {
  @Test(arguments: RingKind.allCases) func aFrameArrivesAndItsDescriptorGoesBack(kind: RingKind) throws {
    let bench = try RingBench(kind)
    let offers = try bench.receiveDevice.take(16)
    #expect(bench.receiveDevice.take() == nil)
    #expect(Set(offers.map(\.id)).count == 16)
    for offer in offers {
      #expect(offer.elements.count == 1 && offer.elements[0].length == 1984 + 12)
      #expect((kind.isPacked ? offer.elements[0].kind : offer.elements[0].flags) == Element.write)
    }
    bench.write(60, first: 40, to: offers[0])
    bench.receiveDevice.use(offers[0], length: 12 + 60)
    let packet = try bench.rxOne()
    #expect(packet.bytes == .counting(60, from: 40))
    #expect(packet.totalLength == 60 && packet.segments == 1 && packet.next == nil && packet.port == 7)
    #expect(packet.flags == 0 && packet.owner == Owner.caller)
    let again = try bench.receiveDevice.take(1)[0]
    #expect(again.id == offers[0].id && again.elements[0].address != offers[0].elements[0].address)
    #expect(bench.receiveDevice.take() == nil)
    #expect(bench.received.packets == 1 && bench.received.bytes == 60)
    #expect(bench.conserved(held: 1))
    bench.free(packet)
    #expect(bench.conserved())
  }

  @Test(arguments: Lap.all) func everyCounterOverflowsAndNothingIsLost(lap: Lap) throws {
    let bench = try RingBench(lap.kind, size: lap.size, packets: UInt32(lap.size) + 1024, dataSize: 64)
    var next: UInt8 = 0
    var expected: UInt8 = 0
    var done = 0
    var burst = 1
    while done < lap.buffers {
      // Bursts of all lengths up to 61, so that laps end in the middle of some.
      burst = burst % 61 + 1
      let offers = try bench.receiveDevice.take(min(burst, Int(lap.size)))
      for offer in offers {
        offer.pieces[0].memory.store8(12, next)
        next &+= 1
        bench.receiveDevice.use(offer, length: 12 + 60)
      }
      let packets = bench.rx(64)
      guard packets.count == offers.count else { throw Failure(EIO, "a burst of ").number(packets.count) }
      for packet in packets {
        guard unsafe packet.pointer.pointee.data.load(as: UInt8.self) == expected else {
          throw Failure(EIO, "out of order after ").number(done)
        }
        expected &+= 1
        bench.free(packet)
      }
      done += packets.count
    }
    #expect(bench.received.packets == done)
    #expect(bench.receive.value.core.fault == .none)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.anyOrder) func buffersComeBackInAnyOrder(kind: RingKind) throws {
    let bench = try RingBench(kind, size: 8)
    for round in 0..<50 {
      let offers = try bench.receiveDevice.take(8)
      let turn = round % 8
      let mixed = (0..<8).map { offers[($0 * 3 + turn) % 8] }
      for (place, offer) in mixed.enumerated() {
        bench.write(60, first: UInt8(place), to: offer)
        bench.receiveDevice.use(offer, length: 72)
      }
      let packets = bench.rx()
      #expect(packets.map(\.bytes) == (0..<8).map { .counting(60, from: $0) })
      bench.free(packets)
    }
    #expect(bench.received.packets == 400)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func aSmallBurstLeavesTheRestForTheNext(kind: RingKind) throws {
    let bench = try RingBench(kind)
    for place in 0..<10 { try bench.deliver(60, first: UInt8(place)) }
    var firsts: [UInt8] = []
    for count in [0, 1, 3, 4, 9] as [UInt16] {
      let packets = bench.rx(count)
      #expect(packets.count == min(Int(count), 10 - firsts.count))
      firsts += packets.map { $0.bytes[0] }
      bench.free(packets)
    }
    #expect(firsts == Array(0..<10))
    #expect(bench.conserved())
  }

  /// Whatever callers wrote into packets is gone when they are received again, in runs and one by one, with and without a
  /// look at the header.
  @Test(arguments: RingKind.allCases, [0, Feature.mergeable])
  func packetsAreReceivedAsNew(kind: RingKind, feature: UInt64) throws {
    let bench = try RingBench(kind, packets: 32, features: [feature])
    for round in 0..<40 {
      let count = [1, 4, 6, 9][round % 4]
      for _ in 0..<count { try bench.deliver(60) }
      let packets = bench.rx()
      #expect(packets.count == count)
      for packet in packets {
        let fields = unsafe packet.pointer.pointee
        unsafe #expect(fields.data == UnsafeMutableRawPointer(bitPattern: PoolView(bench.pool).data(packet)))
        unsafe #expect(fields.next == nil && fields.length == 60 && fields.total_length == 60 && fields.flags == 0)
        #expect(fields.hash == 0 && fields.port == 7 && fields.segments == 1 && fields.references == 1)
        #expect(fields.pool == UInt8(bench.number) && fields.owner == Owner.caller && packet.offloads.bits == 0)
        #expect(fields.reserved == 0 && fields.size == 2112 && fields.vlan == 0 && fields.headroom == 128)
        packet.set { packet in
          unsafe packet.data += 4000
          packet.length = 99999
          packet.total_length = 1
          packet.flags = UInt32.max
          packet.hash = 3
          packet.port = 9
          packet.segments = 77
          packet.checksum_start = 5
          packet.segment_size = 6
          packet.reserved = UInt64.max
          packet.size = 1
          packet.vlan = 8
          packet.headroom = 0
        }
      }
      bench.free(packets)
    }
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func aBurstOfAWholeLargeRingIsNoShortageOfPackets(kind: RingKind) throws {
    // More than a queue's cache holds at once.
    let bench = try RingBench(kind, size: 2048, packets: 8192, dataSize: 64)
    for _ in 0..<2048 { try bench.deliver(14) }
    let packets = bench.rx(2048)
    #expect(packets.count == 2048)
    #expect(bench.received.noBuffer == 0)
    #expect(bench.receive.value.core.ring.outstanding == 2048)
    bench.free(packets)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func anEmptyPoolLeavesDescriptorsIdleAndRecoversByItself(kind: RingKind) throws {
    let bench = try RingBench(kind, size: 16, packets: 20)
    for _ in 0..<3 {
      let before = bench.received
      var held: [Packet] = []
      while let offer = bench.receiveDevice.take() {
        bench.write(60, first: UInt8(held.count), to: offer)
        bench.receiveDevice.use(offer, length: 72)
        held += bench.rx()
      }
      #expect(held.map { $0.bytes[0] } == Array(0..<20))
      #expect(bench.received.noBuffer - before.noBuffer == 16)
      #expect(bench.receive.value.core.ring.outstanding == 0)
      #expect(bench.conserved(held: 20))
      #expect(bench.rx().isEmpty)
      // Some come back, then all.
      bench.free(Array(held[0..<5]))
      #expect(bench.rx().isEmpty)
      #expect(bench.receive.value.core.ring.outstanding == 5)
      bench.free(Array(held[5...]))
      #expect(bench.rx().isEmpty)
      #expect(bench.receive.value.core.ring.outstanding == 16)
      #expect(bench.conserved())
    }
  }

  @Test(arguments: RingKind.allCases) func aStopTakesEverythingBackAndCountsUnfetchedFrames(kind: RingKind) throws {
    for unfetched in [0, 1, 5, 16] {
      let bench = try RingBench(kind)
      for _ in 0..<7 { try bench.deliver() }
      let held = bench.rx(3)
      for _ in 0..<4 { bench.free(bench.rx(1)) }
      for _ in 0..<unfetched { try bench.deliver() }
      bench.receive.value.takeBack()
      #expect(bench.received.dropped(VIONET_DROP_STOPPED) == UInt64(unfetched))
      #expect((0..<16).allSatisfy { bench.receive.value.core.slots[unchecked: $0] == nil })
      #expect(bench.conserved(held: 3))
      bench.free(held)
      #expect(bench.conserved())
    }
  }
}
