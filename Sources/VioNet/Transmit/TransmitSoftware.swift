// SPDX-License-Identifier: BSD-2-Clause
//
// What a transmit queue does itself because the device cannot, with VIONET_TX_SOFTWARE: checksums and segments. A tag that
// cannot be put into a packet in place goes into a segment of its own, with or without that switch. A packet is sent
// whole or not at all: the packets and descriptors that it takes are there before the first frame is posted.

import CLinux
import CVionet
import Linux
import Virtio

extension TransmitQueue {
  /// Room for the packets that one cut takes, if every frame takes one descriptor or more.
  static func spareRoom(_ size: Int) -> Int { 2 &* size &+ Int(VIONET_MAX_SEGMENTS) }

  /// The first bytes of a checked packet. There is one at a time, since one thread at a time uses the queue.
  // Safety: the memory has FrameStart.room bytes.
  func start(_ packet: Packet) -> FrameStart { unsafe FrameStart(packet, in: scratch) }

  /// Does what a checked packet of `total` bytes asks for and the device lacks. Nil if that left a packet that can be
  /// sent as others are: there is room in the ring for its segments.
  @inline(never)
  @_optimize(speed)
  mutating func takeOver<R: TransmitRing & ~Copyable>(
    _: R.Type, _ packet: Packet, _ pool: Cell<PacketPool>, _ total: UInt32
  ) -> Verdict? {
    let isLacking = !offloads.allow(packet, total)
    let isTagged = packet.flags & VIONET_PACKET_VLAN.rawValue != 0
    if !isLacking && (!isTagged || packet.hasRoomForVLAN(header: headerSize)) { return nil }
    let tag = isTagged ? packet.vlan : nil
    if isLacking && packet.flags & Offloads.requests > 0xff {
      guard
        let cut = PacketCut(cutting: packet, Int(total), start(packet), tag: tag, hasChecksum: offloads.hasChecksum)
      else { return drop(packet, pool, VIONET_DROP_OFFLOAD) }
      if cut.longest > Int(longest) &+ cut.tagBytes { return drop(packet, pool, VIONET_DROP_LONG) }
      return send(R.self, cut, packet, pool)
    }
    if isLacking && (!isTagged || packet.hasRoomForVLAN(header: headerSize)) {
      guard let place = ChecksumPlace(packet, Int(total), start(packet)) else {
        return drop(packet, pool, VIONET_DROP_OFFLOAD)
      }
      if packet.isWritable(place.field, 2) {
        packet.finishChecksum(place)
        return nil
      }
    }
    guard let cut = PacketCut(copying: packet, Int(total), start(packet), tag: tag, finishing: isLacking) else {
      return drop(packet, pool, VIONET_DROP_OFFLOAD)
    }
    return send(R.self, cut, packet, pool)
  }

  private mutating func drop(_ packet: Packet, _ pool: Cell<PacketPool>, _ reason: vionet_drop) -> Verdict {
    count(reason)
    PacketCalls.free(packet, assuming: pool)
    return .taken
  }

  /// Leaves the packet to the caller until that many descriptors are idle.
  private mutating func wait(_ descriptors: UInt16) -> Verdict {
    refusals.descriptors = descriptors
    return .full
  }

  /// That many packets of a pool, or none.
  private mutating func fresh(_ pool: Cell<PacketPool>, _ count: Int) -> FreshPackets? {
    if let fresh = FreshPackets(pool, count, spare) { return fresh }
    // The queue's own cache may have what the pool lacks.
    cache.empty()
    return FreshPackets(pool, count, spare)
  }

  /// Sends the frames of a cut, and lets go of the packet, whose data they show.
  @_optimize(speed)
  private mutating func send<R: TransmitRing & ~Copyable>(
    _: R.Type, _ cut: borrowing PacketCut, _ packet: Packet, _ pool: Cell<PacketPool>
  ) -> Verdict {
    let table = indirect == nil ? 0 : RingLayout.indirectDescriptors
    guard let need = cut.need(packet, table: table, most: Int(core.ring.size)) else {
      return drop(packet, pool, VIONET_DROP_SEGMENTS)
    }
    if cut.headerBytes > Int(pool.value.dataSize) { return drop(packet, pool, VIONET_DROP_OFFLOAD) }
    if need.descriptors > Int(core.ring.idle.count) { return wait(UInt16(truncatingIfNeeded: need.descriptors)) }
    guard let fresh = fresh(pool, need.packets) else {
      // Packets that are on their way come back, as descriptors do.
      if core.ring.outstanding > 0 { return wait(core.ring.idle.count &+ 1) }
      return drop(packet, pool, VIONET_DROP_NO_BUFFER)
    }
    dropped.skip(sent: core.counters.packets, frames: cut.frames)
    var place = CutPlace(cut.cursor(packet), fresh)
    var index = 0
    while index < cut.frames {
      let frame = cut.frame(index, &place)
      if frame.flags & Offloads.tunnels != 0 { pool.value.setTunnel(frame, cut.tunnel(of: packet, pool)) }
      count(frame: frame)
      post(R.self, frame, pool)
      index &+= 1
    }
    PacketCalls.free(packet, assuming: pool)
    return .taken
  }
}
