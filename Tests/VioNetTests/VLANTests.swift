// SPDX-License-Identifier: BSD-2-Clause
//
// VLAN tags taken out of received frames and put into sent ones, and the fields of a packet that point into its data.

import CLinux
import CVionet
import Linux
import Testing
import Virtio

@testable import VioNet

@Suite(.serialized) struct VLANTests {
  /// A frame of two addresses, tags, a type, and payload up to `length`.
  private func frame(_ tags: [UInt8], length: Int) -> [UInt8] {
    let bytes = [UInt8].counting(12) + tags + [0x08, 0x00] + .counting(max(0, length - 14 - tags.count), from: 100)
    return Array(bytes.prefix(length))
  }

  private func deliver(_ bench: RingBench, _ frame: [UInt8], _ header: HeaderBytes = HeaderBytes()) throws {
    let offer = try bench.receiveDevice.take(1)[0]
    let bytes = header.bytes(bench.header) + frame
    for (place, byte) in bytes.enumerated() { offer.pieces[0].memory.store8(place, byte) }
    bench.receiveDevice.use(offer, length: UInt32(bytes.count))
  }

  @Test(arguments: RingKind.allCases, [[], [Feature.mergeable]] as [[UInt64]])
  func aTagIsTakenOut(kind: RingKind, features: [UInt64]) throws {
    let bench = try RingBench(kind, features: features, stripsVLAN: true)
    for length in [18, 60, 1518] {
      try deliver(bench, frame([0x81, 0x00, 0xa1, 0x23], length: length))
      let packet = try bench.rxOne()
      #expect(packet.flags == VIONET_PACKET_VLAN.rawValue && packet.vlan == 0xa123)
      #expect(packet.bytes == Array(frame([], length: length - 4)))
      #expect(packet.totalLength == length - 4 && packet.headroom == 132)
      bench.free(packet)
    }
    // A tag cut short, another kind of tag, and none.
    for bytes in [
      frame([0x81, 0x00, 0xa1, 0x23], length: 17), frame([0x81, 0x00], length: 14),
      frame([0x88, 0xa8, 0, 1], length: 60), frame([], length: 60),
    ] {
      try deliver(bench, bytes)
      let packet = try bench.rxOne()
      #expect(packet.flags == 0 && packet.bytes == bytes && packet.vlan == 0)
      bench.free(packet)
    }
    #expect(bench.received.bytes == 18 + 60 + 1518 + 17 + 14 + 60 + 60)
    #expect(bench.conserved())
  }

  @Test func onlyTheFirstOfTwoTagsIsTakenOut() throws {
    let bench = try RingBench(stripsVLAN: true)
    try deliver(bench, frame([0x81, 0, 0, 7, 0x81, 0, 0, 8], length: 60))
    let packet = try bench.rxOne()
    #expect(packet.vlan == 7 && packet.bytes == frame([0x81, 0, 0, 8], length: 56))
    bench.free(packet)
  }

  @Test func withoutStrippingATagStays() throws {
    let bench = try RingBench(features: [Feature.guestChecksum])
    try deliver(bench, frame([0x81, 0x00, 0xa1, 0x23], length: 60))
    let packet = try bench.rxOne()
    #expect(packet.flags == 0 && packet.length == 60)
    bench.free(packet)
  }

  @Test(arguments: RingKind.allCases) func offsetsIntoTheFrameMoveWithTheTag(kind: RingKind) throws {
    let bench = try RingBench(kind, features: [Feature.guestChecksum, Feature.guestTSO4], stripsVLAN: true)
    let header = HeaderBytes(
      flags: 1, type: 1, headerLength: 58, segmentSize: 500, checksumStart: 38, checksumOffset: 16)
    try deliver(bench, frame([0x81, 0, 0, 9], length: 1400), header)
    let packet = try bench.rxOne()
    #expect(packet.flags == 0x101 | VIONET_PACKET_VLAN.rawValue && packet.vlan == 9)
    #expect(packet.offloads.checksumStart == 34 && packet.offloads.checksumOffset == 16)
    #expect(packet.offloads.headerLength == 54 && packet.offloads.segmentSize == 500)
    bench.free(packet)
  }

