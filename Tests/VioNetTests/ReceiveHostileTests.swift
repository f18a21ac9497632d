// SPDX-License-Identifier: BSD-2-Clause
//
// Receiving from a hostile device, on every kind of ring: invalid ids, indices, lengths and flags.

import CLinux
import CVionet
import Linux
import Testing

@testable import VioNet

/// An invalid id on a kind of ring. A packed ring's id has 16 bits.
struct WrongID: Sendable {
  let kind: RingKind
  let id: UInt32
  static let beyondSixteen: [WrongID] = RingKind.allCases.flatMap { kind in
    let ids: [UInt32] = kind.isPacked ? [16, 17, 32768, 65535] : [16, 17, 65535, 65536, 65539, UInt32.max]
    return ids.map { WrongID(kind: kind, id: $0) }
  }
}

@Suite(.serialized) struct ReceiveHostileTests {
  @Test(arguments: WrongID.beyondSixteen) func anIDBeyondTheRingBreaksTheQueue(wrong: WrongID) throws {
    let bench = try RingBench(wrong.kind)
    try bench.deliver()
    bench.receiveDevice.write(wrong.id, 72)
    let packets = bench.rx()
    #expect(packets.count == 1)
    #expect(bench.receive.value.core.fault == .badID && bench.receive.value.core.faultIsUnreported)
    // It stays broken.
    bench.receiveDevice.write(1, 72)
    #expect(bench.rx().isEmpty)
    #expect(bench.conserved(held: 1))
    bench.free(packets)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.anyOrder) func theSameIDTwiceBreaksTheQueueOnlyIfItWasNotGivenAgain(kind: RingKind) throws {
    // The device has the descriptor again after each use, so that a repeated id is invalid only while the pool is
    // empty.
    let bench = try RingBench(kind, size: 16, packets: 16)
    for _ in 0..<2 { bench.receiveDevice.write(3, 72) }
    let packets = bench.rx()
    #expect(packets.count == 1)
    #expect(bench.receive.value.core.fault == .notOutstanding)
    #expect(bench.conserved(held: 1))
    bench.free(packets)
  }

  @Test(arguments: [false, true]) func aBufferThatTheDeviceWasNotShownDoesNotComeBack(isOutOfOrder: Bool) throws {
    let bench = try RingBench(.split)
    if isOutOfOrder {
      let offers = try bench.receiveDevice.take(2)
      for offer in offers.reversed() { bench.receiveDevice.use(offer, length: 72) }
      bench.free(bench.rx())
    }
    let id: UInt32 = isOutOfOrder ? 5 : 0
    for _ in 0..<3 { bench.receiveDevice.write(id, 72) }
    // The second and third would be buffers that took the first one's place in the same burst.
    let packets = bench.rx()
    #expect(packets.count == 1)
    #expect(bench.receive.value.core.fault == .notOutstanding)
    #expect(bench.conserved(held: 1))
    bench.free(packets)
    #expect(bench.conserved())
  }

  @Test func theUsedIndexCountsOnlyWhatTheDeviceWasShown() throws {
    let bench = try RingBench(.split)
    var state = bench.transmit.value.core.ring
    func isAJump() -> Bool { SplitRing<AnyOrder>(state).indexJumped && SplitRing<InOrder>(state).indexJumped }
    func pending() -> Int { SplitRing<AnyOrder>(state).pending }
    state.nextAvailable &+= 4
    state.used.store16Release(2, 1)
    #expect(isAJump())
    _ = SplitRing<AnyOrder>.publish(&state)
    #expect(!isAJump() && pending() == 1)
    state.nextAvailable &+= 4
    state.used.store16Release(2, 5)
    #expect(isAJump())
    _ = SplitRing<AnyOrder>.expose(&state)
    #expect(!isAJump() && pending() == 5)
  }

  @Test(arguments: RingKind.inOrder) func anOldIDBreaksAQueueInOrder(kind: RingKind) throws {
    // The pool is empty, so that the device does not have the first buffer again.
    let bench = try RingBench(kind, size: 16, packets: 16)
    try bench.deliver()
    bench.receiveDevice.write(0, 72)
    let packets = bench.rx()
    #expect(packets.count == 1)
    #expect(bench.receive.value.core.fault == .badID)
    #expect(bench.conserved(held: 1))
    bench.free(packets)
  }

  @Test(arguments: RingKind.splitKinds, [17, 100, 32768, 65535] as [UInt16])
  func anIndexThatJumpsBreaksTheQueue(kind: RingKind, jump: UInt16) throws {
    // 65535 moves the index back by one.
    for start in [0, 65530, 65535] as [UInt16] {
      let bench = try RingBench(kind, start: start)
      bench.receiveDevice.ring.used.store16Release(2, start &+ jump)
      #expect(bench.rx().isEmpty)
      #expect(bench.receive.value.core.fault == .indexJump)
      #expect(bench.received.packets == 0)
      #expect(bench.conserved())
    }
  }

