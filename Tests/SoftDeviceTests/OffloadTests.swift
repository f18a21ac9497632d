// SPDX-License-Identifier: BSD-2-Clause
//
// What a net header asks for is passed on to a driver that has agreed to it, done here where it can be, and the frame
// lost where it cannot.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

/// A net header's ten bytes.
func header(
  flags: UInt8 = 0, kind: UInt8 = 0, length: UInt16 = 0, size: UInt16 = 0, start: UInt16 = 0, offset: UInt16 = 0
) -> [UInt8] {
  [flags, kind] + [length, size, start, offset].flatMap { FrontEnd.bytes($0) }
}

extension SoftDeviceTests {
  @Suite struct OffloadTests {
    static let simple = FrontEnd.simple & ~(Feature.guestOffloads | Feature.hostOffloads)
    static let allGuest = Feature.guestOffloads
    static let partial = header(flags: 1, start: 34, offset: 6)

    /// What comes back of a frame with a header; nil if nothing does.
    private func back(
      _ features: UInt64, _ asking: [UInt8], _ sent: [UInt8], wire: String = "loopback"
    ) throws -> (frame: [UInt8], header: [UInt8])? {
      let bench = try Bench(wire, wish: Self.simple | Feature.hostOffloads | features)
      let front = bench.front
      try front.start()
      front.fill(40)
      front.transmit(sent, asking: asking)
      #expect(front.takeUsed(1) != nil)
      #expect(bench.until { $0.fromDriver == 1 })
      guard let got = front.receiveWhole(wait: 0) else {
        #expect(bench.until { $0.toDriverDrops == 1 })
        return nil
      }
      return (got.frame, Array(got.header[..<10]))
    }

    @Test func partialChecksumIsPassedOn() throws {
      let sent = Datagram(to: 9, length: 101, partial: true).bytes
      let got = try #require(try back(Feature.guestChecksum, Self.partial, sent))
      #expect(got.frame == sent && got.header == Self.partial)
    }

    @Test(arguments: [0, 1, 100, 1000])
    func partialChecksumIsCompleted(_ length: Int) throws {
      let sent = Datagram(to: 9, length: length, partial: true).bytes
      let got = try #require(try back(0, Self.partial, sent))
      #expect(got.frame == Datagram(to: 9, length: length).bytes)
      #expect(got.header == header())
    }

    /// Frame and buffers are in pieces that begin and end anywhere.
    @Test func partialChecksumInPieces() throws {
      for parts in 2...6 {
        let extra = parts % 2 == 0 ? Feature.mergeable : 0
        let bench = try Bench("loopback", wish: Self.simple | Feature.checksum | extra)
        let front = bench.front
        try front.start()
        front.fill(10, length: extra == 0 ? 2000 : 61, parts: parts)
        front.transmit(Datagram(to: 7, length: 333, partial: true).bytes, parts: parts, asking: Self.partial)
        try front.expect(Datagram(to: 7, length: 333).bytes)
      }
    }

    @Test func headersThatSayNothing() throws {
      let sent = frame(100)
      for asking in [header(flags: 0xfe, length: 9, size: 9, start: 9, offset: 9), header(flags: 2)] {
        let got = try #require(try back(Self.allGuest, asking, sent))
        // That a checksum was found right is the device's to say, and it has looked at none.
        #expect(got.frame == sent && got.header == header())
        #expect(try back(0, asking, sent)?.header == header())
      }
      // A driver that agreed to no offload may put anything there.
      let bench = try Bench("loopback", wish: Self.simple)
      try bench.front.start()
      bench.front.fill(1)
      bench.front.transmit(sent, asking: header(flags: 1, kind: 1, length: 9, size: 0, start: 9000, offset: 9))
      try bench.front.expect(sent)
    }

