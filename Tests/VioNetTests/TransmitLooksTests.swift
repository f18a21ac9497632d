// SPDX-License-Identifier: BSD-2-Clause
//
// A packed ring that is full, with a device that marks one buffer after another used: where a sender looks, what it gains,
// and that calls which ask for everything get everything.

import CLinux
import Linux
import Testing
import Virtio

@testable import VioNet

@Suite(.serialized) struct TransmitLooksTests {
  /// A full ring whose device has marked two buffers used, for which two packets were sent: the sender then looks further
  /// on. Returns the buffers that the device still has, in order.
  private func contended(_ bench: RingBench) throws -> [Offer] {
    #expect(bench.tx(try bench.packets(256)) == 256)
    var offers = try bench.transmitDevice.take(256)
    for offer in offers[..<2] { bench.transmitDevice.use(offer, length: 0) }
    let three = try bench.packets(3)
    #expect(bench.tx(three) == 2)
    bench.free(three[2])
    offers += try bench.transmitDevice.take(2)
    return Array(offers[2...])
  }

  private func bench(_ kind: RingKind) throws -> RingBench {
    try RingBench(kind, size: 256, packets: 1024, dataSize: 64)
  }

  @Test(arguments: [RingKind.packed, .packedInOrder]) func fewUsedBuffersAreFoundAfterAFewLooks(kind: RingKind) throws {
    let bench = try bench(kind)
    let offers = try contended(bench)
    bench.transmitDevice.use(offers[0], length: 0)
    // A burst that finds the ring full looks twice, and eight looks go further on; the burst before has looked once.
    let one = try bench.packets(1)
    for _ in 0..<3 { #expect(bench.tx(one) == 0) }
    #expect(bench.tx(one) == 1)
    #expect(bench.conserved())
  }

  @Test(arguments: [RingKind.packed, .packedInOrder]) func manyUsedBuffersAreFoundAtOnce(kind: RingKind) throws {
    let bench = try bench(kind)
    let offers = try contended(bench)
    for offer in offers[..<120] { bench.transmitDevice.use(offer, length: 0) }
    // From the first look on, 32 and the rest of their cache line; then twice as many.
    #expect(bench.tx(try bench.packets(32)) == 32)
    let idle = bench.transmit.value.core.ring.idle.count
    #expect(idle < 4)
    #expect(bench.tx(try bench.packets(64)) == 64)
    #expect(bench.conserved())
  }

  @Test(arguments: [RingKind.packed, .packedInOrder]) func whoAsksForEverythingGetsIt(kind: RingKind) throws {
    let bench = try bench(kind)
    let offers = try contended(bench)
    bench.transmitDevice.use(offers[0], length: 0)
    #expect(bench.txDone() == 1)
    for offer in offers[1..<64] { bench.transmitDevice.use(offer, length: 0) }
    #expect(awaitRoom(bench.transmit))
    #expect(bench.transmit.value.core.ring.idle.count == 64)
    #expect(bench.conserved())
  }

  @Test(arguments: [RingKind.packed, .packedInOrder]) func anEntryFurtherOnThatLiesGainsNothing(kind: RingKind) throws {
    let bench = try bench(kind)
    let offers = try contended(bench)
    // Used, and the one before it is not.
    let ring = bench.transmit.value.core.ring
    let place = (Int(ring.lastUsed) + 31) | 3
    let word = ring.descriptors.load64(place * RingFormat.descriptorBytes + 8)
    ring.descriptors.store64(place * RingFormat.descriptorBytes + 8, word | UInt64(DescriptorFlag.used) << 48)
    let packets = try bench.packets(32)
    for _ in 0..<10 { #expect(bench.tx(packets) == 0) }
    #expect(bench.transmit.value.core.fault == .none)
    ring.descriptors.store64(place * RingFormat.descriptorBytes + 8, word)
    for offer in offers { bench.transmitDevice.use(offer, length: 0) }
    #expect(bench.tx(packets) == 32)
    #expect(bench.conserved())
  }
}
