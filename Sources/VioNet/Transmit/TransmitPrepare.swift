// SPDX-License-Identifier: BSD-2-Clause
//
// Preparing packets that ask the device for work, before a burst: finds where the checksum goes, puts the
// pseudo-header's sum there (virtio 1.4, 5.1.9.2) or the whole checksum if the device finishes none, and says what the
// device cannot do.

import CLinux
import CVionet
import Linux
import Virtio

extension TransmitQueue {
  /// Prepares one packet for transmitOne(); a failure says what is wrong with it. What it accepts a burst does not drop,
  /// unless the packet changes meanwhile: both ask dropReason().
  mutating func prepare(_ candidate: Packet?) throws(Failure) {
    guard let packet = candidate, let pool = PacketPools.containing(packet), packet.holder == Owner.caller,
      packet.hasData(pool)
    else { throw Failure(EINVAL, "this is not a packet that the caller holds, or its data lies outside its buffer") }
    if packet.flags & Offloads.requests > 0xff { packet.flags |= Offloads.needsChecksum }
    if packet.flags & Offloads.requests != 0 { try prepareRequests(packet, pool) }
    var total: UInt32 = 0
    if let reason = dropReason(packet, &total) { throw sentence(reason, packet, total) }
  }

  /// Prepares what a packet asks for.
  private mutating func prepareRequests(_ packet: Packet, _ pool: Cell<PacketPool>) throws(Failure) {
    let isSegmented = packet.flags & Offloads.requests > 0xff
    if packet.flags & Offloads.tunnels != 0 { return try prepareTunnel(packet, pool) }
    if isSegmented && takesOver && !self.offloads.hasAll(packet.flags) { return try mustCut(packet, pool) }
    if !isSegmented && !self.offloads.hasChecksum { return try finish(packet) }
    try self.offloads.mustHave(packet.flags)
    var offloads = packet.offloads
    if offloads.checksumStart != 0 && !(isSegmented && offloads.headerLength == 0) { return }
    guard let headers = packet.headers else {
      throw Failure(EINVAL, "the packet asks for a checksum and is not TCP or UDP over IPv4 or IPv6")
    }
    if offloads.checksumStart == 0 {
      if !packet.isSole || packet.isView(pool) { throw TransmitQueue.sharedData }
      let total = Int(packet.totalLength)
      let count = isSegmented ? total &- Int(headers.transport) : headers.transportBytes(total)
      let sum = packet.pseudoSum(headers, count)
      packet.store(sum.folded, at: Int(headers.transport &+ headers.checksumOffset))
      offloads.checksumStart = headers.transport
      offloads.checksumOffset = headers.checksumOffset
    }
    if isSegmented && offloads.headerLength == 0 { offloads.headerLength = headers.end }
    packet.offloads = offloads
  }

  /// What is wrong with a packet that a burst would drop for `reason`.
  @inline(never)
  private mutating func sentence(_ reason: vionet_drop, _ packet: Packet, _ total: UInt32) -> Failure {
    switch reason {
    case VIONET_DROP_SEGMENTS:
      Failure(EINVAL, "the packet says ").number(packet.segments)
        .text(" segments, and its list is not as long, or more than ")
        .number(min(core.ring.size, UInt16(VIONET_MAX_SEGMENTS))).text(" descriptors are needed")
    case VIONET_DROP_FOREIGN:
      Failure(EINVAL, "a segment of the packet is not the caller's, or its pool is not shared: vionet_pool_share()")
    case VIONET_DROP_EMPTY:
      Failure(EINVAL, "a segment of the packet has no data, or all have less than the 14 bytes of an Ethernet header")
    case VIONET_DROP_LONG:
      Failure(EINVAL, "the packet's ").number(total).text(" bytes are more than the ").number(longest)
        .text(" of the MTU, or data and ").number(headerSize).text(" bytes before it lie outside a buffer")
    default:
      Failure(
        EINVAL,
        "flags, checksum_start, checksum_offset, header_length or segment_size do not fit the packet or the port")
    }
  }
}

extension TransmitQueue {
  /// Throws unless a burst can cut the packet into segments.
  private mutating func mustCut(_ packet: Packet, _ pool: Cell<PacketPool>) throws(Failure) {
    try PacketViews.check(packet)
    let total = Int(packet.totalLength)
    let tag = packet.flags & VIONET_PACKET_VLAN.rawValue != 0 ? packet.vlan : nil
    guard
      let cut = PacketCut(cutting: packet, total, start(packet), tag: tag, hasChecksum: offloads.hasChecksum)
    else { throw PacketSegments.notCut }
    if cut.headerBytes > Int(pool.value.dataSize) { throw PacketSegments.notCut }
    if cut.longest > Int(longest) &+ cut.tagBytes {
      throw Failure(EINVAL, "a segment of ").number(cut.longest).text(" bytes would be longer than the ")
        .number(longest).text(" of the MTU: segment_size is too large")
    }
    let table = indirect == nil ? 0 : RingLayout.indirectDescriptors
    if cut.need(packet, table: table, most: Int(core.ring.size)) == nil {
      throw Failure(EINVAL, "the packet's segments take more than the ").number(core.ring.size)
        .text(" descriptors of the queue, or one of them has too many pieces")
    }
  }

  /// Writes the checksum that the device cannot finish.
  private mutating func finish(_ packet: Packet) throws(Failure) {
    try PacketViews.check(packet)
    guard let place = ChecksumPlace(packet, Int(packet.totalLength), start(packet)) else {
      throw PacketSegments.noPlace(packet)
    }
    if !packet.isWritable(place.field, 2) { throw TransmitQueue.sharedData }
    packet.finishChecksum(place)
  }

  static var sharedData: Failure {
    Failure(EINVAL, "the packet's data is shared, so no checksum can be written into it")
  }
}

extension TransmitOffloads {
  /// True if these flags need nothing that was not negotiated.
  fileprivate func hasAll(_ flags: UInt32) -> Bool {
    let type = UInt8(truncatingIfNeeded: flags >> 8)
    let base = type & ~Segmentation.ecn
    return hasChecksum && base < 8 && types >> base & 1 != 0 && (type & Segmentation.ecn == 0 || hasECN)
  }

  /// Throws the name of a feature that these flags need and that was not negotiated.
  func mustHave(_ flags: UInt32) throws(Failure) {
    let type = UInt8(truncatingIfNeeded: flags >> 8)
    let base = type & ~(Segmentation.ecn | Segmentation.tunnels)
    if flags & Offloads.needsChecksum != 0 && !hasChecksum { throw TransmitOffloads.missing(Feature.checksum) }
    if lacks(base, Segmentation.tcp4) { throw TransmitOffloads.missing(Feature.hostTSO4) }
    if lacks(base, Segmentation.tcp6) { throw TransmitOffloads.missing(Feature.hostTSO6) }
    if lacks(base, Segmentation.udp) { throw TransmitOffloads.missing(Feature.hostUSO) }
    if type & Segmentation.ecn != 0 && !hasECN { throw TransmitOffloads.missing(Feature.hostECN) }
  }

  /// True if `base` is the segmentation type `type`, and that was not negotiated.
  private func lacks(_ base: UInt8, _ type: UInt8) -> Bool { base == type && types >> type & 1 == 0 }

  @inline(never)
  static func missing(_ feature: UInt64) -> Failure {
    Failure(ENOTSUP, "the packet's flags ask for ").plain(Features.firstName(feature))
      .text(", which was not negotiated: tx_software=1 or vionet_packet_segment() does without")
  }
}
