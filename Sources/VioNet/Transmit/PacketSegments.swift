// SPDX-License-Identifier: BSD-2-Clause
//
// Cutting one packet for a program that does so itself (vionet_packet_segment()), on any thread.

import CLinux
import CVionet
import Linux
import Virtio

package enum PacketSegments {
  /// Cuts a packet of the caller's into frames that ask for nothing. The packet stays the caller's.
  // Safety: by the contract of the public call `list` has room for `room` pointers. The packet's pointer is compared with
  // the pools' packets before it is followed.
  package static func cut(
    _ packet: PacketCalls.Pointer, _ list: UnsafeMutablePointer<PacketCalls.Pointer?>?, _ room: Int
  ) throws(Failure) -> Int {
    let packet = unsafe Packet(packet)
    let pool = try PacketViews.pool(packet)
    try PacketViews.check(packet)
    let total = Int(packet.totalLength)
    if total < Int(TransmitQueue.shortest) { throw Failure(EINVAL, "the packet is shorter than an Ethernet header") }
    if !TransmitOffloads.knows(packet.flags) {
      throw Failure(EINVAL, "flags: ").hex(UInt64(packet.flags)).text(" has bits that are not defined")
    }
    let tag = packet.flags & VIONET_PACKET_VLAN.rawValue != 0 ? packet.vlan : nil
    let output = unsafe list.map { unsafe PacketList($0) }
    guard let memory = unsafe Heap.zeroed(FrameStart.room) else { throw Failure(ENOMEM, "no memory for headers") }
    defer { unsafe free(memory) }
    let begin = unsafe FrameStart(packet, in: memory)
    if packet.flags & Offloads.requests > 0xff {
      guard let cut = PacketCut(cutting: packet, total, begin, tag: tag, hasChecksum: false) else { throw notCut }
      return try write(cut, packet, pool, output, room)
    }
    let finishing = packet.flags & Offloads.needsChecksum != 0
    guard let cut = PacketCut(copying: packet, total, begin, tag: tag, finishing: finishing) else {
      throw noPlace(packet)
    }
    return try write(cut, packet, pool, output, room)
  }

  private static func write(
    _ cut: borrowing PacketCut, _ packet: Packet, _ pool: Cell<PacketPool>, _ list: PacketList?, _ room: Int
  ) throws(Failure) -> Int {
    let frames = cut.frames
    guard let list, frames <= room else {
      throw Failure(ENOSPC, "the packet becomes ").number(frames).text(" segments, and there is room for ").number(room)
    }
    guard cut.headerBytes <= Int(pool.value.dataSize) else {
      throw Failure(EINVAL, "pool ").number(pool.value.number).text(": a buffer has no room for headers of ")
        .number(cut.headerBytes).text(" bytes")
    }
    guard let need = cut.need(packet, table: 0, most: Int.max) else {
      throw Failure(EINVAL, "a segment would lie in more than ").number(VIONET_MAX_SEGMENTS)
        .text(" pieces, or the packet has 65535 references")
    }
    guard let table = PacketTable(count: need.packets) else {
      throw Failure(ENOMEM, "no memory for ").number(frames).text(" segments")
    }
    defer { table.destroy() }
    guard let fresh = FreshPackets(pool, need.packets, table) else {
      throw Failure(ENOBUFS, "pool ").number(pool.value.number).text(" has no ").number(need.packets)
        .text(" packets, which the segments take")
    }
    var place = CutPlace(cut.cursor(packet), fresh)
    for index in 0..<frames { list[unchecked: index] = cut.frame(index, &place) }
    return frames
  }

  static var notCut: Failure {
    Failure(EINVAL, "the packet is to be cut, and is not TCP or UDP over the IP that its flags say, or its ")
      .text("segment_size is less than ").number(PacketCut.leastSegment)
  }

  /// Why there is no place for a checksum.
  static func noPlace(_ packet: Packet) -> Failure {
    if packet.offloads.checksumStart == 0 {
      return Failure(EINVAL, "the packet asks for a checksum and is not TCP or UDP over IPv4 or IPv6")
    }
    return Failure(EINVAL, "checksum_start or checksum_offset does not fit the packet")
  }
}
