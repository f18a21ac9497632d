// SPDX-License-Identifier: BSD-2-Clause
//
// Batches of a device with IN_ORDER: one used entry covers several buffers and names the last; the others were used as
// a whole (virtio 1.4, 2.7.9 and 2.8.8).

import CLinux
import CVionet
import Linux
import Testing

@testable import VioNet

/// A ring with IN_ORDER. The size of a packed one need not be a power of two.
struct OrderedRing: Sendable {
  let kind: RingKind
  let size: UInt16
  static let all = [
    OrderedRing(kind: .splitInOrder, size: 16), OrderedRing(kind: .packedInOrder, size: 16),
    OrderedRing(kind: .packedInOrder, size: 7),
  ]
}

@Suite(.serialized) struct ReceiveOrderTests {
  /// Fills the next `count` buffers, all but the last completely, and returns them with one entry.
  private func deliver(_ bench: RingBench, _ count: Int, last: UInt32, first: inout UInt8) throws -> [[UInt8]] {
    let offers = try bench.receiveDevice.take(count)
    var frames: [[UInt8]] = []
    for (place, offer) in offers.enumerated() {
      let length = place == count - 1 ? last : 64
      bench.write(length, first: first, to: offer)
      frames.append(.counting(Int(length), from: first))
      first &+= 1
    }
    bench.receiveDevice.use(offers, length: 12 + last)
    return frames
  }

  @Test(arguments: OrderedRing.all, [1, 3, 32] as [UInt16])
  func aBatchOfAnyLengthArrivesWhole(ring: OrderedRing, burst: UInt16) throws {
    let bench = try RingBench(ring.kind, size: ring.size, dataSize: 64, start: ring.kind.isPacked ? 0 : 65500)
    var first: UInt8 = 0
    var total = 0
    for round in 0..<100 {
      let count = round % Int(ring.size) + 1
      let frames = try deliver(bench, count, last: UInt32(14 + round % 51), first: &first)
      var received: [[UInt8]] = []
      for _ in 0..<count where received.count < count {
        if received.count > 0 { #expect(bench.receive.value.core.ring.hasUsed) }
        let packets = bench.rx(burst)
        received += packets.map(\.bytes)
        bench.free(packets)
      }
      #expect(received == frames)
      #expect(bench.rx().isEmpty)
      #expect(!bench.receive.value.core.ring.hasUsed)
      #expect(bench.receive.value.core.ring.outstanding == ring.size)
      #expect(bench.conserved())
      total += count
    }
    #expect(bench.received.packets == total && bench.received.allDropped == 0 && bench.received.noBuffer == 0)
  }

  @Test(arguments: OrderedRing.all) func batchesAndSingleEntriesMix(ring: OrderedRing) throws {
    let bench = try RingBench(ring.kind, size: ring.size, dataSize: 64)
    var first: UInt8 = 0
    for round in 0..<200 {
      var frames: [[UInt8]] = []
      for count in [1, 2, 1, 1 + round % 3] { frames += try deliver(bench, count, last: 20, first: &first) }
      let packets = bench.rx()
      #expect(packets.map(\.bytes) == frames)
      bench.free(packets)
    }
    #expect(bench.receive.value.core.fault == .none)
    #expect(bench.conserved())
  }

  @Test(arguments: OrderedRing.all) func anEmptyPoolInTheMiddleOfABatch(ring: OrderedRing) throws {
    let size = Int(ring.size)
    let bench = try RingBench(ring.kind, size: ring.size, packets: 16 + 4, dataSize: 64)
    var first: UInt8 = 0
    for _ in 0..<20 {
      let spare = 20 - size
      var frames = try deliver(bench, size, last: 30, first: &first)
      var held = bench.rx()
      #expect(bench.conserved(held: size))
      while held.count + size <= 20, bench.receive.value.core.ring.outstanding == ring.size {
        frames += try deliver(bench, size, last: 30, first: &first)
        held += bench.rx()
      }
      let left = Int(bench.receive.value.core.ring.outstanding)
      #expect(left == min(size, 20 - held.count))
      if left > 0 {
        frames += try deliver(bench, left, last: 40, first: &first)
        held += bench.rx()
      }
      #expect(held.map(\.bytes) == frames && held.count >= spare)
      #expect(bench.conserved(held: held.count))
      bench.free(held)
      #expect(bench.rx().isEmpty)
      #expect(bench.receive.value.core.ring.outstanding == ring.size)
    }
    #expect(bench.receive.value.core.fault == .none)
  }

  @Test(arguments: OrderedRing.all, [0, 25, 77] as [UInt32])
  func onlyTheLastOfABatchCanHaveAWrongLength(ring: OrderedRing, length: UInt32) throws {
    let bench = try RingBench(ring.kind, size: ring.size, dataSize: 64)
    for _ in 0..<30 {
      let offers = try bench.receiveDevice.take(5)
      for offer in offers { bench.write(64, to: offer) }
      bench.receiveDevice.use(offers, length: length)
      let packets = bench.rx()
      #expect(packets.map(\.length) == [64, 64, 64, 64])
      bench.free(packets)
    }
    #expect(bench.received.allDropped == 30)
    #expect(bench.receive.value.core.ring.outstanding == ring.size)
    #expect(bench.conserved())
  }

  @Test(arguments: [3, 4, 9, 15, 16, 65535, 65536, UInt32.max] as [UInt32])
  func aBatchBeyondTheIndexBreaksASplitRing(last: UInt32) throws {
    // Three were used, and the entry names none of them as the last.
    let bench = try RingBench(.splitInOrder)
    bench.receiveDevice.write(last, 72, skipping: 3)
    #expect(bench.rx().isEmpty)
    #expect(bench.receive.value.core.fault == .badID)
    #expect(bench.conserved())
  }

  @Test func aBatchOfWhatIsNotOutstandingBreaksAPackedRing() throws {
    // The pool is empty, so that the device has only the last six of 16 places.
    let bench = try RingBench(.packedInOrder, packets: 16, dataSize: 64)
    for _ in 0..<10 { try bench.deliver() }
    var held = bench.rx()
    #expect(held.count == 10)
    bench.receiveDevice.write(2, 76)
    held += bench.rx()
    #expect(held.count == 10)
    #expect(bench.receive.value.core.fault == .badID)
    #expect(bench.conserved(held: 10))
    bench.free(held)
  }

  @Test(arguments: RingKind.inOrder) func aStopCountsAllOfABatch(kind: RingKind) throws {
    for fetched in [0, 1, 4] as [UInt16] {
      let bench = try RingBench(kind, dataSize: 64)
      var first: UInt8 = 0
      _ = try deliver(bench, 5, last: 20, first: &first)
      _ = try deliver(bench, 2, last: 20, first: &first)
      let held = fetched == 0 ? [] : bench.rx(fetched)
      bench.receive.value.takeBack()
      #expect(bench.received.dropped(VIONET_DROP_STOPPED) == 7 - UInt64(fetched))
      #expect(bench.conserved(held: held.count))
      bench.free(held)
    }
  }
}
