// SPDX-License-Identifier: BSD-2-Clause
//
// Sending: what goes on the ring, what comes back, what is refused and why.

import CLinux
import CVionet
import Linux
import Testing

@testable import VioNet

@Suite(.serialized) struct TransmitTests {
  private func dropped(_ bench: RingBench, _ reason: vionet_drop) -> UInt64 {
    bench.transmit.value.core.counters.dropped[Int(reason.rawValue)]
  }

  @Test func onePacketTakesOneDescriptorWithItsHeaderInFront() throws {
    let bench = try RingBench()
    let packet = unsafe bench.packet(60)
    unsafe (packet.pointee.data - 12).initializeMemory(as: UInt8.self, repeating: 0xee, count: 12)
    unsafe bench.list[0] = packet
    let data = unsafe UInt64(UInt(bitPattern: packet.pointee.data))
    #expect(bench.tx(1) == 1)
    let id = try bench.taken()
    #expect(bench.transmitDevice.address(id) == data - 12)
    #expect(bench.transmitDevice.length(id) == 72)
    #expect(bench.transmitDevice.flags(id) == 0)
    for place in 1...12 {
      unsafe #expect((packet.pointee.data - place).load(as: UInt8.self) == 0)
    }
    #expect(bench.conserved(held: 0))
    unsafe #expect(packet.pointee.owner == Owner.ring)
    // While it is in the ring the caller cannot free it.
    unsafe PacketCalls.free(packet)
    #expect(bench.pool.value.refused == 1)
    bench.transmitDevice.use(UInt32(id), length: 0)
    // A burst of none takes back what was sent, and tells how much that was.
    #expect(bench.tx(0) == 1)
    #expect(bench.tx(0) == 0)
    #expect(bench.conserved(held: 0))
  }

