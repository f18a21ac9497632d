// SPDX-License-Identifier: BSD-2-Clause
//
// Sending to a device with IN_ORDER that uses many buffers with one entry (virtio 1.4, 2.7.9 and 2.8.8), and to one
// that reads the ring while it is being written.

import CLinux
import CVionet
import Linux
import Testing
import Virtio

@testable import VioNet

@Suite(.serialized) struct TransmitOrderTests {
  @Test(arguments: OrderedRing.all, [[], [Feature.indirect]] as [[UInt64]])
  func aBatchComesBackWhole(ring: OrderedRing, features: [UInt64]) throws {
    let start: UInt16 = ring.kind.isPacked ? 0 : 65500
    let bench = try RingBench(ring.kind, size: ring.size, dataSize: 64, features: features, start: start)
    var state: UInt32 = 5
    for round in 0..<500 {
      var offers: [Offer] = []
      var room = Int(ring.size)
      while room > 0 {
        state = state &* 1_664_525 &+ 1_013_904_223
        let segments = min(room, [1, 1, 1, 2, 3, 5][Int(state >> 24) % 6])
        #expect(bench.tx([try bench.chain([UInt32](repeating: 20, count: segments))]) == 1)
        offers += try bench.transmitDevice.take(1)
        room -= offers[offers.count - 1].elements.count
      }
      var done = 0
      while done < offers.count {
        state = state &* 1_664_525 &+ 1_013_904_223
        let count = min(offers.count - done, Int(state >> 24) % 7 + 1)
        let batch = Array(offers[done..<done + count])
        bench.transmitDevice.use(batch, length: 0)
        let descriptors = batch.reduce(0) { $0 + $1.elements.count }
        try #require(bench.txDone() == descriptors, "round \(round)")
        done += count
      }
      #expect(bench.transmit.value.core.ring.outstanding == 0)
      guard bench.conserved() else { throw Failure(EIO, "packets were lost in round ").number(round) }
    }
    #expect(bench.transmit.value.core.fault == .none)
  }

  @Test(arguments: OrderedRing.all) func severalBatchesComeBackAtOnce(ring: OrderedRing) throws {
    let bench = try RingBench(ring.kind, size: ring.size, dataSize: 64)
    for round in 0..<100 {
      #expect(bench.tx(try bench.packets(Int(ring.size))) == ring.size)
      let offers = try bench.transmitDevice.take(Int(ring.size))
      let first = round % 5 + 1
      bench.transmitDevice.use(Array(offers[..<first]), length: 0)
      bench.transmitDevice.use(Array(offers[first...first]), length: 0)
      bench.transmitDevice.use(Array(offers[(first + 1)...]), length: 0)
      // They come back in the middle of a burst that finds the ring full.
      let more = try bench.packets(3)
      #expect(bench.tx(more) == 3)
      for offer in try bench.transmitDevice.take(3) { bench.transmitDevice.use(offer, length: 0) }
      #expect(bench.txDone() == 3)
      #expect(bench.conserved())
    }
    #expect(bench.transmit.value.core.fault == .none)
  }

  @Test(arguments: [5, 6, 7, 8, 65535] as [UInt32]) func aBatchOfWhatIsNotOutstandingBreaksAPackedRing(last: UInt32)
    throws
  {
    // Five of eight were sent.
    let bench = try RingBench(.packedInOrder, size: 8)
    #expect(bench.tx(try bench.packets(5)) == 5)
    bench.transmitDevice.write(last, 0)
    #expect(bench.txDone() == 0)
    #expect(bench.transmit.value.core.fault == .badID)
    #expect(bench.conserved())
  }

  @Test func aSecondBatchBeyondWhatIsOutstandingBreaksAPackedRing() throws {
    let bench = try RingBench(.packedInOrder, size: 8)
    #expect(bench.tx(try bench.packets(5)) == 5)
    let offers = try bench.transmitDevice.take(5)
    bench.transmitDevice.use(Array(offers[..<3]), length: 0)
    bench.transmitDevice.write(6, 0)
    #expect(bench.txDone() == 3)
    #expect(bench.transmit.value.core.fault == .badID)
    #expect(bench.conserved())
  }

  @Test(arguments: [[], [Feature.indirect]] as [[UInt64]])
  func aSplitRingInOrderGoesByItsIndex(features: [UInt64]) throws {
    // The ids add nothing to the index: an invalid one neither loses a packet nor frees one that was not sent.
    let bench = try RingBench(.splitInOrder, features: features)
    for id in [0, 3, 15, 16, 65536, UInt32.max] as [UInt32] {
      let packets = [try bench.chain([20, 20]), try bench.packet(60), try bench.packet(60)]
      #expect(bench.tx(packets) == 3)
      _ = try bench.transmitDevice.take(3)
      bench.transmitDevice.write(id, 0, skipping: 2)
      #expect(bench.txDone() == (features.isEmpty ? 3 : 2))
      #expect(packets[0].owner == Owner.pool && packets[1].owner == Owner.pool && packets[2].owner == Owner.ring)
      bench.transmitDevice.write(id, 0)
      #expect(bench.txDone() == 1)
      #expect(bench.transmit.value.core.fault == .none)
      #expect(bench.conserved())
    }
  }

  /// A device on another processor that takes whatever it sees at once. Returns how many chains were wrong or missing.
  private static func drain(_ bench: RingBench, _ count: Int) -> Int {
    var wrong = 0
    var done = 0
    let deadline = sys_nanoseconds() + 60_000_000_000
    while done < count && sys_nanoseconds() < deadline {
      guard let offer = bench.transmitDevice.take() else {
        _ = sched_yield()
        continue
      }
      let lengths = offer.pieces.map(\.length)
      if lengths != [32, 21, 22, 23] { wrong += 1 }
      bench.transmitDevice.use(offer, length: 0)
      done += 1
    }
    return wrong + count - done
  }

  @Test(arguments: RingKind.allCases, [[], [Feature.indirect]] as [[UInt64]])
  func aDeviceNeverSeesHalfAChain(kind: RingKind, features: [UInt64]) async throws {
    // The head becomes available after all the others (2.7.13 and 2.8.17).
    let count = 8000
    nonisolated(unsafe) let bench = try RingBench(kind, size: 32, dataSize: 64, features: features)
    async let wrong = Task.detached { TransmitOrderTests.drain(bench, count) }.value
    var sent = 0
    let deadline = sys_nanoseconds() + 60_000_000_000
    while sent < count && sys_nanoseconds() < deadline {
      let chain = try bench.chain([20, 21, 22, 23])
      while bench.tx([chain]) == 0 && sys_nanoseconds() < deadline { _ = sched_yield() }
      sent += 1
    }
    #expect(await wrong == 0)
    _ = bench.txDone()
    #expect(bench.transmit.value.core.fault == .none)
    #expect(bench.sent.packets == count)
    #expect(bench.conserved())
  }
}
