// SPDX-License-Identifier: BSD-2-Clause
//
// Sending packets that need more than a run does, one at a time: several segments, another pool, offloads. Packets that
// cannot be sent are dropped and counted here, by reason.

import CLinux
import CVionet
import Linux
import Virtio

extension TransmitQueue {
  enum Verdict {
    /// Sent, or dropped and counted: the library's in either case.
    case taken
    /// No room in the ring.
    case full
  }

  /// Sends one packet in full detail. The caller publishes.
  @inline(never)
  mutating func transmitOne<R: TransmitRing & ~Copyable>(_: R.Type, _ candidate: Packet?) -> Verdict {
    guard let packet = candidate, let pool = PacketPools.containing(packet), packet.owner == Owner.caller else {
      // Not freed: it is no packet of the caller's.
      count(VIONET_DROP_FOREIGN)
      return .taken
    }
    var total: UInt32 = 0
    if let reason = dropReason(packet, &total) {
      count(reason)
      PacketCalls.free(packet, assuming: pool)
      return .taken
    }
    packet.totalLength = total
    let isIndirect = packet.segments > 1 && packet.segments <= RingLayout.indirectDescriptors && indirect != nil
    if !isIndirect && packet.segments > core.ring.idle.count { return .full }
    if packet.flags & VIONET_PACKET_VLAN.rawValue != 0 && !packet.insertVLAN(header: headerSize) {
      count(VIONET_DROP_OFFLOAD)
      PacketCalls.free(packet, assuming: pool)
      return .taken
    }
    if pool.value.number != cache.pool.value.number { serve(pool) }
    packet.writeHeader(headerSize)
    if isIndirect, let indirect { sendIndirect(R.self, packet, indirect) } else { sendChain(R.self, packet) }
    core.counters.packets &+= 1
    core.counters.bytes &+= UInt64(packet.totalLength)
    return .taken
  }

  /// Makes the cache serve another pool.
  private mutating func serve(_ pool: Cell<PacketPool>) {
    cache.empty()
    cache = PacketCache(table: cache.table, pool: pool)
  }

  /// Why a packet of the caller's cannot be sent. Nil if it can; then its length is in `total`. Checks every segment,
  /// so that only memory of a shared pool is ever given to the device.
  private mutating func dropReason(_ head: Packet, _ total: inout UInt32) -> vionet_drop? {
    if head.segments == 0 || head.segments > core.ring.size || head.segments > UInt16(VIONET_MAX_SEGMENTS) {
      return VIONET_DROP_SEGMENTS
    }
    var segment: Packet? = head
    for place in 0..<head.segments {
      guard let packet = segment else { return VIONET_DROP_SEGMENTS }
      guard let pool = PacketPools.containing(packet), packet.owner == Owner.caller,
        pools >> UInt64(pool.value.number) & 1 != 0
      else { return VIONET_DROP_FOREIGN }
      if packet.length == 0 { return VIONET_DROP_EMPTY }
      if !PoolView(pool).covers(packet, header: place == 0 ? headerSize : 0) { return VIONET_DROP_LONG }
      total &+= packet.length
      segment = packet.next
    }
    if segment != nil { return VIONET_DROP_SEGMENTS }
    if total < TransmitQueue.shortest { return VIONET_DROP_EMPTY }
    if !offloads.allow(head, total) { return VIONET_DROP_OFFLOAD }
    // The device cuts what is to be segmented; only the total must fit its fields.
    let limit = head.flags & Offloads.requests > 0xff ? TransmitOffloads.longestSegmented : longest
    return total > limit &+ (head.isTagged ? 4 : 0) ? VIONET_DROP_LONG : nil
  }

  private static func deviceAddress(_ packet: Packet) -> UInt64 {
    guard let pool = PacketPools.containing(packet) else { return 0 }
    return PoolView(pool).deviceAddress(packet)
  }

  /// Puts a checked packet on the ring: header and first segment in one descriptor, the others behind it. The head is
  /// posted last, so that the device sees all of it or nothing.
  private mutating func sendChain<R: TransmitRing & ~Copyable>(_: R.Type, _ head: Packet) {
    var ring = R(core.ring)
    var ids = InlineArray<64, UInt16>(repeating: 0)
    let segments = Int(head.segments)
    for place in 0..<segments { ids[place & 63] = UInt16(truncatingIfNeeded: ring.nextIdle(after: place)) }
    let first = Int(ids[0])
    var segment: Packet? = head
    for place in 0..<segments {
      guard let packet = segment else { break }
      segment = packet.next
      let id = ids[place & 63]
      let isLast = place == segments - 1
      let tags = (isLast ? 0 : SlotTag.chained) | (place == 0 ? 0 : SlotTag.inner)
      core.slots[uncheckedTagged: Int(id)] = packet.address | tags
      links[id] = isLast ? 0 : ids[(place + 1) & 63]
      if packet.references == 1 { packet.owner = Owner.ring }
      if place > 0 {
        ring.link(
          Int(id), place: place, head: first, address: TransmitQueue.deviceAddress(packet), length: packet.length,
          flags: isLast ? 0 : DescriptorFlag.next, next: links[id])
      }
    }
    ring.post(
      first, address: TransmitQueue.deviceAddress(head) &- UInt64(headerSize), length: head.length &+ headerSize,
      flags: segments == 1 ? 0 : DescriptorFlag.next, next: links[first], descriptors: segments)
    ring.save(&core.ring)
  }

  /// Puts a checked packet into an indirect table, so that it takes one descriptor of the ring.
  private mutating func sendIndirect<R: TransmitRing & ~Copyable>(
    _: R.Type, _ head: Packet, _ indirect: IndirectTables
  ) {
    var ring = R(core.ring)
    let id = ring.nextIdle(after: 0)
    let table = indirect.tables.table(id)
    let segments = Int(head.segments)
    var segment: Packet? = head
    var place = 0
    while place < RingLayout.indirectDescriptors {
      defer { place &+= 1 }
      let record = id &* RingLayout.indirectDescriptors &+ place
      indirect.packets[unchecked: record] = segment
      guard let packet = segment else { continue }
      segment = packet.next
      if packet.references == 1 { packet.owner = Owner.ring }
      let header = place == 0 ? headerSize : 0
      DescriptorTables.write(
        R.self, table, place, isLast: place >= segments &- 1,
        address: TransmitQueue.deviceAddress(packet) &- UInt64(header), length: packet.length &+ header, flags: 0)
    }
    core.slots[uncheckedTagged: id] = head.address | SlotTag.indirect
    indirect.tables.post(id, count: segments, &ring)
    ring.save(&core.ring)
  }
}
