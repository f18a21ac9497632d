// SPDX-License-Identifier: BSD-2-Clause
//
// Frames longer than a buffer from a device that merges none: each entry of the ring is a table of buffers.

import CLinux
import CVionet
import Linux
import Testing
import Virtio

@testable import VioNet

@Suite(.serialized) struct ReceiveScatteredTests {
  static let buffers = 4
  /// 64 bytes of data in each buffer, and the header in the first.
  static let longest = UInt32(buffers * 64)

  private func bench(
    _ kind: RingKind, size: UInt16 = 16, packets: UInt32 = 256, _ more: [UInt64] = []
  ) throws -> RingBench {
    try RingBench(
      kind, size: size, packets: packets, dataSize: 64, features: more, buffers: ReceiveScatteredTests.buffers)
  }

  /// Writes header and frame over an entry's buffers, as a device does.
  private func write(_ offer: Offer, _ header: [UInt8], _ frame: [UInt8]) {
    var rest = (header + frame)[...]
    for piece in offer.pieces {
      for (place, byte) in rest.prefix(Int(piece.length)).enumerated() { piece.memory.store8(place, byte) }
      rest = rest.dropFirst(Int(piece.length))
    }
  }

  private func deliver(_ bench: RingBench, _ length: UInt32, first: UInt8) throws -> [UInt8] {
    let offer = try bench.receiveDevice.take(1)[0]
    let frame = [UInt8].counting(Int(length), from: first)
    write(offer, HeaderBytes().bytes(12), frame)
    bench.receiveDevice.use(offer, length: length + 12)
    return frame
  }

  @Test(arguments: RingKind.allCases) func theDeviceGetsTables(kind: RingKind) throws {
    let bench = try bench(kind)
    for offer in try bench.receiveDevice.take(16) {
      #expect(offer.table.map(\.length) == [76, 64, 64, 64])
      let links: [UInt16] = kind.isPacked ? [2, 2, 2, 2] : [3, 3, 3, 2]
      #expect(offer.table.map(\.flags) == links)
      #expect(kind.isPacked || offer.table.dropLast().map(\.nextOrID) == [1, 2, 3])
      #expect(Set(offer.table.map(\.address)).count == 4)
    }
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases, [16, 7] as [UInt16])
  func aFrameTakesWhatItNeeds(kind: RingKind, size: UInt16) throws {
    if !kind.isPacked && size == 7 { return }
    let bench = try bench(kind, size: size)
    for length in 14...ReceiveScatteredTests.longest {
      let frame = try deliver(bench, length, first: UInt8(truncatingIfNeeded: length))
      let packet = try bench.rxOne()
      let segments = (Int(length) + 63) / 64
      guard packet.bytes == frame, packet.segments == segments, packet.totalLength == Int(length) else {
        throw Failure(EIO, "another frame came back than that of ").number(length)
      }
      #expect(packet.lengths.dropLast().allSatisfy { $0 == 64 } && packet.lengths.count == segments)
      #expect(bench.conserved(held: segments))
      bench.free(packet)
      #expect(bench.conserved())
    }
    #expect(bench.received.packets == UInt64(ReceiveScatteredTests.longest) - 13 && bench.received.allDropped == 0)
    #expect(bench.receive.value.core.ring.outstanding == size)
  }

  @Test(arguments: RingKind.inOrder) func aBatchIsFullExceptItsLastFrame(kind: RingKind) throws {
    let bench = try bench(kind)
    for round in 0..<20 {
      let offers = try bench.receiveDevice.take(3)
      let last = 14 + round * 11
      let lengths = [256, 256, last]
      let frames = zip(lengths, offers).map { length, offer in
        let frame = [UInt8].counting(length, from: UInt8(round))
        write(offer, HeaderBytes().bytes(12), frame)
        return frame
      }
      bench.receiveDevice.use(offers, length: UInt32(last) + 12)
      let packets = bench.rx()
      #expect(packets.map(\.bytes) == frames)
      bench.free(packets)
      #expect(bench.conserved())
    }
  }

