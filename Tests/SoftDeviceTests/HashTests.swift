// SPDX-License-Identifier: BSD-2-Clause
//
// Hash reports: what is hashed, with published vectors and a hash of these tests' own.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

/// The key and two of the vectors of Microsoft's "Verifying the RSS Hash Calculation".
let knownKey: [UInt8] = [
  0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca,
  0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b,
  0xbe, 0xac, 0x01, 0xfa,
]
let known4: [UInt8] = [66, 9, 149, 187, 161, 142, 100, 80]
let known6: [UInt8] = [
  0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x1f, 0xff, 0, 0, 0, 0, 0, 0, 0, 7,
  0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x00, 0x03, 0, 0, 0, 0, 0, 0, 0, 1,
]
let knownPorts: [UInt8] = [0x0a, 0xea, 0x06, 0xe6]

/// The Toeplitz hash, a bit at a time.
func toeplitz(_ key: [UInt8], _ input: [UInt8]) -> UInt32 {
  func bit(_ bytes: [UInt8], _ at: Int) -> Bool { at / 8 < bytes.count && bytes[at / 8] >> UInt8(7 - at % 8) & 1 != 0 }
  var sum: UInt32 = 0
  for at in 0..<8 * input.count where bit(input, at) {
    sum ^= (0..<32).reduce(0) { $0 << 1 | (bit(key, at + $1) ? 1 : 0) }
  }
  return sum
}

/// A packet of IPv4, or with 32 bytes of addresses of IPv6, with extension headers before the transport.
func ipPacket(
  _ addresses: [UInt8], _ next: UInt8, extensions: [UInt8] = [], fragment: UInt16 = 0, tags: Int = 0, length: Int = 120
) -> [UInt8] {
  var bytes: [UInt8] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]
  for tag in 0..<tags { bytes += tag + 1 < tags ? [0x88, 0xa8, 0, 6] : [0x81, 0, 0, 5] }
  if addresses.count == 8 {
    bytes += [8, 0, 0x45, 0, 0, 100, 0, 0, UInt8(fragment >> 8), UInt8(fragment & 255), 64, next, 0, 0]
  } else {
    bytes += [0x86, 0xdd, 0x60, 0, 0, 0, 0, 80, next, 64]
  }
  bytes += addresses + extensions + knownPorts
  return bytes + [UInt8](repeating: 0, count: max(length - bytes.count, 0))
}

enum HashKind {
  static let ipv4: UInt32 = 1
  static let tcp4: UInt32 = 2
  static let udp4: UInt32 = 4
  static let ipv6: UInt32 = 8
  static let tcp6: UInt32 = 16
  static let udp6: UInt32 = 32
  static let ipEX: UInt32 = 64
  static let tcpEX: UInt32 = 128
  static let udpEX: UInt32 = 256
  static let all: UInt32 = 0x1ff
}

/// RSS_CONFIG.
func rssCommand(
  _ types: UInt32 = HashKind.all, table: [UInt16], unclassified: UInt16 = 0, pairs: UInt16, key: [UInt8] = knownKey,
  mask: UInt16? = nil, keyLength: UInt8? = nil
) -> [UInt8] {
  var bytes: [UInt8] = [4, 1]
  bytes += FrontEnd.bytes(types)
  bytes += FrontEnd.bytes(mask ?? UInt16(table.count - 1))
  bytes += FrontEnd.bytes(unclassified)
  for entry in table { bytes += FrontEnd.bytes(entry) }
  bytes += FrontEnd.bytes(pairs)
  bytes.append(keyLength ?? UInt8(key.count))
  return bytes + key
}

/// HASH_CONFIG.
func hashCommand(
  _ types: UInt32, reserved: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0], key: [UInt8] = knownKey, keyLength: UInt8? = nil
) -> [UInt8] {
  var bytes: [UInt8] = [4, 2]
  bytes += FrontEnd.bytes(types)
  bytes += reserved
  bytes.append(keyLength ?? UInt8(key.count))
  return bytes + key
}

/// The hash and the report in a header.
func saidHash(_ header: [UInt8]) -> (UInt32, UInt8) {
  (UInt32(truncatingIfNeeded: FrontEnd.number(Array(header[12..<16]))), header[16])
}

