// SPDX-License-Identifier: BSD-2-Clause
//
// The 24 bytes of a header with a tunnel's offsets (virtio 1.4, 5.1.9): which ones a device may send, what their packet says
// then, and what is written for a packet to be sent.

import CLinux
import CVionet
import Linux
import Testing
import Virtio

@testable import VioNet

@Suite(.serialized) struct TunnelHeaderTests {
  private static let guest = [
    Feature.guestChecksum, Feature.guestTSO4, Feature.guestTSO6, Feature.guestECN, Feature.guestUSO4,
    Feature.guestUSO6,
  ]
  private static let host = [
    Feature.checksum, Feature.hostTSO4, Feature.hostTSO6, Feature.hostECN, Feature.hostUSO,
  ]

  /// A header on a frame of 300 bytes, what was agreed, and whether the frame is received.
  struct Case: Sendable {
    var above = HigherFeature.guest
    var flags: UInt8 = 1
    var type: UInt8 = 0x21
    var outer: UInt16 = 34
    var inner: UInt16 = 64
    var start: UInt16 = 84
    /// Bytes of payload in each segment, and whether ECN was agreed on.
    var segment: UInt16 = 50
    var hasECN = true
    var isValid = false
  }

  static let cases: [Case] =
    [
      Case(isValid: true), Case(flags: 9, isValid: true), Case(type: 0x25, isValid: true),
      Case(type: 0xa1, isValid: true), Case(type: 0x44, outer: 54, inner: 84, start: 124, isValid: true),
      Case(type: 0x24, start: 104, isValid: true), Case(type: 0x41, outer: 54, inner: 84, start: 104, isValid: true),
      Case(above: HigherFeature.guestTunnel, isValid: true),
      // Both tunnels, none to be cut, fragments, unknown kinds.
      Case(type: 0x61), Case(type: 0x20), Case(type: 0x23), Case(type: 0x22), Case(type: 0x26), Case(type: 0x27),
      Case(type: 0x28), Case(type: 0x30), Case(type: 0xa0), Case(type: 0xff),
      // No checksum to complete, one that is said to be right, what was not agreed on.
      Case(flags: 0), Case(flags: 8), Case(flags: 2), Case(flags: 3), Case(flags: 11), Case(flags: 5),
      Case(above: HigherFeature.guestTunnel, flags: 9), Case(above: 0), Case(above: HigherFeature.host),
      Case(type: 0xa1, hasECN: false), Case(segment: 0),
      // Headers that begin too early, lie in one another, or behind the frame.
      Case(outer: 33), Case(outer: 0), Case(type: 0x41, outer: 53, inner: 84, start: 104), Case(inner: 41),
      Case(inner: 0), Case(inner: 65), Case(start: 83), Case(type: 0x24, start: 103), Case(start: 0),
      Case(outer: 65535), Case(inner: 65535), Case(outer: 65527, inner: 65535, start: 84), Case(start: 65535),
      Case(outer: 65535, inner: 65535, start: 65535), Case(start: 300), Case(start: 283),
    ]

  @Test(arguments: RingKind.allCases, [[], [Feature.mergeable]] as [[UInt64]])
  func tunnelsAreAcceptedIfTheyFit(kind: RingKind, more: [UInt64]) throws {
    for test in TunnelHeaderTests.cases {
      let guest = TunnelHeaderTests.guest.filter { test.hasECN || $0 != Feature.guestECN }
      let bench = try RingBench(kind, features: guest + more, above: test.above)
      let size: UInt32 = test.above == 0 ? 12 : 24
      #expect(bench.header == size)
      var header = HeaderBytes(
        flags: test.flags, type: test.type, headerLength: 104, segmentSize: test.segment, checksumStart: test.start,
        checksumOffset: 16)
      header.tunnel = TunnelOffsets(outerTransport: test.outer, innerNetwork: test.inner)
      try bench.deliver(300, header.bytes(size), first: 9)
      try bench.deliver(60, HeaderBytes().bytes(size), first: 1)
      let packets = bench.rx()
      #expect(packets.count == (test.isValid ? 2 : 1), "\(test)")
      #expect(bench.received.dropped(VIONET_DROP_OFFLOAD) == (test.isValid ? 0 : 1))
      if test.isValid, let packet = packets.first {
        #expect(packet.bytes == .counting(300, from: 9))
        #expect(packet.flags == UInt32(test.flags) | UInt32(test.type) << 8)
        #expect(bench.pool.value.tunnel(packet) == header.tunnel)
        #expect(packet.offloads.checksumStart == test.start && packet.offloads.segmentSize == 50)
      }
      bench.free(packets)
      #expect(bench.conserved())
    }
  }

  @Test(arguments: RingKind.allCases) func offsetsWithoutATunnelMeanNothing(kind: RingKind) throws {
    let bench = try RingBench(kind, features: TunnelHeaderTests.guest, above: HigherFeature.guest)
    let plain: [(UInt8, UInt8, UInt32)] = [(1, 0, 1), (1, 1, 0x101), (2, 0, 2), (10, 0, 10), (0, 0, 0)]
    for (flags, type, kept) in plain {
      var header = HeaderBytes(flags: flags, type: type, segmentSize: 50, checksumStart: 34, checksumOffset: 16)
      header.tunnel = TunnelOffsets(outerTransport: 0xffff, innerNetwork: 0xffff)
      try bench.deliver(60, header.bytes(24))
      let packet = try bench.rxOne()
      #expect(packet.flags == kept)
      bench.free(packet)
    }
    // The tunnel's own checksum is incomplete, and there is no tunnel.
    for type in [0, 1] as [UInt8] {
      let header = HeaderBytes(flags: 9, type: type, segmentSize: 50, checksumStart: 34, checksumOffset: 16)
      try bench.deliver(60, header.bytes(24))
    }
    #expect(bench.rx().isEmpty && bench.received.dropped(VIONET_DROP_OFFLOAD) == 2)
    #expect(bench.conserved())
  }

