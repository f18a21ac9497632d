// SPDX-License-Identifier: BSD-2-Clause
//
// vionet_tx_prepare: where the checksum of a packet goes, and the pseudo-header's sum in its place, for TCP and UDP
// over IPv4 and IPv6 with all options, compared with FrameBuilder; and what it refuses.

import CLinux
import CVionet
import Linux
import Testing
import Virtio

@testable import VioNet

@Suite(.serialized) struct PrepareTests {
  static let all = [
    Feature.checksum, Feature.hostTSO4, Feature.hostTSO6, Feature.hostUSO,
  ]

  /// TCP and UDP, with and without tags, options and extension headers, and payloads even and odd.
  static let variants: [FrameBuilder] = {
    var all: [FrameBuilder] = []
    for isTCP in [true, false] {
      for tags in [[], [5], [7, 4095]] as [[UInt16]] {
        for options in [0, 4, 40] {
          var frame = FrameBuilder(tags: tags, isTCP: isTCP, networkOptions: options)
          frame.transportOptions = isTCP ? 40 - options : 0
          all.append(frame)
        }
        for extensions in [[], [(0, 0, 0)], [(60, 1, 7)], [(43, 2, 0)], [(0, 0, 0), (43, 4, 0), (60, 31, 0)]]
          as [[(kind: UInt8, eights: Int, fourth: UInt8)]]
        {
          all.append(FrameBuilder(tags: tags, isIPv6: true, isTCP: isTCP, extensions: extensions))
        }
      }
    }
    return all
  }()

  private func offloads(_ packet: Packet) -> [Int] {
    let o = packet.offloads
    return [o.headerLength, o.segmentSize, o.checksumStart, o.checksumOffset].map { Int($0) }
  }

  /// Makes a packet that asks for `flags` and prepares it; nil if it was refused.
  private func prepare(_ bench: RingBench, _ bytes: [UInt8], flags: UInt32 = 1, segment: UInt16 = 0) throws -> Packet? {
    let packet = try bench.packet(0)
    packet.fill(bytes)
    packet.flags = flags
    packet.set { packet in packet.segment_size = segment }
    do {
      try bench.transmit.value.prepare(packet)
      return packet
    } catch {
      #expect(error.code == EINVAL)
      bench.free(packet)
      return nil
    }
  }

  @Test func theChecksumIsRightOnceItIsCompleted() throws {
    let bench = try RingBench(features: PrepareTests.all, longest: 65535)
    for variant in PrepareTests.variants {
      for payload in [0, 1, 2, 7, 8, 1001] {
        var frame = variant
        frame.payload = payload
        let bytes = frame.bytes()
        let packet = try #require(try prepare(bench, bytes), "\(frame)")
        #expect(offloads(packet) == [0, 0, frame.transport, frame.checksumOffset], "\(frame)")
        let done = FrameBuilder.complete(packet.bytes, start: frame.transport, offset: frame.checksumOffset)
        #expect(done == frame.finished(bytes), "\(frame)")
        // A second time changes nothing.
        let before = packet.bytes
        try bench.transmit.value.prepare(packet)
        #expect(packet.bytes == before)
        #expect(bench.tx([packet]) == 1)
        bench.transmitDevice.use(try bench.takeSent().0, length: 0)
      }
    }
    #expect(bench.sent.allDropped == 0)
    _ = bench.txDone()
    #expect(bench.conserved())
  }

  @Test func paddingBehindTheIPPacketIsNotItsPayload() throws {
    let bench = try RingBench(features: PrepareTests.all)
    for variant in PrepareTests.variants {
      var frame = variant
      frame.payload = 3
      frame.padding = 9
      let bytes = frame.bytes()
      let packet = try #require(try prepare(bench, bytes))
      let done = FrameBuilder.complete(packet.bytes, start: frame.transport, offset: frame.checksumOffset)
      #expect(done == frame.finished(bytes), "\(frame)")
      bench.free(packet)
    }
  }

  @Test func aLengthThatCannotBeRightIsNotUsed() throws {
    // The IP header's length is 0, less than the headers, or more than the frame.
    let bench = try RingBench(features: PrepareTests.all)
    for isIPv6 in [false, true] {
      for stated in [0, 1, 19, 2000, 65535] as [UInt16] {
        let frame = FrameBuilder(isIPv6: isIPv6)
        var bytes = frame.bytes()
        let right = frame.finished(bytes)
        let place = frame.network + (isIPv6 ? 4 : 2)
        bytes[place] = UInt8(stated >> 8)
        bytes[place + 1] = UInt8(stated & 0xff)
        let packet = try #require(try prepare(bench, bytes))
        let done = FrameBuilder.complete(packet.bytes, start: frame.transport, offset: frame.checksumOffset)
        #expect(done[frame.transport...] == right[frame.transport...])
        bench.free(packet)
      }
    }
  }

