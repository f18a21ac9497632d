// SPDX-License-Identifier: BSD-2-Clause
//
// What the header of a received frame says, and what its packet says then (virtio 1.4, 5.1.9.4): checksums,
// segmentation, hash, tags. A header that uses what was not negotiated, or does not fit the frame, is invalid.

import CLinux
import CVionet
import Linux
import Testing
import Virtio

@testable import VioNet

@Suite(.serialized) struct ReceiveHeaderTests {
  private static let checksum = [Feature.guestChecksum]
  private static let all = [
    Feature.guestChecksum, Feature.guestTSO4, Feature.guestTSO6, Feature.guestECN,
    Feature.guestUSO4,
  ]

  /// A header on a frame of 100 bytes, and the packet's flags and offloads; nil if the frame must be dropped.
  struct Case: Sendable {
    let features: [UInt64]
    let header: HeaderBytes
    var flags: UInt32?
    /// header_length, segment_size, checksum_start, checksum_offset.
    var fields: [UInt16] = [0, 0, 0, 0]
  }

  private static func checksumCase(_ start: UInt16, _ offset: UInt16, isValid: Bool, flags: UInt8 = 1) -> Case {
    Case(
      features: checksum, header: HeaderBytes(flags: flags, checksumStart: start, checksumOffset: offset),
      flags: isValid ? UInt32(flags & 3) : nil, fields: [0, 0, start, offset])
  }

  static let checksums: [Case] = [
    checksumCase(34, 16, isValid: true), checksumCase(98, 0, isValid: true), checksumCase(0, 98, isValid: true),
    checksumCase(99, 0, isValid: false), checksumCase(60, 39, isValid: false), checksumCase(0, 99, isValid: false),
    // In 16 bits the sum of 65535 and 3 would be 2.
    checksumCase(65535, 3, isValid: false), checksumCase(65535, 65535, isValid: false),
    checksumCase(34, 16, isValid: true, flags: 3), checksumCase(34, 16, isValid: true, flags: 0xf9),
    // RSC_INFO, with which the fields mean something else.
    checksumCase(34, 16, isValid: false, flags: 5), checksumCase(34, 16, isValid: false, flags: 0xfd),
    // Fields without the flag that gives them a meaning, and unknown flags.
    Case(
      features: checksum, header: HeaderBytes(flags: 2, segmentSize: 7, checksumStart: 99, checksumOffset: 9), flags: 2),
    Case(features: checksum, header: HeaderBytes(flags: 0, headerLength: 9, checksumStart: 1), flags: 0),
    Case(features: checksum, header: HeaderBytes(flags: 0xfc), flags: 0),
    Case(features: checksum, header: HeaderBytes(flags: 0xfe), flags: 2),
  ]

  private static func segmentCase(
    _ type: UInt8, _ features: [UInt64], isValid: Bool, size: UInt16 = 1000, length: UInt16 = 54, kept: UInt16? = nil
  ) -> Case {
    Case(
      features: features,
      header: HeaderBytes(
        flags: 1, type: type, headerLength: length, segmentSize: size, checksumStart: 34, checksumOffset: 16),
      flags: isValid ? 1 | UInt32(type) << 8 : nil, fields: [kept ?? length, size, 34, 16])
  }

  static let segments: [Case] =
    [1, 4, 5, 0x81, 0x84].map { segmentCase($0, all, isValid: true) }
    // Unknown types, two at once, tunnels, UDP fragments, ECN alone.
    + [2, 3, 6, 7, 8, 9, 16, 0x21, 0x44, 0x7f, 0x80, 0x83, 0xff].map { segmentCase($0, all, isValid: false) }
    + [1, 4, 5, 0x81].map { segmentCase($0, checksum, isValid: false) }
    + [
      segmentCase(1, checksum + [Feature.guestTSO4], isValid: true),
      segmentCase(4, checksum + [Feature.guestTSO4], isValid: false),
      segmentCase(5, checksum + [Feature.guestTSO4], isValid: false),
      segmentCase(0x81, checksum + [Feature.guestTSO4], isValid: false),
      segmentCase(4, checksum + [Feature.guestTSO6], isValid: true),
      segmentCase(1, checksum + [Feature.guestTSO6], isValid: false),
      segmentCase(5, checksum + [Feature.guestUSO6], isValid: true),
      segmentCase(1, all, isValid: false, size: 0),
      // The header length is only a hint.
      segmentCase(1, all, isValid: true, length: 0), segmentCase(4, all, isValid: true, length: 100),
      segmentCase(1, all, isValid: true, length: 101, kept: 0),
      segmentCase(1, all, isValid: true, length: 65535, kept: 0),
      Case(
        features: all, header: HeaderBytes(type: 1, headerLength: 54, segmentSize: 9, checksumStart: 99), flags: 0x100,
        fields: [54, 9, 0, 0]),
    ]

