// SPDX-License-Identifier: BSD-2-Clause
//
// Preparing packets that ask the device for work, before a burst: finds where the checksum goes, puts the
// pseudo-header's sum there (virtio 1.4, 5.1.9.2), and says what the device cannot do. Every length in the headers is
// compared before it is used: they may come from anywhere.

import CLinux
import CVionet
import Linux
import Virtio

extension TransmitQueue {
  /// Prepares one packet for transmitOne(); a failure says what is wrong with it.
  func prepare(_ candidate: Packet?) throws(Failure) {
    guard let packet = candidate, let pool = PacketPools.containing(packet), packet.owner == Owner.caller,
      PoolView(pool).covers(packet, header: 0)
    else { throw Failure(EINVAL, "this is not a packet that the caller holds") }
    if packet.flags & Offloads.requests > 0xff { packet.flags |= Offloads.needsChecksum }
    if packet.flags & Offloads.requests == 0 { return }
    try self.offloads.mustHave(packet.flags)
    var offloads = packet.offloads
    let isSegmented = packet.flags & Offloads.requests > 0xff
    if offloads.checksumStart == 0 || isSegmented && offloads.headerLength == 0 {
      guard let headers = packet.headers else {
        throw Failure(EINVAL, "the packet asks for a checksum and is not TCP or UDP over IPv4 or IPv6")
      }
      if offloads.checksumStart == 0 {
        if packet.references != 1 {
          throw Failure(EINVAL, "the packet's data is shared, so no checksum can be written into it")
        }
        headers.writePseudoSum(packet, payload: isSegmented ? nil : headers.stated)
        offloads.checksumStart = headers.transport
        offloads.checksumOffset = headers.checksumOffset
      }
      if isSegmented && offloads.headerLength == 0 { offloads.headerLength = headers.end }
      packet.offloads = offloads
    }
    if !self.offloads.allow(packet, packet.totalLength) {
      throw Failure(EINVAL, "checksum_start, checksum_offset, header_length or segment_size does not fit the packet")
    }
  }
}

extension TransmitOffloads {
  /// Throws the name of a feature that these flags need and that was not negotiated.
  fileprivate func mustHave(_ flags: UInt32) throws(Failure) {
    let type = UInt8(truncatingIfNeeded: flags >> 8)
    let base = type & ~Segmentation.ecn
    if flags & Offloads.needsChecksum != 0 && !hasChecksum { throw TransmitOffloads.missing(Feature.checksum) }
    if lacks(base, Segmentation.tcp4) { throw TransmitOffloads.missing(Feature.hostTSO4) }
    if lacks(base, Segmentation.tcp6) { throw TransmitOffloads.missing(Feature.hostTSO6) }
    if lacks(base, Segmentation.udp) { throw TransmitOffloads.missing(Feature.hostUSO) }
    if type & Segmentation.ecn != 0 && !hasECN { throw TransmitOffloads.missing(Feature.hostECN) }
  }

  /// True if `base` is the segmentation type `type`, and that was not negotiated.
  private func lacks(_ base: UInt8, _ type: UInt8) -> Bool { base == type && types >> type & 1 == 0 }

  @inline(never)
  private static func missing(_ feature: UInt64) -> Failure {
    Failure(ENOTSUP, "the packet's flags ask for ").plain(Features.firstName(feature))
      .text(", which was not negotiated")
  }
}

/// Places of the headers of a TCP or UDP packet, all in its first segment.
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

  /// Puts the sum over addresses, protocol and length into the checksum field, not complemented. The length is that of
  /// the IP header if that can be right, since a short frame may be padded; else it is the rest of the packet.
  fileprivate func writePseudoSum(_ packet: Packet, payload: Int?) {
    // Safety: the headers lie in the first segment (Packet.headers), the checksum field with them.
    var length = packet.totalLength &- UInt32(transport)
    if let payload, payload >= Int(end &- transport), payload < Int(length) {
      length = UInt32(truncatingIfNeeded: payload)
    }
    var sum = UInt64(length >> 16) + UInt64(length & 0xffff) + (isTCP ? 6 : 17)
    let first = Int(network) + (isIPv6 ? 8 : 12)
    for place in 0..<(isIPv6 ? 16 : 4) { sum += UInt64(packet.word(first + place * 2)) }
    while sum >> 16 != 0 { sum = sum & 0xffff + sum >> 16 }
    unsafe packet.pointer.pointee.data.storeBytes(
      of: UInt16(truncatingIfNeeded: sum).bigEndian, toByteOffset: Int(transport + checksumOffset), as: UInt16.self)
  }
}

extension Packet {
  /// A big-endian field of the first segment.
  fileprivate func word(_ at: Int) -> UInt16 {
    // Safety: callers compare `at + 2` with the segment's length, and prepare() has checked that it lies in its buffer.
    unsafe UInt16(bigEndian: UnsafeRawPointer(pointer.pointee.data).loadUnaligned(fromByteOffset: at, as: UInt16.self))
  }

  private func byte(_ at: Int) -> UInt8 { UInt8(truncatingIfNeeded: word(at & ~1) >> (at & 1 == 0 ? 8 : 0)) }

  /// Finds the headers behind VLAN tags and IPv6 extensions; nil if this is neither TCP nor UDP, or is cut short.
  var headers: FrameHeaders? {
    let room = Int(min(length, 512))
    var at = 12
    while at + 2 <= room, word(at) == 0x8100 || word(at) == 0x88a8 { at += 4 }
    guard at + 2 <= room else { return nil }
    let network = at + 2
    switch word(at) {
    case 0x0800:
      guard network + 20 <= room else { return nil }
      let transport = network + Int(byte(network) & 15) * 4
      // A fragment has only a part of the payload.
      if word(network + 6) & 0x3fff != 0 { return nil }
      let stated = Int(word(network + 2)) - (transport - network)
      return transportHeaders(network, transport, byte(network + 9), room, isIPv6: false, stated: stated)
    case 0x86dd:
      guard network + 40 <= room else { return nil }
      var kind = byte(network + 6)
      var transport = network + 40
      // Hop-by-hop, routing and destination options; others end the search.
      while kind == 0 || kind == 43 || kind == 60 {
        // With segments left the header has another destination than the pseudo-header needs (RFC 8200, 8.1).
        guard transport + 8 <= room, kind != 43 || byte(transport + 3) == 0 else { return nil }
        kind = byte(transport)
        transport += (Int(byte(transport + 1)) + 1) * 8
      }
      let stated = Int(word(network + 4)) - (transport - network - 40)
      return transportHeaders(network, transport, kind, room, isIPv6: true, stated: stated)
    default: return nil
    }
  }

  private func transportHeaders(
    _ network: Int, _ transport: Int, _ kind: UInt8, _ room: Int, isIPv6: Bool, stated: Int
  ) -> FrameHeaders? {
    let isTCP = kind == 6
    guard isTCP || kind == 17, transport >= network + 20, transport + (isTCP ? 20 : 8) <= room else { return nil }
    let end = transport + (isTCP ? Int(byte(transport + 12) >> 4) * 4 : 8)
    guard end <= room, end >= transport + (isTCP ? 20 : 8) else { return nil }
    return FrameHeaders(
      network: UInt16(network), transport: UInt16(transport), end: UInt16(end), isTCP: isTCP, isIPv6: isIPv6,
      stated: stated)
  }
}
