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
    guard let packet = candidate, let pool = PacketPools.containing(packet), packet.holder == Owner.caller else {
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
    let isIndirect =
      packet.segments > 1 && packet.segments <= RingLayout.indirectDescriptors && indirect != nil && !packet.isExternal
    if !isIndirect && packet.descriptors > core.ring.idle.count {
      refusals.descriptors = packet.descriptors
      return .full
    }
    if packet.flags & Offloads.work != 0, let verdict = takeOver(R.self, packet, pool, total) { return verdict }
    if packet.flags & VIONET_PACKET_VLAN.rawValue != 0 && !packet.insertVLAN(header: headerSize) {
      count(VIONET_DROP_OFFLOAD)
      PacketCalls.free(packet, assuming: pool)
      return .taken
    }
    if pool.value.number != cache.pool.value.number { serve(pool) }
    post(R.self, packet, pool)
    return .taken
  }

  /// Puts a checked packet on the ring, which has room for it, and counts it.
  @inline(never)
  mutating func post<R: TransmitRing & ~Copyable>(_: R.Type, _ packet: Packet, _ pool: Cell<PacketPool>) {
    packet.writeHeader(
      headerSize, at: packet.isExternal ? PoolView(pool).buffer(packet) : packet.dataAddress &- UInt(headerSize),
      packet.flags & Offloads.tunnels != 0 ? pool.value.tunnel(packet) : nil)
    if packet.segments > 1 && packet.segments <= RingLayout.indirectDescriptors && !packet.isExternal, let indirect {
      sendIndirect(R.self, packet, indirect)
    } else {
      sendChain(R.self, packet)
    }
    core.counters.packets &+= 1
    core.counters.bytes &+= UInt64(packet.totalLength)
  }

  /// Makes the cache serve another pool.
  private mutating func serve(_ pool: Cell<PacketPool>) {
    cache.empty()
    cache = PacketCache(table: cache.table, pool: pool)
  }

  /// Why a packet of the caller's cannot be sent. Nil if it can; then its length is in `total`, and the numbers that the
  /// device needs are in the packet.
  mutating func dropReason(_ head: Packet, _ total: inout UInt32) -> vionet_drop? {
    if let reason = segmentsReason(head, &total) { return reason }
    if total < TransmitQueue.shortest { return VIONET_DROP_EMPTY }  // tested by abi-xstats
    if offloads.cuts(head.flags) { findHeaders(head, total) }
    if head.flags & Offloads.tunnels != 0 { findTunnelHeaders(head) }
    // tested by abi-offloads
    if !offloads.allow(head, total) && !(takesOver && TransmitOffloads.knows(head.flags)) { return VIONET_DROP_OFFLOAD }
    // What is to be cut into segments is cut later; only the total must fit its fields.
    let limit = head.flags & Offloads.requests > 0xff ? TransmitOffloads.longestSegmented : longest
    return total > limit &+ head.tagBytes ? VIONET_DROP_LONG : nil
  }

  /// Gives a checked packet that is to be cut into segments the numbers of its headers. Those of a received packet are
  /// hints that may say anything (virtio 1.4, 5.1.9.4.2). A packet whose checksum the device has checked has none to
  /// complete, as cutting needs it. If the headers are of another kind than TCP and UDP, the numbers stay.
  @inline(never)
  private mutating func findHeaders(_ head: Packet, _ total: UInt32) {
    let frame = start(head)
    guard let headers = frame.headers else { return }
    var offloads = head.offloads
    offloads.headerLength = headers.end
    if head.flags & Offloads.needsChecksum == 0 && head.flags & Offloads.dataValid != 0 {
      let field = Int(headers.transport &+ headers.checksumOffset)
      if !head.isWritable(field, 2) { return }
      head.store(frame.pseudoSum(headers, Int(total) &- Int(headers.transport)).folded, at: field)
      offloads.checksumStart = headers.transport
      offloads.checksumOffset = headers.checksumOffset
      head.flags |= Offloads.needsChecksum
    }
    head.offloads = offloads
  }

  /// Why the segments of a packet cannot be given to the device; nil if they can. Checks every one, so that only memory of
  /// a shared pool is ever given.
  private mutating func segmentsReason(_ head: Packet, _ total: inout UInt32) -> vionet_drop? {
    if head.segments == 0 || head.descriptors > core.ring.size || head.segments > UInt16(VIONET_MAX_SEGMENTS) {
      return VIONET_DROP_SEGMENTS
    }
    var segment: Packet? = head
    for place in 0..<head.segments {
      guard let packet = segment else { return VIONET_DROP_SEGMENTS }
      guard let pool = PacketPools.containing(packet), packet.holder == Owner.caller else { return VIONET_DROP_FOREIGN }
      // The header of an external packet lies in the buffer of its own that it does not use.
      let usesOwnBuffer = !packet.isExternal || place == 0
      // tested by abi-dropped-packets
      if usesOwnBuffer && pools >> UInt64(pool.value.number) & 1 == 0 { return VIONET_DROP_FOREIGN }
      if packet.length == 0 { return VIONET_DROP_EMPTY }
      if let origin = pool.value.origin(packet) {
        guard pools >> UInt64(origin.pool & 63) & 1 != 0 else { return VIONET_DROP_FOREIGN }
        if TransmitQueue.deviceAddress(packet) == 0 { return VIONET_DROP_LONG }
      } else {
        let view = PoolView(pool)
        // tested by abi-dropped-packets
        if !view.covers(packet, header: place == 0 ? headerSize : 0) { return VIONET_DROP_LONG }
        // What is before the data counts, not what the caller says is there.
        let headroom = view.headroom(packet)
        if packet.headroom != headroom { packet.headroom = headroom }
      }
      total &+= packet.length
      segment = packet.next
    }
    return segment == nil ? nil : VIONET_DROP_SEGMENTS
  }

  /// Address of a segment's data for devices; 0 if the device cannot reach it.
  private static func deviceAddress(_ packet: Packet) -> UInt64 {
    guard let pool = PacketPools.containing(packet) else { return 0 }
    return packet.isExternal ? externalAddress(packet, pool) : PoolView(pool).deviceAddress(packet)
  }

  @inline(never)
  private static func externalAddress(_ packet: Packet, _ pool: Cell<PacketPool>) -> UInt64 {
    guard let origin = pool.value.origin(packet), let memory = PacketPools.existing(origin.pool) else { return 0 }
    return memory.value.deviceAddress(of: packet.dataAddress, packet.length)
  }

  /// Address for devices of the header of a checked packet.
  private static func headerAddress(_ head: Packet, _ headerSize: UInt32) -> UInt64 {
    if !head.isExternal { return TransmitQueue.deviceAddress(head) &- UInt64(headerSize) }
    guard let pool = PacketPools.containing(head) else { return 0 }
    return PoolView(pool).deviceBuffer(head)
  }

  /// Puts a checked packet on the ring: header and first segment in one descriptor, the others behind it. If the head is
  /// external, its header has a descriptor of its own. The head is posted last, so that the device sees all of it or
  /// nothing.
  private mutating func sendChain<R: TransmitRing & ~Copyable>(_: R.Type, _ head: Packet) {
    hasSentChains = true
    var ring = R(core.ring)
    let descriptors = Int(head.descriptors)
    let first = ring.nextIdle(after: 0)
    var next = UInt16(truncatingIfNeeded: first)
    var segment: Packet? = head
    for place in 0..<descriptors {
      let id = next
      let isLast = place == descriptors &- 1
      next = isLast ? 0 : UInt16(truncatingIfNeeded: ring.nextIdle(after: place &+ 1))
      links[id] = next
      let tags = (isLast ? 0 : SlotTag.chained) | (place == 0 ? 0 : SlotTag.inner)
      // The slot of a header of its own holds the head; that of the head's data, no packet.
      let isHeadData = place == 1 && head.isExternal
      let packet = isHeadData ? head : segment
      core.slots[uncheckedTagged: Int(id)] = (isHeadData ? 0 : packet?.address ?? 0) | tags
      guard let packet else { break }
      if !isHeadData { segment = packet.next }
      if packet.references == 1 { packet.holder = Owner.ring }
      if place > 0 {
        ring.link(
          Int(id), place: place, head: first, address: TransmitQueue.deviceAddress(packet), length: packet.length,
          flags: isLast ? 0 : DescriptorFlag.next, next: next)
      }
    }
    ring.post(
      first, address: TransmitQueue.headerAddress(head, headerSize),
      length: headerSize &+ (head.isExternal ? 0 : head.length),
      flags: descriptors == 1 ? 0 : DescriptorFlag.next, next: links[first], descriptors: descriptors)
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
      if packet.references == 1 { packet.holder = Owner.ring }
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