  /// Receives the frame among others with plain headers.
  private func check(_ test: Case, _ kind: RingKind, _ more: [UInt64]) throws {
    let bench = try RingBench(kind, features: test.features + more)
    for place in 0..<9 {
      try bench.deliver(100, place == 4 ? test.header.bytes(12) : [], first: UInt8(place))
    }
    let packets = bench.rx()
    let isKept = test.flags != nil
    try #require(packets.count == (isKept ? 9 : 8))
    #expect(packets.map { $0.bytes[0] } == (isKept ? Array(0..<9) : [0, 1, 2, 3, 5, 6, 7, 8]))
    for (place, packet) in packets.enumerated() {
      let isTheOne = isKept && place == 4
      #expect(packet.flags == (isTheOne ? test.flags : 0))
      let o = packet.offloads
      let fields = [o.headerLength, o.segmentSize, o.checksumStart, o.checksumOffset]
      #expect(fields == (isTheOne && packet.flags != 2 ? test.fields : [0, 0, 0, 0]))
    }
    #expect(bench.received.dropped(VIONET_DROP_OFFLOAD) == (isKept ? 0 : 1))
    #expect(bench.received.packets == packets.count && bench.received.bytes == 100 * packets.count)
    bench.free(packets)
    #expect(bench.receive.value.core.ring.outstanding == 16)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func checksumsAreAcceptedIfTheyFit(kind: RingKind) throws {
    for test in ReceiveHeaderTests.checksums {
      try check(test, kind, [])
      try check(test, kind, [Feature.mergeable])
    }
  }

  @Test(arguments: RingKind.allCases) func segmentationIsAcceptedIfItWasNegotiated(kind: RingKind) throws {
    for test in ReceiveHeaderTests.segments {
      try check(test, kind, [])
      try check(test, kind, [Feature.mergeable])
    }
  }