  /// A device that writes anything: what is received has headers that lie inside the packet, one behind the other.
  @Test(arguments: RingKind.allCases, [[], [Feature.mergeable]] as [[UInt64]])
  func noHeaderLeadsOutOfItsPacket(kind: RingKind, more: [UInt64]) throws {
    let bench = try RingBench(kind, features: TunnelHeaderTests.guest + more, above: HigherFeature.guest)
    let near: [UInt16] = [0, 1, 33, 34, 41, 42, 63, 64, 83, 84, 99, 100, 280, 298, 299, 300, 301, 65534, 65535]
    var random = SystemRandomNumberGenerator()
    func any() -> UInt16 {
      Bool.random(using: &random) ? near.randomElement(using: &random) ?? 0 : UInt16.random(in: 0...400)
    }
    var tunnels = 0
    for _ in 0..<3000 {
      var header = HeaderBytes(
        flags: [1, 1, 1, 9, UInt8.random(in: 0...255)].randomElement(using: &random) ?? 1,
        type: [0x21, 0x24, 0x41, 0x44, 0x25, UInt8.random(in: 0...255)].randomElement(using: &random) ?? 0,
        headerLength: any(), segmentSize: any(), checksumStart: any(), checksumOffset: any())
      header.tunnel = TunnelOffsets(outerTransport: any(), innerNetwork: any())
      try bench.deliver(300, header.bytes(24))
      let packets = bench.rx()
      for packet in packets {
        #expect(packet.offloads.headerLength <= 300)
        if packet.flags & Offloads.needsChecksum != 0 {
          #expect(Int(packet.offloads.checksumStart) + Int(packet.offloads.checksumOffset) + 2 <= 300)
        }
        if packet.flags & Offloads.tunnels == 0 { continue }
        tunnels += 1
        let tunnel = bench.pool.value.tunnel(packet)
        #expect(tunnel.outerTransport >= 34 && tunnel.innerNetwork >= tunnel.outerTransport + 8)
        #expect(packet.offloads.checksumStart >= tunnel.innerNetwork + 20 && packet.offloads.checksumStart < 300)
      }
      bench.free(packets)
    }
    #expect(tunnels > 0 && bench.received.dropped(VIONET_DROP_OFFLOAD) > 100)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func theHashLiesBeforeTheOffsets(kind: RingKind) throws {
    let bench = try RingBench(
      kind, features: TunnelHeaderTests.guest + [Feature.hashReport], above: HigherFeature.guest)
    var header = HeaderBytes(flags: 1, type: 0x21, segmentSize: 50, checksumStart: 84, checksumOffset: 16)
    header.tunnel = TunnelOffsets(outerTransport: 34, innerNetwork: 64)
    header.hash = 0xdead_beef
    header.report = 2
    try bench.deliver(300, header.bytes(24))
    let packet = try bench.rxOne()
    #expect(packet.hash == 0xdead_beef && bench.pool.value.tunnel(packet) == header.tunnel)
    #expect(packet.flags == 0x2101 | VIONET_PACKET_HASH.rawValue | 2 << 24)
    bench.free(packet)
    #expect(bench.conserved())
  }

  @Test(arguments: RingKind.allCases) func sentPacketsSayWhereTheirHeadersLie(kind: RingKind) throws {
    for above in [HigherFeature.host, HigherFeature.hostTunnel, 0] {
      for (flags, type) in [(1, 0x21), (9, 0x21), (1, 0x81), (0, 0)] as [(UInt32, UInt32)] {
        let bench = try RingBench(kind, features: TunnelHeaderTests.host, above: above)
        let packet = try bench.packet(300, first: 7)
        for place in 1...24 { packet.setBefore(place, 0xee) }
        packet.flags = flags | type << 8
        packet.set { packet in
          packet.header_length = flags == 0 ? 0 : 104
          packet.segment_size = flags == 0 ? 0 : 50
          packet.checksum_start = flags == 0 ? 0 : 84
          packet.checksum_offset = flags == 0 ? 0 : 16
        }
        let tunnel = TunnelOffsets(outerTransport: 34, innerNetwork: 64)
        bench.pool.value.setTunnel(packet, tunnel)
        let isTunnel = type & 0x60 != 0
        let isSent = !isTunnel || above != 0 && (flags & 8 == 0 || above == HigherFeature.host)
        #expect(bench.tx([packet]) == 1)
        #expect(bench.sent.dropped(VIONET_DROP_OFFLOAD) == (isSent ? 0 : 1))
        if isSent {
          var header = HeaderBytes(buffers: 0)
          if flags != 0 {
            header = HeaderBytes(
              flags: UInt8(flags), type: UInt8(type), headerLength: 104, segmentSize: 50, checksumStart: 84,
              checksumOffset: 16, buffers: 0)
          }
          if isTunnel { header.tunnel = tunnel }
          #expect(try bench.takeSent().1 == header.bytes(bench.header) + .counting(300, from: 7))
        }
        #expect(bench.conserved())
      }
    }
  }
}