  @Test func aChainIsOneBufferForTheDevice() throws {
    let bench = try RingBench()
    let head = unsafe bench.packet(100)
    let second = unsafe bench.packet(200)
    let third = unsafe bench.packet(300)
    unsafe #expect(vionet_packet_chain(head, second) == 0)
    unsafe #expect(vionet_packet_chain(head, third) == 0)
    unsafe #expect(head.pointee.total_length == 600 && head.pointee.segments == 3)
    unsafe bench.list[0] = head
    #expect(bench.tx(1) == 1)
    let first = try bench.taken()
    #expect(bench.transmitDevice.availableIndex == 1)
    #expect(bench.transmitDevice.length(first) == 112 && bench.transmitDevice.flags(first) == 1)
    let middle = bench.transmitDevice.next(first)
    #expect(bench.transmitDevice.length(middle) == 200 && bench.transmitDevice.flags(middle) == 1)
    let last = bench.transmitDevice.next(middle)
    #expect(bench.transmitDevice.length(last) == 300 && bench.transmitDevice.flags(last) == 0)
    #expect(bench.transmit.value.core.ring.idle.count == 13)
    #expect(bench.conserved(held: 0))
    // [R04] the middle of a chain is not something to give back
    bench.transmitDevice.use(UInt32(first), length: 0)
    unsafe bench.list[0] = bench.packet(60)
    for _ in 0..<16 where bench.transmit.value.core.ring.idle.count < 16 { _ = reclaimAll(bench) }
    #expect(bench.transmit.value.core.fault == .none)
    unsafe PacketCalls.free(try #require(bench.list[0]))
    #expect(bench.conserved(held: 0))
  }

  /// A burst of more than there is room for makes the queue take back all it can.
  private func reclaimAll(_ bench: RingBench) -> Int {
    unsafe bench.list[1] = nil
    let empty = bench.tx(0)
    _ = bench.transmit.value.reclaimOdd(SplitRing<AnyOrder>.self)
    return empty
  }

  @Test func theMiddleOfAChainIsNoHead() throws {
    // [R04]
    let bench = try RingBench(size: 4)
    let head = unsafe bench.packet(100)
    unsafe #expect(vionet_packet_chain(head, bench.packet(200)) == 0)
    unsafe bench.list[0] = head
    #expect(bench.tx(1) == 1)
    let first = try bench.taken()
    bench.transmitDevice.use(UInt32(bench.transmitDevice.next(first)), length: 0)
    unsafe bench.list[0] = bench.packet(60)
    unsafe bench.list[1] = bench.packet(60)
    unsafe bench.list[2] = bench.packet(60)
    _ = bench.tx(3)
    #expect(bench.transmit.value.core.fault == .notOutstanding)
  }

  @Test func aFullRingGivesTheRestBack() throws {
    let bench = try RingBench(size: 8)
    for place in 0..<12 { unsafe bench.list[place] = bench.packet(60) }
    #expect(bench.tx(12) == 8)
    #expect(bench.transmit.value.core.counters.ringFull == 4)
    for place in 8..<12 { unsafe PacketCalls.free(try #require(bench.list[place])) }
    #expect(bench.conserved(held: 0))
    // The device is done with three of them, out of order.
    for id in [5, 0, 3] { bench.transmitDevice.use(UInt32(id), length: 0) }
    for place in 0..<4 { unsafe bench.list[place] = bench.packet(60) }
    #expect(bench.tx(4) == 3)
    unsafe PacketCalls.free(try #require(bench.list[3]))
    #expect(bench.conserved(held: 0))
  }

  @Test func whatCannotBeSentIsTakenDroppedAndCounted() throws {
    let bench = try RingBench()
    let tooLong = unsafe bench.packet(1519)
    let beyond = unsafe bench.packet(60)
    unsafe beyond.pointee.headroom = 128 - 1
    unsafe beyond.pointee.data += 100_000_000
    let tooShort = unsafe bench.packet(13)
    let wishful = unsafe bench.packet(60)
    unsafe wishful.pointee.flags = 1
    let miscounted = unsafe bench.packet(60)
    unsafe miscounted.pointee.segments = 2
    let endless = unsafe bench.packet(60)
    unsafe endless.pointee.next = endless
    unsafe endless.pointee.segments = 3
    let noRoom = unsafe bench.packet(60)
    unsafe noRoom.pointee.headroom = 11
    unsafe noRoom.pointee.data -= 117
    let all = unsafe [tooLong, beyond, tooShort, wishful, miscounted, endless, noRoom]
    for (place, packet) in unsafe all.enumerated() { unsafe bench.list[place] = packet }
    unsafe bench.list[7] = nil
    #expect(bench.tx(8) == 8)
    #expect(bench.transmitDevice.availableIndex == 0)
    #expect(dropped(bench, VIONET_DROP_LONG) == 3)
    #expect(dropped(bench, VIONET_DROP_EMPTY) == 1)
    #expect(dropped(bench, VIONET_DROP_OFFLOAD) == 1)
    #expect(dropped(bench, VIONET_DROP_SEGMENTS) == 2)
    #expect(dropped(bench, VIONET_DROP_FOREIGN) == 1)
    #expect(bench.transmit.value.core.counters.packets == 0)
    #expect(bench.conserved(held: 0))
  }

  @Test func aPacketSentTwiceGoesOutOnce() throws {
    let bench = try RingBench()
    let packet = unsafe bench.packet(60)
    unsafe bench.list[0] = packet
    unsafe bench.list[1] = packet
    #expect(bench.tx(2) == 2)
    #expect(bench.transmitDevice.availableIndex == 1)
    #expect(dropped(bench, VIONET_DROP_FOREIGN) == 1)
    #expect(bench.conserved(held: 0))
  }

  @Test func aReferencedPacketOutlivesItsSending() throws {
    let bench = try RingBench()
    let packet = unsafe bench.packet(60)
    try unsafe PacketCalls.reference(packet)
    unsafe bench.list[0] = packet
    #expect(bench.tx(1) == 1)
    let id = try bench.taken()
    bench.transmitDevice.use(UInt32(id), length: 0)
    _ = bench.transmit.value.reclaimOdd(SplitRing<AnyOrder>.self)
    unsafe #expect(packet.pointee.references == 1)
    #expect(bench.conserved(held: 1))
    unsafe PacketCalls.free(packet)
    #expect(bench.conserved(held: 0))
  }

  @Test func lengthsOfUsedTransmitEntriesAreIgnored() throws {
    // [R30]
    let bench = try RingBench(size: 4)
    for _ in 0..<20 {
      unsafe bench.list[0] = bench.packet(60)
      #expect(bench.tx(1) == 1)
      let id = try bench.taken()
      bench.transmitDevice.use(UInt32(id), length: UInt32.max)
    }
    #expect(bench.transmit.value.core.fault == .none)
    #expect(bench.conserved(held: 0))
  }

  @Test(arguments: [4, 65536, UInt32.max] as [UInt32]) func aWrongIDBreaksTheQueue(id: UInt32) throws {
    let bench = try RingBench(size: 4)
    for place in 0..<4 { unsafe bench.list[place] = bench.packet(60) }
    #expect(bench.tx(4) == 4)
    bench.transmitDevice.use(id, length: 0)
    unsafe bench.list[0] = bench.packet(60)
    #expect(bench.tx(1) == 0)
    #expect(bench.transmit.value.core.fault == .badID)
    unsafe PacketCalls.free(try #require(bench.list[0]))
    #expect(bench.conserved(held: 0))
  }
}