extension SoftDeviceTests {
  @Suite struct HashTests {
    static let wish = FrontEnd.simple | Feature.controlQueue | Feature.hashReport

    private func started() throws -> Bench {
      let bench = try Bench("loopback", wish: Self.wish)
      try bench.front.negotiate()
      for queue in 0..<3 { try bench.front.startRing(queue) }
      return bench
    }

    /// Sends a frame round a device of one pair and returns what is said of it.
    private func report(_ bench: Bench, _ sent: [UInt8]) throws -> (UInt32, UInt8) {
      bench.front.fill(1)
      bench.front.transmit(sent)
      let got = try #require(bench.front.receiveWhole())
      #expect(got.frame == sent && got.header.count == 20 && got.header[17..<20].allSatisfy { $0 == 0 })
      return saidHash(got.header)
    }

    @Test func publishedVectors() throws {
      let bench = try started()
      // Until the driver has said so, nothing is hashed.
      #expect(try report(bench, ipPacket(known4, 6)) == (0, 0))
      #expect(try bench.front.command(hashCommand(HashKind.all)) == 0)
      #expect(try report(bench, ipPacket(known4, 6)) == (0x51cc_c178, 2))
      #expect(try report(bench, ipPacket(known4, 17)) == (0x51cc_c178, 3))
      #expect(try report(bench, ipPacket(known4, 1)) == (0x323e_8fc2, 1))
      #expect(try report(bench, ipPacket(known6, 6)) == (0x4020_7d3d, 5))
      #expect(try report(bench, ipPacket(known6, 17)) == (0x4020_7d3d, 6))
      #expect(try report(bench, ipPacket(known6, 58)) == (0x2cc1_8cd5, 4))
      for tags in 1...2 { #expect(try report(bench, ipPacket(known6, 6, tags: tags)) == (0x4020_7d3d, 5)) }
      // A short key goes on with zeroes, and none is of zeroes.
      #expect(try bench.front.command(hashCommand(HashKind.all, key: [0x6d, 0x5a])) == 0)
      #expect(try report(bench, ipPacket(known4, 6)) == (toeplitz([0x6d, 0x5a], known4 + knownPorts), 2))
      #expect(try bench.front.command(hashCommand(HashKind.all, key: [])) == 0)
      #expect(try report(bench, ipPacket(known4, 6)) == (0, 2))
      #expect(try bench.front.command(hashCommand(0)) == 0)
      #expect(try report(bench, ipPacket(known4, 6)) == (0, 0))
    }

    /// TCP and UDP come before IP, as far as they are wanted (5.1.9.4.3.3).
    @Test func kindsThatAreWanted() throws {
      let bench = try started()
      let (both4, only4) = (toeplitz(knownKey, known4 + knownPorts), toeplitz(knownKey, known4))
      let (both6, only6) = (toeplitz(knownKey, known6 + knownPorts), toeplitz(knownKey, known6))
      let cases: [(UInt32, [UInt8], UInt8, UInt32, UInt8)] = [
        (HashKind.ipv4, known4, 6, only4, 1), (HashKind.tcp4, known4, 6, both4, 2), (HashKind.tcp4, known4, 17, 0, 0),
        (HashKind.udp4 | HashKind.ipv4, known4, 17, both4, 3), (HashKind.tcp4 | HashKind.ipv4, known4, 17, only4, 1),
        (HashKind.tcp4 | HashKind.udp4, known4, 1, 0, 0), (HashKind.all & ~HashKind.ipv4, known6, 6, both6, 5),
        (HashKind.ipv6, known6, 17, only6, 4), (HashKind.udp6, known6, 17, both6, 6), (HashKind.tcp6, known6, 17, 0, 0),
        (HashKind.all & ~0x38, known6, 17, 0, 0),
      ]
      for (types, addresses, next, hash, kind) in cases {
        #expect(try bench.front.command(hashCommand(types)) == 0)
        #expect(try report(bench, ipPacket(addresses, next)) == (hash, kind), "\(types) \(next)")
      }
      #expect(try bench.front.command(hashCommand(HashKind.all)) == 0)
      // Fragments, also the first, have addresses only; headers that are cut short have what is there.
      for fragment in [0x2000, 1, 0x1fff] as [UInt16] {
        #expect(try report(bench, ipPacket(known4, 17, fragment: fragment)) == (only4, 1))
      }
      #expect(try report(bench, ipPacket(known4, 17, fragment: 0x4000)) == (both4, 3))
      for (length, addresses, hash, kind) in [
        (33, known4, 0, 0), (34, known4, only4, 1), (53, known4, only4, 1), (54, known4, both4, 2), (53, known6, 0, 0),
        (54, known6, only6, 4), (73, known6, only6, 4), (74, known6, both6, 5),
      ] as [(Int, [UInt8], UInt32, UInt8)] {
        let cut = Array(ipPacket(addresses, 6)[..<length])
        #expect(try report(bench, cut) == (hash, kind), "\(length)")
      }
      #expect(try report(bench, frame(60)) == (0, 0))
    }

    /// Extension headers name other addresses; with none of the kinds for them they are passed over (5.1.9.4.3.5).
    @Test func extensionHeaders() throws {
      let bench = try started()
      let (home, route) = ([UInt8](repeating: 0x21, count: 16), [UInt8](repeating: 0x43, count: 16))
      func options(_ next: UInt8, _ type: UInt8 = 0xc9) -> [UInt8] {
        [next, 2, 1, 2, 0, 0, type, 16] as [UInt8] + home
      }
      func routing(_ next: UInt8, _ type: UInt8 = 2) -> [UInt8] {
        [next, 2, type, 1, 0, 0, 0, 0] as [UInt8] + route
      }
      let (source, target) = (Array(known6[..<16]), Array(known6[16...]))
      let skipped: [UInt8] = [51, 0, 1, 4, 0, 0, 0, 0]
      let authenticated = [6, 4, 0, 0] as [UInt8] + [UInt8](repeating: 9, count: 20)
      let cases: [(UInt32, UInt8, [UInt8], [UInt8], UInt8)] = [
        (HashKind.all, 60, options(6), home + target + knownPorts, 8),
        (HashKind.all, 43, routing(6), source + route + knownPorts, 8),
        (HashKind.all, 60, options(43) + routing(17), home + route + knownPorts, 9),
        (HashKind.all, 60, options(59), home + target, 7),
        (HashKind.all, 60, options(6, 0xc8), source + target + knownPorts, 8),
        (HashKind.all, 43, routing(6, 0), source + target + knownPorts, 8),
        (HashKind.all, 0, skipped + authenticated, source + target + knownPorts, 8),
        (HashKind.ipEX | HashKind.tcp6, 60, options(6), home + target, 7),
        (HashKind.tcp6 | HashKind.ipv6, 60, options(6), source + target + knownPorts, 5),
        (HashKind.udpEX | HashKind.ipv6, 60, options(6), source + target, 4), (HashKind.tcp4, 60, options(6), [], 0),
        // Fragments: the first of several, a later one, and one that is all there is.
        (HashKind.all, 44, [6, 0, 0, 1, 0, 0, 0, 7], source + target, 7),
        (HashKind.all, 44, [6, 0, 0, 8, 0, 0, 0, 7], source + target, 7),
        (HashKind.all, 44, [6, 0, 0, 0, 0, 0, 0, 7], source + target + knownPorts, 8),
      ]
      for (types, next, headers, input, kind) in cases {
        #expect(try bench.front.command(hashCommand(types)) == 0)
        let got = try report(bench, ipPacket(known6, next, extensions: headers, length: 200))
        #expect(got == (input.isEmpty ? 0 : toeplitz(knownKey, input), kind), "\(types) \(next) \(headers)")
      }
      #expect(try bench.front.command(hashCommand(HashKind.all)) == 0)
      // More headers than any packet has, and headers that end behind the packet.
      let eight = (0..<8).flatMap { _ in [0, 0, 1, 4, 0, 0, 0, 0] as [UInt8] }
      #expect(try report(bench, ipPacket(known6, 0, extensions: eight, length: 200)).1 == 7)
      for length in [55, 58, 61, 62, 77] {
        let cut = Array(ipPacket(known6, 60, extensions: options(6), length: 200)[..<length])
        #expect(try report(bench, cut).1 == 4, "\(length)")
      }
    }
  }
}