    @Test func segmentsNeedAgreement() throws {
      let sent = frame(1900)
      let kinds: [(UInt8, UInt64)] = [
        (1, Feature.guestTSO4), (4, Feature.guestTSO6), (5, Feature.guestUSO4 | Feature.guestUSO6),
        (0x81, Feature.guestTSO4 | Feature.guestECN), (0x84, Feature.guestTSO6 | Feature.guestECN),
      ]
      for (kind, feature) in kinds {
        let asking = header(flags: 1, kind: kind, length: 54, size: 1000, start: 34, offset: 16)
        let got = try #require(try back(Feature.guestChecksum | feature, asking, sent))
        #expect(got.frame == sent && got.header == asking)
        let lowest = feature & (0 &- feature)
        #expect(try back(Feature.guestChecksum | feature & ~lowest, asking, sent) == nil)
        #expect(try back(0, asking, sent) == nil)
        // Longer than the MTU is no segment, and what is none is too long.
        #expect(try back(Self.allGuest, Self.partial, sent) == nil)
      }
    }

    @Test(arguments: [
      header(flags: 1, start: 100, offset: 0), header(flags: 1, start: 99, offset: 0), header(flags: 1, start: 0xffff),
      header(flags: 1, offset: 0xffff), header(flags: 1, start: 0xffff, offset: 0xffff),
      header(flags: 0, kind: 1, size: 100, start: 34, offset: 16),
      header(flags: 1, kind: 1, size: 0, start: 34, offset: 16),
      header(flags: 1, kind: 3, size: 9, start: 34, offset: 16),
      header(flags: 1, kind: 2, size: 9, start: 34, offset: 16),
      header(flags: 1, kind: 0x80, size: 9, start: 34, offset: 16), header(flags: 1, kind: 0x21, size: 9, start: 34),
    ])
    func nonsenseIsLost(_ asking: [UInt8]) throws {
      #expect(try back(Self.allGuest, asking, frame(100)) == nil)
    }

    /// A header of 24 bytes with a tunnel, sent by a driver that may, and what comes back to it.
    private func tunnelled(
      _ above: UInt64, _ asking: [UInt8], outer: UInt16 = 34, inner: UInt16 = 64
    ) throws -> (frame: [UInt8], header: [UInt8])? {
      let bench = try Bench("loopback", wish: Self.simple | Feature.hostOffloads | Feature.guestOffloads)
      let front = bench.front
      front.above = above
      try front.start()
      front.fill(40)
      let rest = [UInt8](repeating: 0, count: 10) + FrontEnd.bytes(outer) + FrontEnd.bytes(inner)
      front.transmit(frame(1000), asking: asking + rest)
      #expect(front.takeUsed(1) != nil)
      #expect(bench.until { $0.fromDriver == 1 })
      guard let got = front.receiveWhole(wait: 0) else {
        #expect(bench.until { $0.toDriverDrops == 1 })
        return nil
      }
      #expect(got.frame == frame(1000))
      return (got.frame, got.header)
    }

    @Test func tunnelsNeedAgreement() throws {
      let all = HigherFeature.guest | HigherFeature.host
      func asking(_ flags: UInt8, _ kind: UInt8, start: UInt16 = 84) -> [UInt8] {
        header(flags: flags, kind: kind, length: 104, size: 500, start: start, offset: 16)
      }
      for (flags, kind) in [(1, 0x21), (9, 0x21), (1, 0xa1), (1, 0x25)] as [(UInt8, UInt8)] {
        let got = try #require(try tunnelled(all, asking(flags, kind)))
        #expect(Array(got.header[..<10]) == asking(flags, kind))
        #expect(Array(got.header[20..<24]) == FrontEnd.bytes(UInt16(34)) + FrontEnd.bytes(UInt16(64)))
      }
      // The receiver has not agreed to tunnels, or to their checksums.
      #expect(try tunnelled(HigherFeature.host, asking(1, 0x21)) == nil)
      #expect(try tunnelled(all & ~HigherFeature.guestTunnelChecksum, asking(9, 0x21)) == nil)
      #expect(try tunnelled(all & ~HigherFeature.guestTunnelChecksum, asking(1, 0x21)) != nil)
      // Both tunnels, none to be cut, fragments, no checksum, one that is right.
      for (flags, kind) in [(1, 0x61), (1, 0x20), (1, 0x23), (1, 0x2f), (0, 0x21), (3, 0x21)] as [(UInt8, UInt8)] {
        #expect(try tunnelled(all, asking(flags, kind)) == nil)
      }
      // Headers that lie in one another, too early, or behind the frame.
      for (outer, inner, start) in [
        (33, 64, 84), (34, 41, 84), (34, 64, 83), (34, 0, 84), (65535, 65535, 84), (34, 65535, 65535), (34, 64, 1000),
      ] as [(UInt16, UInt16, UInt16)] {
        #expect(try tunnelled(all, asking(1, 0x21, start: start), outer: outer, inner: inner) == nil)
      }
      // Without a tunnel the offsets mean nothing.
      let got = try #require(try tunnelled(all, asking(1, 1, start: 34), outer: 0xffff, inner: 0xffff))
      #expect(got.header[1] == 1)
    }