  @Test func aCutFrameIsRefusedAtEveryLength() throws {
    // The rest of the frame lies behind the end, so that a read beyond it would succeed.
    let bench = try RingBench(features: PrepareTests.all)
    for variant in PrepareTests.variants {
      let bytes = variant.bytes()
      for length in 1..<bytes.count {
        let packet = try bench.packet(0)
        packet.fill(bytes)
        packet.set { packet in
          packet.length = UInt32(length)
          packet.total_length = UInt32(bytes.count)
        }
        packet.flags = 1
        let isWhole = (try? bench.transmit.value.prepare(packet)) != nil
        #expect(isWhole == (length >= variant.end), "\(length) bytes of \(variant)")
        if !isWhole { #expect(Array(packet.bytes) == Array(bytes[..<length])) }
        bench.free(packet)
      }
    }
    #expect(bench.conserved())
  }

  @Test func whatIsNeitherTCPNorUDPIsRefused() throws {
    let bench = try RingBench(features: PrepareTests.all)
    func refused(_ frame: FrameBuilder, _ what: String, _ change: (inout [UInt8]) -> Void = { _ in }) throws {
      var bytes = frame.bytes()
      change(&bytes)
      #expect(try prepare(bench, bytes) == nil, "\(what)")
    }
    let v4 = FrameBuilder()
    let v6 = FrameBuilder(isIPv6: true)
    for type in [[0x08, 0x06], [0x88, 0xcc], [0x05, 0xdc], [0, 0]] as [[UInt8]] {
      try refused(v4, "EtherType") { $0.replaceSubrange(12..<14, with: type) }
    }
    for kind in [0, 1, 2, 41, 47, 50, 132, 255] as [UInt8] {
      try refused(v4, "IPv4 protocol \(kind)") { $0[v4.network + 9] = kind }
    }
    for kind in [1, 41, 44, 50, 51, 58, 59, 135, 255] as [UInt8] {
      try refused(v6, "IPv6 next header \(kind)") { $0[v6.network + 6] = kind }
    }
    // Fragments: more of them, and not the first.
    for (high, low) in [(0x20, 0), (0, 1), (0x1f, 0xff), (0x60, 0)] as [(UInt8, UInt8)] {
      try refused(v4, "a fragment") { bytes in
        bytes[v4.network + 6] = high
        bytes[v4.network + 7] = low
      }
    }
    for words in 0..<5 as Range<UInt8> {
      try refused(v4, "an IPv4 header of \(words) words") { $0[v4.network] = 0x40 | words }
      try refused(v4, "a TCP header of \(words) words") { $0[v4.transport + 12] = words << 4 }
      try refused(v6, "a TCP header of \(words) words") { $0[v6.transport + 12] = words << 4 }
    }
    try refused(v4, "a TCP header longer than the packet") { $0[v4.transport + 12] = 0xf0 }
    // With segments left the packet has another destination than the sum needs.
    for left in [1, 2, 255] as [UInt8] {
      try refused(FrameBuilder(isIPv6: true, extensions: [(43, 2, left)]), "a routing header with \(left) left")
      try refused(
        FrameBuilder(isIPv6: true, extensions: [(0, 0, 0), (43, 2, left)]),
        "a routing header with \(left) left behind another")
    }
    // Headers without end, and tags.
    try refused(
      FrameBuilder(
        isIPv6: true, extensions: [(kind: UInt8, eights: Int, fourth: UInt8)](repeating: (60, 0, 0), count: 150)),
      "150 extension headers")
    try refused(FrameBuilder(tags: [UInt16](repeating: 1, count: 400)), "400 tags")
    #expect(bench.conserved())
  }

  @Test func segmentationKnowsTheLengthOfItsHeaders() throws {
    let bench = try RingBench(features: PrepareTests.all, longest: 1518)
    for variant in PrepareTests.variants {
      var frame = variant
      frame.payload = 1003
      let bytes = frame.bytes()
      let type: UInt32 = frame.isTCP ? (frame.isIPv6 ? 4 : 1) : 5
      for flags in [type << 8, type << 8 | 1] {
        let packet = try #require(try prepare(bench, bytes, flags: flags, segment: 300))
        // Segmentation implies the checksum.
        #expect(packet.flags == type << 8 | 1)
        #expect(offloads(packet) == [frame.end, 300, frame.transport, frame.checksumOffset])
        let done = FrameBuilder.complete(packet.bytes, start: frame.transport, offset: frame.checksumOffset)
        #expect(done == frame.finished(bytes))
        #expect(bench.tx([packet]) == 1)
        bench.transmitDevice.use(try bench.takeSent().0, length: 0)
      }
      #expect(try prepare(bench, bytes, flags: type << 8, segment: 0) == nil)
    }
    #expect(bench.sent.allDropped == 0)
  }

  @Test func fieldsThatTheCallerFilledStay() throws {
    let bench = try RingBench(features: PrepareTests.all)
    let frame = FrameBuilder(payload: 200)
    for (start, offset, isValid) in [(34, 16, true), (20, 6, true), (252, 0, true), (253, 0, false), (65535, 1, false)]
      as [(UInt16, UInt16, Bool)]
    {
      let packet = try bench.packet(0)
      packet.fill(frame.bytes())
      packet.flags = 1
      packet.set { packet in
        packet.checksum_start = start
        packet.checksum_offset = offset
      }
      let before = packet.bytes
      #expect(((try? bench.transmit.value.prepare(packet)) != nil) == isValid)
      #expect(packet.bytes == before && offloads(packet) == [0, 0, Int(start), Int(offset)])
      bench.free(packet)
    }
  }

  @Test func severalSegmentsHaveOneChecksum() throws {
    // The headers are in the first segment; the length is that of all.
    let bench = try RingBench(features: PrepareTests.all)
    let frame = FrameBuilder(isIPv6: true, payload: 500)
    let bytes = frame.bytes()
    for cut in [frame.end, frame.end + 1, 300] {
      let head = try bench.packet(0)
      head.fill(Array(bytes[..<cut]))
      let tail = try bench.packet(0)
      tail.fill(Array(bytes[cut...]))
      unsafe _ = vionet_packet_chain(head.pointer, tail.pointer)
      head.flags = 1
      try bench.transmit.value.prepare(head)
      #expect(FrameBuilder.complete(head.bytes, start: frame.transport, offset: 16) == frame.finished(bytes))
      bench.free(head)
    }
    #expect(bench.conserved())
  }

  @Test func whatCannotBePreparedSaysWhy() throws {
    let bench = try RingBench(features: [Feature.checksum])
    let other = try RingBench(features: [])
    func says(_ bench: RingBench, _ packet: Packet?, _ code: Int32, _ needle: String) {
      let error = #expect(throws: Failure.self) { try bench.transmit.value.prepare(packet) }
      #expect(error?.code == code)
      let sentence = unsafe String(cString: sentence_get(Int32(SENTENCE_ERROR)))
      #expect(sentence.contains(needle), "\(sentence)")
    }
    let packet = try bench.packet(0)
    packet.fill(FrameBuilder().bytes())
    for (flags, name) in [(0x100, "HOST_TSO4"), (0x400, "HOST_TSO6"), (0x500, "HOST_USO"), (0x8001, "HOST_ECN")]
      as [(UInt32, String)]
    {
      packet.flags = flags
      packet.set { packet in packet.segment_size = 100 }
      says(bench, packet, ENOTSUP, "VIRTIO_NET_F_\(name)")
    }
    packet.flags = 0x101
    says(other, packet, ENOTSUP, "VIRTIO_NET_F_CSUM")
    packet.flags = 0
    says(other, packet, EINVAL, "not shared")
    let own = try other.packet(0)
    own.fill(FrameBuilder().bytes())
    own.flags = 1
    try other.transmit.value.prepare(own)
    #expect(own.flags == 0 && own.bytes == FrameBuilder().finished(own.bytes))
    try other.transmit.value.prepare(own)
    other.free(own)
    // Data that is shared must not be written.
    packet.flags = 1
    try unsafe PacketCalls.reference(packet.pointer)
    says(bench, packet, EINVAL, "shared")
    bench.free(packet)
    bench.free(packet)
    says(bench, packet, EINVAL, "holds")
    says(bench, nil, EINVAL, "holds")
    #expect(bench.conserved())
  }
}
