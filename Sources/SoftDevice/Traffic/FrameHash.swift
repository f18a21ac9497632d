// SPDX-License-Identifier: BSD-2-Clause
//
// The hash of a frame (virtio 1.4, 5.1.9.4.3): over the addresses of IPv4 and IPv6 and, of TCP and UDP, the ports, as far as
// the driver wants such packets hashed. VLAN tags are passed over. What is read may change meanwhile, which only gives
// another hash: each place is compared with the frame's length.

import Linux
import Virtio

/// A hash, and what it was computed over (hash_report).
struct FrameHash {
  let value: UInt32
  let report: UInt32
}

/// Where the parts of a packet lie that are hashed.
private struct Headers {
  /// Bytes of an address.
  let address: Int
  var source: Int
  var target: Int
  /// Where the ports are; nil of anything but TCP and UDP, and of fragments.
  var ports: Int?
  var isTCP = false
  /// It is IPv6 with extension headers, and where the addresses are that those name (5.1.9.4.3.5).
  var isExtended = false
  var home = 0
  var route = 0

  init(address: Int, source: Int) {
    self.address = address
    self.source = source
    target = source &+ address
  }

  /// Notes TCP or UDP at `place`, if its header is there.
  mutating func take(_ next: UInt8, at place: Int, in frame: Frame) {
    isTCP = next == 6
    if isTCP || next == 17, place &+ (isTCP ? 20 : 8) <= frame.count { ports = place }
  }
}

extension Steering {
  /// The hash of a frame; nil if it has none.
  @inline(never)
  func hash(of frame: Frame, scratch: Bytes) -> FrameHash? {
    if types == 0 { return nil }
    let (type, at) = frame.network(scratch: scratch)
    switch type {
    case EtherType.ipv4: return hash4(frame, at, scratch)
    case EtherType.ipv6: return hash6(frame, at, scratch)
    default: return nil
    }
  }

  private func hash4(_ frame: Frame, _ at: Int, _ scratch: Bytes) -> FrameHash? {
    if at &+ 20 > frame.count { return nil }  // tested by HashTests
    var headers = Headers(address: 4, source: at &+ 12)
    let first = frame.word(at, scratch: scratch)
    let length = Int(first >> 56 & 15) &* 4
    // Fragments have no ports of their own, but the first.
    if first & 0x3fff == 0, length >= 20 {
      headers.take(UInt8(truncatingIfNeeded: frame.word(at &+ 9, scratch: scratch) >> 56), at: at &+ length, in: frame)
    }
    return hash(
      frame, headers, (HashReport.tcp4, HashReport.udp4, HashReport.ipv4), (headers.source, headers.target), scratch)
  }

  private func hash6(_ frame: Frame, _ at: Int, _ scratch: Bytes) -> FrameHash? {
    if at &+ 40 > frame.count { return nil }  // tested by HashTests
    var headers = Headers(address: 16, source: at &+ 8)
    headers.home = headers.source
    headers.route = headers.target
    skipExtensions(frame, at, &headers, scratch)
    if headers.isExtended {
      let kinds = (HashReport.tcpExtended, HashReport.udpExtended, HashReport.ipExtended)
      if let found = hash(frame, headers, kinds, (headers.home, headers.route), scratch) { return found }
    }
    return hash(
      frame, headers, (HashReport.tcp6, HashReport.udp6, HashReport.ipv6), (headers.source, headers.target), scratch)
  }

  /// The hash of the first kind that is wanted and fits; nil if none does.
  private func hash(
    _ frame: Frame, _ headers: Headers, _ kinds: (UInt32, UInt32, UInt32), _ addresses: (Int, Int), _ scratch: Bytes
  ) -> FrameHash? {
    func isWanted(_ report: UInt32) -> Bool { types >> (report &- 1) & 1 != 0 }
    let withPorts = headers.isTCP ? kinds.0 : kinds.1
    var sum: UInt32 = 0
    if let ports = headers.ports, isWanted(withPorts) {
      add(frame, ports, 4, at: 2 &* headers.address, to: &sum, scratch)
      add(frame, addresses, headers.address, to: &sum, scratch)
      return FrameHash(value: sum, report: withPorts)
    }
    if !isWanted(kinds.2) { return nil }
    add(frame, addresses, headers.address, to: &sum, scratch)
    return FrameHash(value: sum, report: kinds.2)
  }

  private func add(_ frame: Frame, _ addresses: (Int, Int), _ bytes: Int, to sum: inout UInt32, _ scratch: Bytes) {
    add(frame, addresses.0, bytes, at: 0, to: &sum, scratch)
    add(frame, addresses.1, bytes, at: bytes, to: &sum, scratch)
  }

  /// Adds bytes of the frame, which are the input's from `place` on.
  private func add(_ frame: Frame, _ from: Int, _ bytes: Int, at place: Int, to sum: inout UInt32, _ scratch: Bytes) {
    for step in 0..<bytes / 2 {
      let word = UInt16(frame.word(from &+ 2 &* step, scratch: scratch) >> 48)
      Toeplitz.add(word, at: place &+ 2 &* step, to: &sum, sums)
    }
  }

  // MARK: Extension headers (RFC 8200, 4; RFC 6275, 6.3 and 6.4)

  private static let mostExtensions = 8

  /// Goes over extension headers to TCP or UDP. A packet with more of them than any has, or whose headers end behind it, has
  /// no ports.
  private func skipExtensions(_ frame: Frame, _ at: Int, _ headers: inout Headers, _ scratch: Bytes) {
    var next = UInt8(truncatingIfNeeded: frame.word(at &+ 6, scratch: scratch) >> 56)
    var place = at &+ 40
    for _ in 0..<Self.mostExtensions {
      guard [0, 43, 44, 51, 60].contains(next) else { return headers.take(next, at: place, in: frame) }
      let word = frame.word(place, scratch: scratch)
      let count = Int(word >> 48 & 0xff)
      // Counted in eight bytes, but of an authentication header in four; a fragment's is always eight bytes long.
      let length = next == 44 ? 8 : next == 51 ? (count &+ 2) &* 4 : (count &+ 1) &* 8
      if place &+ length > frame.count { return }  // tested by HashTests
      headers.isExtended = true
      if next == 43, word >> 40 & 0xff == 2, length >= 24 { headers.route = place &+ 8 }
      if next == 60, let home = homeAddress(frame, place, length, scratch) { headers.home = home }
      if next == 44, word >> 32 & 0xfff9 != 0 { return }
      next = UInt8(truncatingIfNeeded: word >> 56)
      place &+= length
    }
  }

  /// Where the home address option of a destination options header has its address; nil if there is none.
  private func homeAddress(_ frame: Frame, _ place: Int, _ length: Int, _ scratch: Bytes) -> Int? {
    var at = place &+ 2
    while at &+ 2 <= place &+ length {
      let word = frame.word(at, scratch: scratch)
      let count = Int(word >> 48 & 0xff)
      if word >> 56 == 0xc9, count == 16, at &+ 18 <= place &+ length { return at &+ 2 }
      at &+= word >> 56 == 0 ? 1 : 2 &+ count
    }
    return nil
  }
}