  @Test(arguments: RingKind.anyOrder) func anyOrderIsAccepted(kind: RingKind) throws {
    let bench = try bench(kind)
    for round in 0..<20 {
      let offers = try bench.receiveDevice.take(8)
      var frames: [[UInt8]] = []
      for place in [3, 0, 7, 1, 2, 6, 5, 4] {
        let frame = [UInt8].counting(60 + place * 20, from: UInt8(round))
        write(offers[place], HeaderBytes().bytes(12), frame)
        bench.receiveDevice.use(offers[place], length: UInt32(frame.count) + 12)
        frames.append(frame)
      }
      let packets = bench.rx()
      #expect(packets.map(\.bytes) == frames)
      bench.free(packets)
      #expect(bench.conserved())
    }
  }

  @Test(arguments: RingKind.allCases, [0, 12, 25, 269, 4096, UInt32.max]) func wrongLengthsAreDropped(
    kind: RingKind, length: UInt32
  ) throws {
    let bench = try bench(kind)
    for _ in 0..<40 {
      bench.receiveDevice.use(try bench.receiveDevice.take(1)[0], length: length)
      #expect(bench.rx().isEmpty)
    }
    #expect(bench.received.dropped(length < 26 ? VIONET_DROP_SHORT : VIONET_DROP_LONG) == 40)
    #expect(bench.receive.value.core.ring.outstanding == 16 && bench.conserved())
    let frame = try deliver(bench, 200, first: 1)
    let packet = try bench.rxOne()
    #expect(packet.bytes == frame)
    bench.free(packet)
  }

  @Test(arguments: RingKind.allCases) func anIDTwiceBreaksTheQueue(kind: RingKind) throws {
    let bench = try bench(kind)
    let offers = try bench.receiveDevice.take(2)
    write(offers[0], HeaderBytes().bytes(12), [UInt8].counting(200, from: 0))
    bench.receiveDevice.use(offers[0], length: 212)
    bench.receiveDevice.write(offers[0].id, 212)
    let packets = bench.rx()
    #expect(packets.count == 1 && bench.receive.value.core.fault == (kind.isInOrder ? .badID : .notOutstanding))
    #expect(bench.conserved(held: 4))
    bench.free(packets)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func anEmptyPoolFillsUpAgain(kind: RingKind) throws {
    let bench = try bench(kind, packets: 80)
    var held: [Packet] = []
    for round in 0..<20 {
      guard bench.receive.value.core.ring.outstanding != 0 else { break }
      let frame = try deliver(bench, 250, first: UInt8(round))
      let packet = try bench.rxOne()
      #expect(packet.bytes == frame)
      held.append(packet)
    }
    #expect(held.count == 20 && bench.received.noBuffer != 0)
    #expect(bench.receive.value.core.ring.outstanding == 0 && bench.rx().isEmpty)
    bench.free(held)
    #expect(bench.rx().isEmpty && bench.receive.value.core.ring.outstanding == 16)
    #expect(try deliver(bench, 100, first: 9) == bench.rxOne().bytes)
  }

  @Test(arguments: RingKind.allCases) func offloadsReachOverSegments(kind: RingKind) throws {
    let bench = try bench(kind, [Feature.guestChecksum, Feature.guestTSO4])
    for (start, isSound) in [(180, true), (198, false)] {
      let offer = try bench.receiveDevice.take(1)[0]
      let frame = [UInt8].counting(200, from: 3)
      let header = HeaderBytes(flags: 1, checksumStart: UInt16(start), checksumOffset: 6)
      write(offer, header.bytes(12), frame)
      bench.receiveDevice.use(offer, length: 212)
      let packets = bench.rx()
      #expect(packets.count == (isSound ? 1 : 0))
      #expect(packets.allSatisfy { $0.bytes == frame && $0.flags == 1 && Int($0.offloads.checksumStart) == start })
      bench.free(packets)
      #expect(bench.conserved())
    }
    #expect(bench.received.dropped(VIONET_DROP_OFFLOAD) == 1)
  }
}
