// SPDX-License-Identifier: BSD-2-Clause
//
// Frames of TCP and UDP with tags, options and extension headers, and their checksum, computed as a receiver does (RFC
// 1071, 768, 9293, 8200) and not as the driver does.

/// A frame in the making.
struct FrameBuilder {
  var tags: [UInt16] = []
  var isIPv6 = false
  var isTCP = true
  /// Bytes of IPv4 or TCP options, in fours.
  var networkOptions = 0
  var transportOptions = 0
  /// IPv6 extension headers: kind, length in eights beyond the first, fourth byte (segments left, of a routing header).
  var extensions: [(kind: UInt8, eights: Int, fourth: UInt8)] = []
  var payload = 20
  /// Behind the IP packet.
  var padding = 0

  /// Places where the parts begin.
  var network: Int { 14 + tags.count * 4 }
  var transport: Int {
    network + (isIPv6 ? 40 + extensions.reduce(0) { $0 + 8 + $1.eights * 8 } : 20 + networkOptions)
  }
  /// First byte of the payload.
  var end: Int { transport + (isTCP ? 20 + transportOptions : 8) }
  var checksumOffset: Int { isTCP ? 16 : 6 }

  /// The frame's bytes. The checksum field has an arbitrary value, which must be overwritten.
  func bytes() -> [UInt8] {
    var frame: [UInt8] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]
    for (place, tag) in tags.enumerated() {
      frame += place + 1 < tags.count ? [0x88, 0xa8] : [0x81, 0]
      frame.append(big: tag)
    }
    frame += isIPv6 ? [0x86, 0xdd] : [0x08, 0x00]
    frame += isIPv6 ? ipv6() : ipv4()
    frame += isTCP ? tcp() : udp()
    frame += (0..<payload).map { UInt8(truncatingIfNeeded: $0 * 7 + 3) }
    return frame + [UInt8](repeating: 0, count: padding)
  }

  private var segment: Int { (isTCP ? 20 + transportOptions : 8) + payload }

  private func ipv4() -> [UInt8] {
    var header: [UInt8] = [0x45 + UInt8(networkOptions / 4), 0]
    header.append(big: UInt16(20 + networkOptions + segment))
    header += [0x12, 0x34, 0x40, 0, 64, isTCP ? 6 : 17, 0, 0, 192, 0, 2, 33, 198, 51, 100, 254]
    return header + [UInt8](repeating: 1, count: networkOptions)
  }

  private func ipv6() -> [UInt8] {
    let last: UInt8 = isTCP ? 6 : 17
    var header: [UInt8] = [0x60, 0, 0, 0]
    header.append(big: UInt16(transport - network - 40 + segment))
    header += [extensions.first?.kind ?? last, 64]
    header += [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 1]
    header += [0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0xab, 0xcd]
    for (place, one) in extensions.enumerated() {
      let next = place + 1 < extensions.count ? extensions[place + 1].kind : last
      header += [next, UInt8(one.eights), 0, one.fourth] + [UInt8](repeating: 9, count: 4 + one.eights * 8)
    }
    return header
  }

  private func tcp() -> [UInt8] {
    let offset = UInt8(5 + transportOptions / 4) << 4
    let header: [UInt8] = [0x30, 0x39, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, offset, 0x18, 0xff, 0xff, 0xab, 0xcd, 0, 0]
    return header + [UInt8](repeating: 1, count: transportOptions)
  }

  private func udp() -> [UInt8] {
    var header: [UInt8] = [0x30, 0x39, 0, 53]
    header.append(big: UInt16(segment))
    return header + [0xab, 0xcd]
  }

  /// The frame as it should arrive: with the checksum of its whole TCP or UDP segment.
  func finished(_ frame: [UInt8]) -> [UInt8] {
    var frame = frame
    let place = transport + checksumOffset
    frame[place] = 0
    frame[place + 1] = 0
    let addresses = isIPv6 ? frame[network + 8..<network + 40] : frame[network + 12..<network + 20]
    var pseudo = Array(addresses) + [0, isTCP ? 6 : 17]
    pseudo.append(big: UInt16(segment))
    let sum = ~FrameBuilder.sum(pseudo + frame[transport..<transport + segment])
    frame[place] = UInt8(sum >> 8)
    frame[place + 1] = UInt8(sum & 0xff)
    return frame
  }

  /// Does what a device does for NEEDS_CSUM (virtio 1.4, 5.1.9.2): sums everything from `start` on and stores the
  /// complement.
  static func complete(_ frame: [UInt8], start: Int, offset: Int) -> [UInt8] {
    var frame = frame
    let sum = ~sum(Array(frame[start...]))
    frame[start + offset] = UInt8(sum >> 8)
    frame[start + offset + 1] = UInt8(sum & 0xff)
    return frame
  }

  /// RFC 1071, byte by byte.
  private static func sum(_ bytes: [UInt8]) -> UInt16 {
    var high = 0
    var low = 0
    for (place, byte) in bytes.enumerated() {
      if place % 2 == 0 { high += Int(byte) } else { low += Int(byte) }
    }
    return UInt16((high * 256 + low - 1) % 65535 + 1)
  }
}