  @Test(arguments: RingKind.allCases, [0, 11, 12, 25, 1997, 65536 + 72, UInt32.max] as [UInt32])
  func aWrongLengthIsDroppedAndCounted(kind: RingKind, length: UInt32) throws {
    let bench = try RingBench(kind)
    for _ in 0..<40 {
      let offers = try bench.receiveDevice.take(3)
      bench.write(60, first: 1, to: offers[0])
      bench.write(60, first: 2, to: offers[2])
      bench.receiveDevice.use(offers[0], length: 72)
      bench.receiveDevice.use(offers[1], length: length)
      bench.receiveDevice.use(offers[2], length: 72)
      let packets = bench.rx()
      #expect(packets.map { $0.bytes[0] } == [1, 2])
      bench.free(packets)
    }
    #expect(bench.received.dropped(length < 26 ? VIONET_DROP_SHORT : VIONET_DROP_LONG) == 40)
    #expect(bench.received.allDropped == 40)
    #expect(bench.received.packets == 80 && bench.received.bytes == 80 * 60)
    #expect(bench.receive.value.core.fault == .none)
    #expect(bench.receive.value.core.ring.outstanding == 16)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func shortestAndLongestLengthsAreAccepted(kind: RingKind) throws {
    let bench = try RingBench(kind)
    for length in [14, 1984] as [UInt32] {
      try bench.deliver(length)
      let packet = try bench.rxOne()
      #expect(packet.length == length)
      bench.free(packet)
    }
    #expect(bench.received.allDropped == 0)
  }

  @Test(arguments: RingKind.allCases) func whatTheDeviceOverwroteChangesNothing(kind: RingKind) throws {
    // Everything in the ring that the device must not write.
    let bench = try RingBench(kind)
    let ring = bench.receiveDevice.ring
    let offers = try bench.receiveDevice.take(16)
    for place in 0..<16 {
      ring.descriptors.store64(place * 16, 0xdead)
      ring.descriptors.store32(place * 16 + 8, UInt32.max)
      ring.descriptors.store16(place * 16 + 12, 0xffff)
      if kind.isPacked { continue }
      ring.descriptors.store16(place * 16 + 14, 0xffff)
      ring.available.store16(4 + place * 2, 0xffff)
    }
    ring.available.store16(0, 0xffff)
    if !kind.isPacked { ring.available.store16(2, 0xffff) }
    for (place, offer) in offers.enumerated() {
      bench.write(60, first: UInt8(place), to: offer)
      bench.receiveDevice.use(offer, length: 72)
    }
    let packets = bench.rx()
    #expect(packets.map(\.bytes) == (0..<16).map { .counting(60, from: $0) })
    #expect(Set(packets.map(\.address)).count == 16)
    bench.free(packets)
    #expect(bench.rx().isEmpty)
    #expect(bench.receive.value.core.fault == .none)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.packedKinds) func flagsOtherThanUsedAreNotUsed(kind: RingKind) throws {
    // In the first lap: neither flag, and each by itself.
    for flags in [0, 0x80, 0x8000] as [UInt16] {
      let bench = try RingBench(kind)
      bench.receiveDevice.ring.descriptors.store16(14, flags | 2)
      #expect(bench.rx().isEmpty)
      #expect(bench.receive.value.core.fault == .none)
      #expect(bench.conserved())
    }
  }

  @Test(arguments: RingKind.packedKinds) func aDescriptorBehindOneThatIsNotUsedWaits(kind: RingKind) throws {
    let bench = try RingBench(kind)
    let offers = try bench.receiveDevice.take(2)
    var second = bench.receiveDevice
    second.used += 1
    second.use(offers[1], length: 72)
    #expect(bench.rx().isEmpty)
    bench.receiveDevice.use(offers[0], length: 72)
    let packets = bench.rx()
    #expect(packets.count == 2)
    bench.free(packets)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func aFloodOfInvalidEntriesIsBoundedPerCall(kind: RingKind) throws {
    let bench = try RingBench(kind, size: 16)
    while let offer = bench.receiveDevice.take() { bench.receiveDevice.use(offer, length: 0) }
    #expect(bench.rx().isEmpty)
    #expect(bench.received.dropped(VIONET_DROP_SHORT) == 16)
    #expect(bench.receive.value.core.ring.outstanding == 16)
    try bench.deliver()
    bench.free(try bench.rxOne())
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func aBrokenQueueKeepsItsBuffersUntilTheStop(kind: RingKind) throws {
    let bench = try RingBench(kind)
    for _ in 0..<3 { try bench.deliver() }
    bench.receiveDevice.write(999, 72)
    let packets = bench.rx()
    #expect(packets.count == 3 && bench.receive.value.core.fault == .badID)
    let quarantined = (0..<16).filter { bench.receive.value.core.slots[unchecked: $0] != nil }.count
    #expect(quarantined == 16)
    #expect(bench.conserved(held: 3))
    bench.receive.value.takeBack()
    // What a broken ring had delivered is unknown.
    #expect(bench.received.dropped(VIONET_DROP_STOPPED) == 0)
    bench.free(packets)
    #expect(bench.conserved())
    #expect(bench.pool.value.freeCount + bench.receive.value.cache.count == 256)
  }
}