  @Test(arguments: RingKind.allCases) func aTagIsPutIn(kind: RingKind) throws {
    let bench = try RingBench(kind, features: [Feature.checksum])
    let packet = try bench.packet(60)
    let bytes = frame([], length: 60)
    packet.fill(bytes)
    for place in 1...16 { packet.setBefore(place, 0xee) }
    packet.flags = VIONET_PACKET_VLAN.rawValue | 1
    packet.set { packet in
      packet.vlan = 0x7123
      packet.checksum_start = 34
      packet.checksum_offset = 6
    }
    #expect(bench.tx([packet]) == 1)
    let (_, sent) = try bench.takeSent()
    let header = HeaderBytes(flags: 1, checksumStart: 38, checksumOffset: 6, buffers: 0)
    #expect(sent == header.bytes(12) + frame([0x81, 0x00, 0x71, 0x23], length: 64))
    #expect(bench.sent.packets == 1)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func theLongestFrameMayHaveATag(kind: RingKind) throws {
    let bench = try RingBench(kind)
    let plain = try bench.packet(1514 + 4)
    plain.flags = VIONET_PACKET_VLAN.rawValue
    let tagged = try bench.packet(1522)
    tagged.fill(frame([0x81, 0, 0, 5], length: 1522))
    let tooLong = try bench.packet(1519)
    tooLong.flags = VIONET_PACKET_VLAN.rawValue
    #expect(bench.tx([plain, tagged, tooLong]) == 3)
    #expect(try bench.takeSent().1.count == 12 + 1522)
    #expect(try bench.takeSent().1.count == 12 + 1522)
    #expect(bench.transmitDevice.take() == nil)
    #expect(bench.sent.dropped(VIONET_DROP_LONG) == 1)
    #expect(bench.conserved())
  }

  @Test func aTagThatDoesNotFitInPlaceGetsASegmentOfItsOwn() throws {
    let bench = try RingBench(longest: 65535)
    let noRoom = try bench.packet(60)
    noRoom.set { packet in
      packet.headroom = 15
      unsafe packet.data -= 113
    }
    let room = try bench.packet(60)
    room.set { packet in
      packet.headroom = 16
      unsafe packet.data -= 112
    }
    let shared = try bench.packet(60)
    try unsafe PacketCalls.reference(shared.pointer)
    let cut = try bench.chain([13, 60])
    for packet in [noRoom, room, shared, cut] { packet.flags = VIONET_PACKET_VLAN.rawValue }
    #expect(bench.tx([noRoom, room, shared, cut]) == 4)
    #expect(bench.sent.allDropped == 0 && bench.sent.packets == 4)
    for length in [64, 64, 64, 77] {
      let (offer, sent) = try bench.takeSent()
      #expect(sent.count == 12 + length)
      bench.transmitDevice.use(offer, length: 0)
    }
    _ = bench.txDone()
    #expect(shared.length == 60)
    bench.free(shared)
    #expect(bench.conserved())
  }

  @Test func noNumberOfTheCallersTraps() throws {
    // Fields that are not compared before the tag goes in.
    let bench = try RingBench(dataSize: 65536, features: [Feature.checksum], longest: 65535)
    let wrong = try bench.packet(60)
    wrong.flags = VIONET_PACKET_VLAN.rawValue
    wrong.set { packet in
      packet.header_length = 65535
      packet.total_length = UInt32.max
      packet.checksum_start = 65535
    }
    let far = try bench.packet(65535)
    far.flags = VIONET_PACKET_VLAN.rawValue | 1
    far.set { packet in packet.checksum_start = 65533 }
    #expect(bench.tx([wrong, far]) == 2)
    #expect(bench.sent.packets == 1 && bench.sent.dropped(VIONET_DROP_OFFLOAD) == 1)
    // Bytes are counted by what was sent, not by total_length.
    #expect(bench.sent.bytes == 64)
    #expect(bench.conserved())
  }

  @Test func aTagTakenOutGoesInAgain() throws {
    let bench = try RingBench(features: [Feature.checksum, Feature.guestChecksum], stripsVLAN: true)
    let bytes = frame([0x81, 0, 0x0f, 0xff], length: 100)
    let header = HeaderBytes(flags: 1, checksumStart: 38, checksumOffset: 16)
    try deliver(bench, bytes, header)
    #expect(bench.tx([try bench.rxOne()]) == 1)
    var expected = header
    expected.buffers = 0
    #expect(try bench.takeSent().1 == expected.bytes(12) + bytes)
    #expect(bench.conserved())
  }
}
