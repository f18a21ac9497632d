// SPDX-License-Identifier: BSD-2-Clause
//
// How one packet becomes frames that ask a device for nothing it lacks: segments of a TCP or UDP packet, or one frame
// whose first bytes could not be changed in place. Each frame begins with a packet of its own, which has a copy of the
// headers. Views of the payload follow, so that the payload is not copied.

import CLinux
import CVionet
import Linux
import Virtio

struct PacketCut: ~Copyable {
  /// What all frames begin with: fields that differ from frame to frame are zero.
  private(set) var begin: FrameStart
  /// True if there are segments, whose headers have numbers of their own; false for one frame that keeps its numbers.
  let hasSegments: Bool
  let isTCP: Bool
  let isIPv6: Bool
  /// Where the headers of segments lie, with a tag that was put in.
  let network: UInt16
  let transport: UInt16
  /// Bytes of headers in each frame.
  let headerBytes: Int
  /// Bytes of the packet that these headers replace.
  let skipped: Int
  /// Bytes of the packet behind its headers, how many of them a frame gets, and the number of frames.
  let payload: Int
  let size: Int
  let frames: Int
  /// What each frame asks for.
  let flags: UInt32
  let offloads: Offloads
  /// True if each frame gets its whole checksum; else the pseudo-header's sum.
  let finishesChecksum: Bool
  /// Sums over the headers of IPv4, and of TCP or UDP with the pseudo-header, without the fields that are zero.
  private(set) var networkSum: UInt16 = 0
  private(set) var transportSum: UInt16 = 0
  private(set) var identification: UInt16 = 0
  private(set) var sequence: UInt32 = 0
  /// The word of a TCP header that has the flags.
  private(set) var control: UInt16 = 0

  /// Fewest bytes of payload that a packet may ask for in each of several segments: less than Linux sends.
  static let leastSegment = 8

  /// Makes segments of a packet of `total` bytes, which begins with `begin`. Nil if its headers are not of the kind that
  /// its flags say, or the segments would be too small.
  @_optimize(speed)
  init?(cutting packet: Packet, _ total: Int, _ begin: FrameStart, tag: UInt16?, hasChecksum: Bool) {
    var begin = begin
    if let tag { begin.insertTag(tag) }
    let shift = tag == nil ? 0 : 4
    guard let headers = begin.headers, PacketCut.isKind(packet.flags, headers) else { return nil }
    let end = Int(headers.end)
    let size = Int(packet.offloads.segmentSize)
    let payload = total &+ shift &- end
    if payload < 0 || size == 0 || size < PacketCut.leastSegment && payload > size { return nil }
    hasSegments = true
    isTCP = headers.isTCP
    isIPv6 = headers.isIPv6
    network = headers.network
    transport = headers.transport
    headerBytes = end
    skipped = end &- shift
    self.payload = payload
    self.size = size
    // The lengths of 64 segments add up to less than 2^31. A divisor that can be seen not to be zero does not trap.
    let divisor = max(1, UInt32(truncatingIfNeeded: size))
    frames = max(1, Int(UInt32(truncatingIfNeeded: payload &+ size &- 1) / divisor))
    finishesChecksum = !hasChecksum
    flags = hasChecksum ? Offloads.needsChecksum : 0
    var offloads = Offloads(0)
    if hasChecksum {
      offloads.checksumStart = headers.transport
      offloads.checksumOffset = headers.checksumOffset
    }
    self.offloads = offloads
    self.begin = begin
    takeOutFields(headers)
  }

  /// Makes one frame whose first bytes are a copy, of a packet of `total` bytes whose own may not be changed: with a tag,
  /// with its checksum, or both. Nil if those bytes are too many, or the packet's numbers do not fit it.
  init?(copying packet: Packet, _ total: Int, _ begin: FrameStart, tag: UInt16?, finishing: Bool) {
    var begin = begin
    var offloads = packet.offloads
    var needed = 14
    if packet.flags & Offloads.requests > 0xff { needed = max(needed, Int(offloads.headerLength)) }
    if finishing {
      guard let place = ChecksumPlace(packet, total, begin) else { return nil }
      needed = max(needed, place.field &+ 2)
      if needed > begin.readable { return nil }
      begin.set(place.field, UInt16(bigEndian: place.checksum(packet)))
      offloads = Offloads(0)
    }
    if needed > begin.readable || tag != nil && offloads.checksumStart > UInt16.max &- 4 { return nil }
    hasSegments = false
    isTCP = false
    isIPv6 = false
    network = 0
    transport = 0
    skipped = needed
    payload = total &- needed
    if let tag {
      begin.insertTag(tag)
      needed &+= 4
      if packet.flags & Offloads.needsChecksum != 0 && !finishing { offloads.checksumStart &+= 4 }
      if offloads.headerLength != 0 { offloads.headerLength &+= 4 }
    }
    headerBytes = needed
    size = payload
    frames = 1
    let kept = Offloads.requests | (packet.flags & Offloads.tunnels != 0 ? Offloads.tunnelChecksum : 0)
    flags = packet.flags & kept & ~(finishing ? Offloads.needsChecksum : 0)
    self.offloads = offloads
    finishesChecksum = false
    self.begin = begin
  }

  private static func isKind(_ flags: UInt32, _ headers: FrameHeaders) -> Bool {
    switch UInt8(truncatingIfNeeded: flags >> 8) & ~Segmentation.ecn {
    case Segmentation.tcp4: headers.isTCP && !headers.isIPv6
    case Segmentation.tcp6: headers.isTCP && headers.isIPv6
    case Segmentation.udp: !headers.isTCP
    default: false
    }
  }

  /// Notes the fields that differ from frame to frame, and sums up the others.
  @_optimize(speed)
  private mutating func takeOutFields(_ headers: FrameHeaders) {
    let network = Int(headers.network)
    let transport = Int(headers.transport)
    if !headers.isIPv6 {
      identification = begin.word(network &+ 4)
      begin.set(network &+ 2, 0)
      begin.set(network &+ 4, 0)
      begin.set(network &+ 10, 0)
      networkSum = begin.sum(network, transport &- network).folded
    }
    if headers.isTCP {
      sequence = UInt32(begin.word(transport &+ 4)) << 16 | UInt32(begin.word(transport &+ 6))
      control = begin.word(transport &+ 12)
      begin.set(transport &+ 4, 0)
      begin.set(transport &+ 6, 0)
      begin.set(transport &+ 12, 0)
    } else {
      begin.set(transport &+ 4, 0)
    }
    begin.set(transport &+ Int(headers.checksumOffset), 0)
    var sum = begin.pseudoSum(headers, 0)
    if finishesChecksum { sum.add(begin.sum(transport, headerBytes &- transport)) }
    transportSum = sum.folded
  }
}