    @Test func offloadsInUseAreTheDriversToSay() throws {
      let features = FrontEnd.simple | Feature.controlQueue | Feature.controlOffloads | Feature.checksum
      let bench = try Bench("loopback", wish: features | Feature.guestOffloads)
      let front = bench.front
      try front.negotiate()
      for queue in 0..<3 { try front.startRing(queue) }
      let sent = Datagram(to: 9, length: 50, partial: true).bytes
      for (mask, passed) in [(UInt64(0), false), (Feature.guestChecksum, true), (0, false)] {
        #expect(try front.command([5, 0] + FrontEnd.bytes(mask)) == 0)
        front.fill(1)
        front.transmit(sent, asking: Self.partial)
        let got = try #require(front.receiveWhole())
        #expect(got.header[0] == (passed ? 1 : 0) && got.frame == Datagram(to: 9, length: 50, partial: passed).bytes)
      }
    }

    @Test(arguments: [("complete", 0), ("partial", 1), ("valid", 2)])
    func generatedChecksums(_ kind: String, _ flags: UInt8) throws {
      let knows = Feature.guestChecksum
      for (features, length) in [(knows, 100), (0, 100), (knows | Feature.mergeable, 3000)] {
        let wish = Self.simple | features
        let bench = try Bench("generate,checksum=\(kind),length=\(length)", wish: wish)
        let front = bench.front
        try front.start()
        front.fill(30)
        for _ in 0..<10 {
          let got = try #require(front.receiveWhole())
          let expected = features & Feature.guestChecksum != 0 ? flags : 0
          #expect(got.header[0] == expected)
          if expected == 1 { #expect(Array(got.header[..<10]) == Self.partial) }
          let size = length - 34
          let pseudo = Array(got.frame[26..<34]) + [0, 17, UInt8(size >> 8), UInt8(size & 0xff)]
          let sum = Datagram.sum(pseudo + got.frame[34...])
          let stored = Int(got.frame[40]) << 8 + Int(got.frame[41])
          #expect(expected == 1 ? stored == Datagram.sum(pseudo) : sum == 0xffff)
        }
      }
    }

    @Test func aCaptureHasWholeChecksums() throws {
      try withFolder { folder in
        do {
          let bench = try Bench("pcap=,out=\(folder)/out.pcap", wish: Self.simple | Feature.checksum)
          try bench.front.start()
          bench.front.transmit(Datagram(to: 9, length: 99, partial: true).bytes, asking: Self.partial)
          #expect(bench.until { $0.fromDriver == 1 })
        }
        #expect(Array(bytesOf(folder + "/out.pcap")[40...]) == Datagram(to: 9, length: 99).bytes)
      }
    }

    @Test func aPipePassesThemOn() throws {
      for features in [Feature.guestChecksum, 0] {
        let left = try Bench("pipe=offload", wish: Self.simple | Feature.hostOffloads)
        let right = try Bench("pipe=offload", wish: Self.simple | features)
        try right.front.start()
        try left.front.start()
        right.front.fill(1)
        left.front.transmit(Datagram(to: 9, length: 99, partial: true).bytes, asking: Self.partial)
        let got = try #require(right.front.receiveWhole())
        #expect(got.frame == Datagram(to: 9, length: 99, partial: features != 0).bytes)
        #expect(Array(got.header[..<10]) == (features != 0 ? Self.partial : header()))
      }
    }
  }
}
