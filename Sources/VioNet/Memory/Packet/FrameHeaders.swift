// SPDX-License-Identifier: BSD-2-Clause
//
// Where the headers of a TCP or UDP frame lie. Every length in the headers is compared before it is used: they may come
// from anywhere.

import CLinux
import CVionet
import Linux
import Virtio

/// The first bytes of a frame.
protocol FrameBytes {
  /// How many there are.
  var readable: Int { get }
  /// A big-endian field. `at + 2` is at most `readable`.
  func word(_ at: Int) -> UInt16
}

/// Places of the headers of a TCP or UDP packet.
struct FrameHeaders {
  let network: UInt16
  let transport: UInt16
  /// Place of the payload's first byte.
  let end: UInt16
  let isTCP: Bool
  let isIPv6: Bool
  /// Bytes from `transport` on, by the IP header.
  let stated: Int

  var checksumOffset: UInt16 { isTCP ? 16 : 6 }

  /// Bytes that the transport checksum of a frame of `total` bytes covers: those of the IP header if that can be right,
  /// since a short frame may be padded; else all that follow.
  func transportBytes(_ total: Int) -> Int {
    let all = total &- Int(transport)
    return stated >= Int(end &- transport) && stated < all ? stated : all
  }
}

extension FrameBytes {
  @inline(__always)
  func byte(_ at: Int) -> UInt8 { UInt8(truncatingIfNeeded: word(at & ~1) >> (at & 1 == 0 ? 8 : 0)) }

  /// The EtherType behind VLAN tags, and the place of what it names; nil if the frame is cut short.
  var network: (type: UInt16, at: Int)? {
    let room = readable
    var at = 12
    while at &+ 2 <= room, EtherType.isTag(word(at)) { at &+= 4 }
    return at &+ 2 <= room ? (word(at), at &+ 2) : nil
  }

  /// Finds the headers behind VLAN tags and IPv6 extensions; nil if this is neither TCP nor UDP, or is cut short.
  var headers: FrameHeaders? {
    guard let (type, at) = network else { return nil }
    return headers(of: type, in: at)
  }

  /// Finds the headers of the packet whose IP header lies at `network`, of the version that it says.
  func headers(in network: Int) -> FrameHeaders? {
    guard network &+ 2 <= readable else { return nil }
    switch byte(network) >> 4 {
    case 4: return headers(of: EtherType.ipv4, in: network)
    case 6: return headers(of: EtherType.ipv6, in: network)
    default: return nil
    }
  }

  func headers(of type: UInt16, in network: Int) -> FrameHeaders? {
    let room = readable
    switch type {
    case EtherType.ipv4:
      guard network &+ 20 <= room else { return nil }
      let transport = network &+ Int(byte(network) & 15) &* 4
      // A fragment has only a part of the payload.
      if word(network &+ 6) & 0x3fff != 0 { return nil }
      let stated = Int(word(network &+ 2)) &- (transport &- network)
      return transportHeaders(network, transport, byte(network &+ 9), room, isIPv6: false, stated: stated)
    case EtherType.ipv6:
      guard network &+ 40 <= room else { return nil }
      var kind = byte(network &+ 6)
      var transport = network &+ 40
      // Hop-by-hop, routing and destination options; others end the search.
      while kind == 0 || kind == 43 || kind == 60 {
        // With segments left the header has another destination than the pseudo-header needs (RFC 8200, 8.1).
        guard transport &+ 8 <= room, kind != 43 || byte(transport &+ 3) == 0 else { return nil }
        kind = byte(transport)
        transport &+= (Int(byte(transport &+ 1)) &+ 1) &* 8
      }
      let stated = Int(word(network &+ 4)) &- (transport &- network &- 40)
      return transportHeaders(network, transport, kind, room, isIPv6: true, stated: stated)
    default: return nil
    }
  }

  private func transportHeaders(
    _ network: Int, _ transport: Int, _ kind: UInt8, _ room: Int, isIPv6: Bool, stated: Int
  ) -> FrameHeaders? {
    let isTCP = kind == 6
    guard isTCP || kind == 17, transport >= network &+ 20, transport &+ (isTCP ? 20 : 8) <= room else { return nil }
    let end = transport &+ (isTCP ? Int(byte(transport &+ 12) >> 4) &* 4 : 8)
    guard end <= room, end >= transport &+ (isTCP ? 20 : 8) else { return nil }
    return FrameHeaders(
      network: UInt16(truncatingIfNeeded: network), transport: UInt16(truncatingIfNeeded: transport),
      end: UInt16(truncatingIfNeeded: end), isTCP: isTCP, isIPv6: isIPv6, stated: stated)
  }
}

extension Packet: FrameBytes {
  var readable: Int { Int(min(length, 512)) }

  /// A big-endian field of the first segment.
  func word(_ at: Int) -> UInt16 {
    // Safety: callers compare `at + 2` with the segment's length, and the segment was checked to lie in its buffer.
    unsafe UInt16(bigEndian: UnsafeRawPointer(pointer.pointee.data).loadUnaligned(fromByteOffset: at, as: UInt16.self))
  }
}
