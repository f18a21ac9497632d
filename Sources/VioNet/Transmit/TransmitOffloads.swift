// SPDX-License-Identifier: BSD-2-Clause
//
// What a packet may ask of the device (virtio 1.4, 5.1.9.2.1), and whether its numbers fit the packet.

import CLinux
import CVionet
import Linux
import Virtio

struct TransmitOffloads {
  private(set) var hasChecksum = false
  /// Segmentation types that were negotiated, bit n for type n.
  private(set) var types: UInt8 = 0
  private(set) var hasECN = false
  /// A packet to be cut may lie in a UDP tunnel, and the device completes the tunnel's own checksum.
  private(set) var hasTunnel = false
  private(set) var hasTunnelChecksum = false

  /// Most bytes that the 16-bit lengths of IP allow, with an Ethernet header.
  static let longestSegmented: UInt32 = 65535 + 14

  init(_ features: FeatureSet) {
    hasChecksum = features.has(Feature.checksum)
    if features.has(Feature.hostTSO4) { types |= 1 << Segmentation.tcp4 }
    if features.has(Feature.hostTSO6) { types |= 1 << Segmentation.tcp6 }
    if features.has(Feature.hostUSO) { types |= 1 << Segmentation.udp }
    hasECN = features.has(Feature.hostECN)
    hasTunnel = features.has(above: HigherFeature.hostTunnel)
    hasTunnelChecksum = features.has(above: HigherFeature.hostTunnelChecksum)
  }

  /// True if flags ask for segments that the device makes, of a packet that lies in no tunnel.
  func cuts(_ flags: UInt32) -> Bool {
    let base = UInt8(truncatingIfNeeded: flags >> 8) & ~Segmentation.ecn
    return base != 0 && base < 8 && types >> base & 1 != 0
  }

  /// Bits of enum vionet_tx_offload.
  var asOffered: UInt32 {
    var bits: UInt32 = hasChecksum ? VIONET_TX_CHECKSUM.rawValue : 0
    if types >> Segmentation.tcp4 & 1 != 0 { bits |= VIONET_TX_TCP4.rawValue }
    if types >> Segmentation.tcp6 & 1 != 0 { bits |= VIONET_TX_TCP6.rawValue }
    if types >> Segmentation.udp & 1 != 0 { bits |= VIONET_TX_UDP.rawValue }
    if hasTunnel { bits |= VIONET_TX_TUNNEL.rawValue }
    return hasECN ? bits | VIONET_TX_ECN.rawValue : bits
  }

  private static let known =
    Offloads.requests | VIONET_PACKET_CHECKSUM_GOOD.rawValue | VIONET_PACKET_VLAN.rawValue
    | VIONET_PACKET_HASH.rawValue | 0xff00_0000

  /// True if every flag has a meaning. A tunnel's checksum has none to complete without a tunnel (5.1.9.2.1).
  static func knows(_ flags: UInt32) -> Bool {
    let isOfTunnel = flags & Offloads.tunnels != 0 || flags & Offloads.needsChecksum == 0
    return flags & ~(isOfTunnel ? known | Offloads.tunnelChecksum : known) == 0
  }

  /// True if a packet whose segments were checked and add up to `total` bytes asks for nothing more than was
  /// negotiated.
  func allow(_ packet: Packet, _ total: UInt32) -> Bool {
    let flags = packet.flags
    if !TransmitOffloads.knows(flags) { return false }
    let offloads = packet.offloads
    if flags & Offloads.needsChecksum != 0 {
      let end = UInt32(offloads.checksumStart) + UInt32(offloads.checksumOffset) + 2
      if !hasChecksum || end > total { return false }
    }
    let type = UInt8(truncatingIfNeeded: flags >> 8)
    if type == 0 { return true }
    let base = type & ~(Segmentation.ecn | Segmentation.tunnels)
    if base > 7 || types >> base & 1 == 0 || type & Segmentation.ecn != 0 && !hasECN { return false }
    if type & Segmentation.tunnels != 0 && !allowTunnel(packet, total) { return false }
    let header = UInt32(offloads.headerLength)
    return flags & Offloads.needsChecksum != 0 && offloads.segmentSize != 0 && header >= 34 && header <= total
  }

  /// True if the device cuts packets in such a tunnel, and the places of its headers can be right.
  @inline(never)
  private func allowTunnel(_ packet: Packet, _ total: UInt32) -> Bool {
    let flags = packet.flags
    let type = UInt8(truncatingIfNeeded: flags >> 8)
    if !hasTunnel || !TunnelOffsets.isSound(type) { return false }
    if flags & Offloads.tunnelChecksum != 0 && !hasTunnelChecksum { return false }
    guard let pool = PacketPools.containing(packet) else { return false }
    let transport = packet.offloads.checksumStart
    return pool.value.tunnel(packet).fit(type, transport: transport, total: total)
      && packet.offloads.headerLength > transport
  }
}

// Safety: the packet was checked by its caller.
extension Packet {
  /// The VLAN tag control information.
  var vlan: UInt16 { unsafe pointer.pointee.vlan }

  /// True if a VLAN tag can be put into the data, before a header of `header` bytes: there is room, and nobody else has
  /// the data.
  func hasRoomForVLAN(header: UInt32) -> Bool {
    UInt32(headroom) >= header &+ 4 && length >= 14 && isSole && !isExternal
  }

  /// Puts the VLAN tag into the frame, before a header of `header` bytes. Returns false if that cannot be done in place,
  /// or if checksum_start would not fit its field. The caller's numbers may be anything, so that none may trap.
  func insertVLAN(header: UInt32) -> Bool {
    // Safety: the segment was checked to lie in its buffer, with 4 bytes of headroom beyond the header and 14 of data.
    if !hasRoomForVLAN(header: header) { return false }
    var offloads = self.offloads
    let hasChecksum = flags & Offloads.needsChecksum != 0
    if hasChecksum && offloads.checksumStart > UInt16.max - 4 { return false }
    unsafe pointer.pointee.data -= 4
    unsafe memmove(pointer.pointee.data, pointer.pointee.data + 4, 12)
    let tag: UInt32 = unsafe UInt32(EtherType.vlan) << 16 | UInt32(pointer.pointee.vlan)
    unsafe pointer.pointee.data.storeBytes(of: tag.bigEndian, toByteOffset: 12, as: UInt32.self)
    unsafe pointer.pointee.headroom &-= 4
    unsafe pointer.pointee.length &+= 4
    unsafe pointer.pointee.total_length &+= 4
    if hasChecksum { offloads.checksumStart &+= 4 }
    if offloads.headerLength != 0 { offloads.headerLength &+= 4 }
    if flags & Offloads.tunnels != 0 { moveTunnel(by: 4) }
    self.offloads = offloads
    flags &= ~VIONET_PACKET_VLAN.rawValue
    return true
  }
}
