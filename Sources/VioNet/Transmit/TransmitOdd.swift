// SPDX-License-Identifier: BSD-2-Clause
//
// Sending everything out of the ordinary, one packet at a time: several segments, packets of another pool, offloads, and
// packets that cannot be sent and why.

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

  /// One packet in full detail. The device is told by the caller.
  @inline(never)
  mutating func transmitOdd<R: Ring & ~Copyable>(_: R.Type, _ candidate: Packet?) -> Verdict {
    guard let packet = candidate, let pool = PacketPools.containing(packet), packet.owner == Owner.caller else {
      // Nothing that could be freed either.
      count(VIONET_DROP_FOREIGN)
      return .taken
    }
    var total: UInt32 = 0
    if let reason = flaw(packet, &total) {
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
    if pool.value.number != cache.pool.value.number { adopt(pool) }
    packet.writeHeader(headerSize)
    if isIndirect, let indirect { sendIndirect(R.self, packet, indirect) } else { sendChain(R.self, packet) }
    core.counters.packets &+= 1
    core.counters.bytes &+= UInt64(packet.totalLength)
    return .taken
  }

  /// From now on the cache serves another pool.
  private mutating func adopt(_ pool: Cell<PacketPool>) {
    cache.empty()
    cache = PacketCache(table: cache.table, pool: pool)
  }

  /// Why a packet of the caller's cannot be sent; nil if it can, and then its length is in `total`. Every segment is
  /// looked at, so that nothing but the memory of a shared pool is ever named to the device.
  private mutating func flaw(_ head: Packet, _ total: inout UInt32) -> vionet_drop? {
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
    if !offers.allow(head, total) { return VIONET_DROP_OFFLOAD }
    // The device cuts what is to be segmented; the total only has to fit its fields.
    let limit = head.flags & Offloads.requests > 0xff ? TransmitOffers.longestSegmented : longest
    return total > limit &+ (head.isTagged ? 4 : 0) ? VIONET_DROP_LONG : nil
  }

  private static func deviceAddress(_ packet: Packet) -> UInt64 {
    guard let pool = PacketPools.containing(packet) else { return 0 }
    return PoolView(pool).deviceAddress(packet)
  }

  /// Puts a checked packet on the ring: the header and the first segment in one descriptor, the others behind it, the
  /// head at last, so that the device sees all of it or nothing.
  private mutating func sendChain<R: Ring & ~Copyable>(_: R.Type, _ head: Packet) {
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
      let mark = (isLast ? 0 : TransmitQueue.chained) | (place == 0 ? 0 : TransmitQueue.inner)
      core.slots[marked: Int(id)] = packet.address | mark
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

  /// The same with the descriptors in a table outside the ring, where the packet takes one (2.7.5.3, 2.8.7).
  private mutating func sendIndirect<R: Ring & ~Copyable>(_: R.Type, _ head: Packet, _ indirect: IndirectTables) {
    var ring = R(core.ring)
    let id = ring.nextIdle(after: 0)
    let table = indirect.tables.advanced(id &* RingLayout.indirectBytes)
    let segments = Int(head.segments)
    var segment: Packet? = head
    var place = 0
    while place < RingLayout.indirectDescriptors {
      defer { place &+= 1 }
      let record = id &* RingLayout.indirectDescriptors &+ place
      indirect.packets[record] = segment
      guard let packet = segment else { continue }
      segment = packet.next
      if packet.references == 1 { packet.owner = Owner.ring }
      let header = place == 0 ? headerSize : 0
      table.store64(place &* RingFormat.descriptorBytes, TransmitQueue.deviceAddress(packet) &- UInt64(header))
      // A packed ring's table is read in order; a split one's is a chain.
      let isLinked = !core.ring.shape.isPacked && place < segments &- 1
      let next = UInt64(truncatingIfNeeded: place &+ 1) << 48
      let link = isLinked ? UInt64(DescriptorFlag.next) << 32 | next : 0
      table.store64(place &* RingFormat.descriptorBytes &+ 8, UInt64(packet.length &+ header) | link)
    }
    core.slots[marked: id] = head.address | TransmitQueue.indirect
    ring.post(
      id, address: indirect.deviceAddress &+ UInt64(truncatingIfNeeded: id &* RingLayout.indirectBytes),
      length: UInt32(truncatingIfNeeded: segments &* RingFormat.descriptorBytes),
      flags: DescriptorFlag.indirect, next: 0, descriptors: 1)
    ring.save(&core.ring)
  }
}
