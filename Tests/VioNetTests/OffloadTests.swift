// SPDX-License-Identifier: BSD-2-Clause
//
// What sent packets ask of the device (virtio 1.4, 5.1.9.2.1): the header as it is written, what is refused, and that
// a packet received by one port is sent by another as it came.

import CLinux
import CVionet
import Linux
import Testing
import Virtio

@testable import VioNet

@Suite(.serialized) struct OffloadTests {
  private static let all = [
    Feature.checksum, Feature.hostTSO4, Feature.hostTSO6, Feature.hostECN, Feature.hostUSO,
  ]

  /// A packet of 100 bytes that asks for something, what was negotiated, and whether the packet is sent.
  struct Case: Sendable {
    let features: [UInt64]
    let flags: UInt32
    /// header_length, segment_size, checksum_start, checksum_offset.
    let fields: [UInt16]
    let isSent: Bool
  }

  private static func checksum(_ start: UInt16, _ offset: UInt16, isSent: Bool) -> Case {
    Case(features: [Feature.checksum], flags: 1, fields: [0, 0, start, offset], isSent: isSent)
  }

  private static func segment(
    _ type: UInt32, _ features: [UInt64], isSent: Bool, header: UInt16 = 54, size: UInt16 = 10, flags: UInt32 = 1
  ) -> Case {
    Case(features: features, flags: flags | type << 8, fields: [header, size, 34, 16], isSent: isSent)
  }

  private static let csum = [Feature.checksum]

  static let cases: [Case] =
    [
      checksum(34, 16, isSent: true), checksum(98, 0, isSent: true), checksum(99, 0, isSent: false),
      checksum(0, 99, isSent: false), checksum(65535, 3, isSent: false), checksum(65535, 65535, isSent: false),
      Case(features: [], flags: 1, fields: [0, 0, 34, 16], isSent: false),
    ]
    + [1, 4, 5, 0x81, 0x84].map { segment($0, all, isSent: true) }
    + [2, 3, 6, 7, 8, 0x20, 0x21, 0x44, 0x7f, 0x80, 0x83, 0xff].map { segment($0, all, isSent: false) }
    + [1, 4, 5, 0x81].map { segment($0, csum, isSent: false) }
    + [
      segment(1, csum + [Feature.hostTSO4], isSent: true),
      segment(4, csum + [Feature.hostTSO4], isSent: false),
      segment(0x81, csum + [Feature.hostTSO4], isSent: false),
      segment(4, csum + [Feature.hostTSO6], isSent: true),
      segment(1, csum + [Feature.hostTSO6], isSent: false),
      segment(5, csum + [Feature.hostUSO], isSent: true),
      segment(1, csum + [Feature.hostUSO], isSent: false),
      // A type needs the checksum, a size, and headers that are all in the first segment.
      segment(1, all, isSent: false, flags: 0), segment(1, all, isSent: false, size: 0),
      segment(1, all, isSent: false, header: 33), segment(1, all, isSent: true, header: 34),
      segment(1, all, isSent: true, header: 100), segment(1, all, isSent: false, header: 101),
      segment(1, all, isSent: false, header: 0),
    ]

  private func ask(_ bench: RingBench, _ flags: UInt32, _ fields: [UInt16], _ packet: Packet) {
    packet.flags = flags
    packet.set { packet in
      packet.header_length = fields[0]
      packet.segment_size = fields[1]
      packet.checksum_start = fields[2]
      packet.checksum_offset = fields[3]
    }
  }

  @Test(arguments: RingKind.allCases) func whatWasNotNegotiatedIsDroppedAndCounted(kind: RingKind) throws {
    for test in OffloadTests.cases {
      let bench = try RingBench(kind, features: test.features)
      let packet = try bench.packet(100, first: 50)
      for place in 1...12 { packet.setBefore(place, 0xee) }
      ask(bench, test.flags, test.fields, packet)
      #expect(bench.tx([packet, try bench.packet(60)]) == 2)
      if test.isSent {
        let header = HeaderBytes(
          flags: 1, type: UInt8(test.flags >> 8), headerLength: test.fields[0], segmentSize: test.fields[1],
          checksumStart: test.fields[2], checksumOffset: test.fields[3], buffers: 0)
        #expect(try bench.takeSent().1 == header.bytes(12) + .counting(100, from: 50))
      }
      #expect(bench.sent.dropped(VIONET_DROP_OFFLOAD) == (test.isSent ? 0 : 1))
      #expect(try bench.takeSent().1 == [UInt8](repeating: 0, count: 12) + .counting(60))
      #expect(bench.sent.packets == (test.isSent ? 2 : 1) && bench.conserved())
    }
  }

  @Test(arguments: RingKind.allCases) func flagsOfReceivedPacketsAskForNothing(kind: RingKind) throws {
    // Neither they nor numbers without a flag are in the header.
    let bench = try RingBench(kind, features: OffloadTests.all)
    for flags in [
      VIONET_PACKET_CHECKSUM_GOOD.rawValue, VIONET_PACKET_HASH.rawValue, 0x0900_0000, 0xff00_0000, 0x0902_0002,
    ] {
      let packet = try bench.packet(60)
      ask(bench, flags, [1, 2, 3, 4], packet)
      #expect(bench.tx([packet]) == 1)
      #expect(try bench.takeSent().1 == [UInt8](repeating: 0, count: 12) + .counting(60))
    }
    // Reserved bits are refused, because they may get a meaning.
    for bit in Array(2..<8) + Array(18..<24) as [UInt32] {
      let packet = try bench.packet(60)
      ask(bench, 1 << bit | 1, [0, 0, 34, 16], packet)
      #expect(bench.tx([packet]) == 1)
    }
    #expect(bench.transmitDevice.take() == nil && bench.sent.dropped(VIONET_DROP_OFFLOAD) == 12)
    #expect(bench.conserved())
  }