  @Test(arguments: RingKind.allCases, [0, Feature.mergeable])
  func workThatWasNotNegotiatedIsDropped(kind: RingKind, feature: UInt64) throws {
    let bench = try RingBench(kind, features: [feature])
    let odd = [
      HeaderBytes(flags: 1, checksumStart: 34, checksumOffset: 16), HeaderBytes(flags: 3, type: 1, segmentSize: 0),
      HeaderBytes(type: 5, headerLength: 9, segmentSize: 100, checksumStart: 9999),
    ]
    for round in 0..<20 {
      // One at a time, and then behind frames that ask for nothing.
      for header in odd {
        try bench.deliver(60, header.bytes(12))
        #expect(bench.rx().isEmpty)
      }
      for header in [HeaderBytes(flags: 2), odd[0], HeaderBytes(), odd[2]] { try bench.deliver(60, header.bytes(12)) }
      let packets = bench.rx()
      #expect(packets.map(\.flags) == [0, 0])
      #expect(bench.received.dropped(VIONET_DROP_OFFLOAD) == UInt64(5 * round + 5))
      bench.free(packets)
    }
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func numBuffersMeansNothingWithoutTheFeature(kind: RingKind) throws {
    let bench = try RingBench(kind)
    try bench.deliver(60, HeaderBytes(flags: 2, headerLength: 9, checksumStart: 9999, buffers: 7).bytes(12))
    let packet = try bench.rxOne()
    #expect(packet.flags == 0 && packet.offloads.bits == 0)
    bench.free(packet)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func aBurstOfInvalidHeadersIsBounded(kind: RingKind) throws {
    let bench = try RingBench(kind, features: ReceiveHeaderTests.all)
    for _ in 0..<16 { try bench.deliver(60, HeaderBytes(type: 3).bytes(12)) }
    #expect(bench.rx().isEmpty)
    #expect(bench.received.dropped(VIONET_DROP_OFFLOAD) == 16)
    #expect(bench.received.packets == 0 && bench.received.bytes == 0)
    #expect(bench.receive.value.core.ring.outstanding == 16)
    #expect(bench.conserved())
  }

  /// Where every header has to be looked at, none may pass for a plain one: all bits set are what nothing to look at is
  /// marked by.
  @Test(arguments: RingKind.allCases, [0, Feature.mergeable])
  func aHeaderOfAllOnesIsInvalid(kind: RingKind, feature: UInt64) throws {
    let bench = try RingBench(kind, features: [feature], stripsVLAN: true)
    let buffers: UInt16 = feature == 0 ? 0xffff : 1
    for _ in 0..<8 { try bench.deliver(60, HeaderBytes(flags: 0xff, type: 0xff, buffers: buffers).bytes(12)) }
    #expect(bench.rx().isEmpty)
    #expect(bench.received.dropped(VIONET_DROP_OFFLOAD) == 8 && bench.received.packets == 0)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func aChecksumMayLieBehindTheFirstBuffer(kind: RingKind) throws {
    let bench = try RingBench(
      kind, dataSize: 64, features: [Feature.guestChecksum, Feature.mergeable])
    for (end, isValid) in [(134, true), (135, false)] {
      let offers = try bench.receiveDevice.take(2)
      let header = HeaderBytes(flags: 1, checksumStart: 54, checksumOffset: UInt16(end - 56), buffers: 2)
      bench.write(64, header.bytes(12), to: offers[0])
      bench.receiveDevice.use(offers[0], length: 76)
      bench.receiveDevice.use(offers[1], length: 70)
      let packets = bench.rx()
      #expect(packets.count == (isValid ? 1 : 0))
      bench.free(packets)
    }
    #expect(bench.received.dropped(VIONET_DROP_OFFLOAD) == 1)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func theHashIsAcceptedIfItsTypeIsKnown(kind: RingKind) throws {
    for more in [[], [Feature.mergeable]] {
      let bench = try RingBench(kind, features: [Feature.hashReport, Feature.guestChecksum] + more)
      #expect(bench.header == 20)
      for report in [0, 1, 2, 9, 10, 255, 256, 257, 65535] as [UInt16] {
        var header = HeaderBytes(flags: 2)
        header.hash = 0xdead_beef
        header.report = report
        header.padding = 0xffff
        try bench.deliver(60, header.bytes(20), first: 5)
        let packet = try bench.rxOne()
        #expect(packet.bytes == .counting(60, from: 5))
        let isKnown = (1...9).contains(report)
        #expect(packet.hash == (isKnown ? 0xdead_beef : 0))
        #expect(packet.flags == 2 | (isKnown ? VIONET_PACKET_HASH.rawValue | UInt32(report) << 24 : 0))
        bench.free(packet)
      }
      #expect(bench.conserved())
    }
  }

  @Test(arguments: RingKind.allCases) func aDeviceFromBefore1HasTenBytesOfHeader(kind: RingKind) throws {
    let bench = try RingBench(kind, features: ReceiveHeaderTests.checksum, isLegacy: true)
    #expect(bench.header == 10)
    for (flags, kept) in [(0, 0), (1, 1), (2, 2)] as [(UInt8, UInt32)] {
      try bench.deliver(60, HeaderBytes(flags: flags, checksumStart: 34, checksumOffset: 16).bytes(10), first: 7)
      let packet = try bench.rxOne()
      #expect(packet.bytes == .counting(60, from: 7) && packet.flags == kept)
      bench.free(packet)
    }
    #expect(bench.conserved())
  }
}