  @Test(
    arguments: [([], false, 12), ([Feature.hashReport], false, 20), ([], true, 10)] as [([UInt64], Bool, UInt32)])
  func headersOfEverySizeAreWholeAndNoLonger(features: [UInt64], isLegacy: Bool, size: UInt32) throws {
    for kind in isLegacy ? [RingKind.split] : RingKind.allCases {
      let bench = try RingBench(kind, features: features + [Feature.checksum], isLegacy: isLegacy)
      #expect(bench.header == size)
      for flags in [0, 1] as [UInt32] {
        // Exactly the headroom that is needed.
        let packet = try bench.packet(60)
        let rest = Int(128 - size)
        packet.set { packet in
          packet.headroom = UInt16(size)
          unsafe packet.data -= rest
        }
        packet.fill(.counting(60, from: 3))
        let buffer = PoolView(bench.pool).deviceBuffer(packet)
        // The bytes before the buffer belong to another packet.
        for place in 1...Int(size) + 16 where packet.address != firstOfPool(bench) { packet.setBefore(place, 0xee) }
        ask(bench, flags, [0, 0, 34, 16], packet)
        #expect(bench.tx([packet]) == 1)
        let (offer, bytes) = try bench.takeSent()
        let header =
          flags == 0
          ? HeaderBytes(buffers: 0) : HeaderBytes(flags: 1, checksumStart: 34, checksumOffset: 16, buffers: 0)
        #expect(bytes == header.bytes(size) + .counting(60, from: 3))
        #expect(offer.elements[0].address == buffer)
        #expect((Int(size) + 1...Int(size) + 16).allSatisfy { packet.before($0) == 0xee })
      }
      #expect(bench.sent.packets == 2 && bench.conserved())
    }
  }

  private func firstOfPool(_ bench: RingBench) -> UInt { bench.pool.value.packetBase }

  @Test(arguments: RingKind.allCases) func aPacketToBeSegmentedMayBeLongerThanTheMTU(kind: RingKind) throws {
    let bench = try RingBench(kind, size: 128, features: OffloadTests.all)
    for (length, isSent) in [(65549, true), (65550, false)] {
      var lengths = [UInt32](repeating: 1984, count: length / 1984)
      lengths.append(UInt32(length % 1984))
      let packet = try bench.chain(lengths)
      ask(bench, 0x101, [54, 1460, 34, 16], packet)
      #expect(bench.tx([packet]) == 1)
      #expect(bench.sent.dropped(VIONET_DROP_LONG) == (isSent ? 0 : 1))
      if isSent { #expect(try bench.takeSent().1.count == 12 + length) }
    }
    let plain = try bench.packet(1519)
    ask(bench, 1, [0, 0, 34, 16], plain)
    #expect(bench.tx([plain]) == 1)
    #expect(bench.sent.dropped(VIONET_DROP_LONG) == 2)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases, [[], [Feature.indirect]] as [[UInt64]])
  func chainsAskForOffloads(kind: RingKind, features: [UInt64]) throws {
    let bench = try RingBench(kind, features: features + OffloadTests.all)
    let packet = try bench.chain([60, 500, 500])
    // The checksum's place may lie in the second segment.
    ask(bench, 0x401, [60, 300, 54, 16], packet)
    #expect(bench.tx([packet]) == 1)
    let header = HeaderBytes(
      flags: 1, type: 4, headerLength: 60, segmentSize: 300, checksumStart: 54, checksumOffset: 16, buffers: 0)
    #expect(try bench.takeSent().1 == header.bytes(12) + .counting(1060))
    // Headers may end in the second segment, but not beyond the last.
    let cut = try bench.chain([53, 500])
    ask(bench, 0x401, [54, 300, 34, 16], cut)
    #expect(bench.tx([cut]) == 1)
    #expect(try bench.takeSent().1.count == 12 + 553)
    let beyond = try bench.chain([53, 500])
    ask(bench, 0x401, [554, 300, 34, 16], beyond)
    #expect(bench.tx([beyond]) == 1)
    #expect(bench.sent.dropped(VIONET_DROP_OFFLOAD) == 1)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func aReceivedPacketIsSentAsItCame(kind: RingKind) throws {
    let guest = [
      Feature.guestChecksum, Feature.guestTSO4, Feature.guestTSO6, Feature.guestECN,
      Feature.guestUSO4,
    ]
    for merging in [[], [Feature.mergeable]] {
      let bench = try RingBench(kind, features: guest + OffloadTests.all + merging)
      for type in [0, 1, 4, 5, 0x81, 0x84] as [UInt8] {
        for flags in [1, 3] as [UInt8] {
          let header = HeaderBytes(
            flags: flags, type: type, headerLength: 74, segmentSize: type == 0 ? 0 : 700, checksumStart: 54,
            checksumOffset: 6)
          try bench.deliver(900, header.bytes(12), first: type)
          #expect(bench.tx(bench.rx()) == 1)
          var expected = header
          expected.flags = 1
          expected.buffers = 0
          let (offer, bytes) = try bench.takeSent()
          #expect(bytes == expected.bytes(12) + .counting(900, from: type))
          bench.transmitDevice.use(offer, length: 0)
        }
      }
      #expect(bench.sent.packets == 12 && bench.sent.allDropped == 0)
      #expect(bench.conserved())
    }
  }
}
