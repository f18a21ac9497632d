// SPDX-License-Identifier: BSD-2-Clause
//
// A transmit queue: taking back what was sent, and everything out of the ordinary, one packet at a time: chains,
// packets of another pool, and packets that cannot be sent and why. The ordinary is in TransmitPlain.swift.

import CLinux
import CVionet
import Linux

struct TransmitQueue {
  var core: Virtqueue
  /// Free packets of the pool that the last packets came from.
  var cache: PacketCache
  let headerSize: UInt32
  /// Bytes of the longest frame, Ethernet header included.
  let longest: UInt32
  /// Pools whose memory the device sees, one bit per number.
  let pools: UInt64
  /// Descriptor that follows descriptor n in a chain.
  let links: Table<UInt16>

  /// Marks in a slot beside the packet's address: this one has a successor; this one is not a head.
  static let chained: UInt = 1
  static let inner: UInt = 2

  static let shortest: UInt32 = 14

  init(
    core: Virtqueue, pool: Cell<PacketPool>, headerSize: Int, longest: UInt32, pools: UInt64
  ) throws(Failure) {
    guard let links = Table<UInt16>.make(count: Int(core.ring.size)) else {
      throw Failure(ENOMEM, "no memory for a transmit queue")
    }
    self.core = core
    self.headerSize = UInt32(headerSize)
    self.longest = longest
    self.pools = pools
    self.links = links
    do throws(Failure) {
      cache = try PacketCache(pool: pool)
    } catch {
      links.destroy()
      throw error
    }
  }

  /// Takes every packet back from a ring the device has let go of. Whether they were sent nobody knows.
  mutating func takeBack() {
    for id in 0..<Int(core.ring.size) {
      let mark = core.slots[marked: id]
      core.slots[marked: id] = 0
      guard let packet = Packet.at(mark & ~63) else { continue }
      if mark & TransmitQueue.inner == 0 { count(VIONET_DROP_STOPPED) }
      home(packet)
    }
  }

  mutating func destroy() {
    cache.destroy()
    core.destroy()
    links.destroy()
  }

  @inline(never)
  mutating func count(_ reason: vionet_drop) { core.counters.dropped[Int(reason.rawValue) & 7] &+= 1 }
}

// MARK: Taking back

extension TransmitQueue {
  /// One used entry in full detail: a chain, a packet of another pool or with more than one reference, nonsense. False
  /// if the queue is broken.
  @inline(never)
  mutating func reclaimOdd<R: Ring & ~Copyable>(_: R.Type) -> Bool {
    var ring = R(core.ring)
    if ring.pending == 0 { return !ring.jumped }
    let used = ring.nextUsed()
    if used.id >= UInt32(core.ring.size) { return broken(.badID) }
    var id = UInt16(truncatingIfNeeded: used.id)
    var mark = core.slots[marked: Int(id)]
    if mark == 0 || mark & TransmitQueue.inner != 0 { return broken(.notOutstanding) }
    ring.skipUsed()
    ring.putBack(&core.ring)
    // The chain is our own record: as long as it was made, and made no longer than the ring.
    while true {
      core.slots[marked: Int(id)] = 0
      core.idle.push(id)
      if let packet = Packet.at(mark & ~63) { home(packet) }
      if mark & TransmitQueue.chained == 0 { return true }
      id = links[id]
      mark = core.slots[marked: Int(id)]
    }
  }

  private mutating func broken(_ fault: RingFault) -> Bool {
    core.giveUp(fault)
    return false
  }

  /// The ring's reference to one segment ends. A packet that others have references of stayed its caller's.
  private mutating func home(_ packet: Packet) {
    guard let pool = PacketPools.containing(packet) else { return }
    // A caller that freed one reference too many has the packet at home already.
    let holder = packet.owner
    if holder == Owner.pool { return pool.value.refuse() }
    pool.value.release(packet, heldBy: holder)
  }

  /// From now on the cache serves another pool.
  private mutating func adopt(_ pool: Cell<PacketPool>) {
    cache.empty()
    cache = PacketCache(table: cache.table, pool: pool)
  }
}

// MARK: Sending the extraordinary

extension TransmitQueue {
  enum Verdict {
    /// Sent, or dropped and counted: the library's in either case.
    case taken
    /// No room in the ring.
    case full
  }

  /// One packet in full detail.
  @inline(never)
  mutating func transmitOdd<R: Ring & ~Copyable>(_: R.Type, _ candidate: Packet?) -> Verdict {
    guard let packet = candidate, let pool = PacketPools.containing(packet), packet.owner == Owner.caller else {
      // Nothing that could be freed either.
      count(VIONET_DROP_FOREIGN)
      return .taken
    }
    if let reason = flaw(packet) {
      count(reason)
      PacketCalls.free(packet, assuming: pool)
      return .taken
    }
    if packet.segments > core.idle.count { return .full }
    if pool.value.number != cache.pool.value.number { adopt(pool) }
    send(R.self, packet)
    return .taken
  }

  /// Why a packet of the caller's cannot be sent; nil if it can. Every segment is looked at, so that nothing but the
  /// memory of a shared pool is ever named to the device.
  private func flaw(_ head: Packet) -> vionet_drop? {
    if head.flags != 0 { return VIONET_DROP_OFFLOAD }
    if head.segments == 0 || head.segments > core.ring.size || head.segments > UInt16(VIONET_MAX_SEGMENTS) {
      return VIONET_DROP_SEGMENTS
    }
    var total: UInt32 = 0
    var segment: Packet? = head
    for place in 0..<head.segments {
      guard let packet = segment else { return VIONET_DROP_SEGMENTS }
      guard let pool = PacketPools.containing(packet), packet.owner == Owner.caller,
        pools >> UInt64(pool.value.number) & 1 != 0
      else { return VIONET_DROP_FOREIGN }
      if packet.length == 0 { return VIONET_DROP_EMPTY }
      if !PoolView(pool).covers(packet, header: place == 0 ? 12 : 0) { return VIONET_DROP_LONG }
      total &+= packet.length
      segment = packet.next
    }
    if segment != nil { return VIONET_DROP_SEGMENTS }
    if total < TransmitQueue.shortest { return VIONET_DROP_EMPTY }
    return total > longest &+ (head.isTagged ? 4 : 0) ? VIONET_DROP_LONG : nil
  }

  private func deviceAddress(_ packet: Packet) -> UInt64 {
    guard let pool = PacketPools.containing(packet) else { return 0 }
    return PoolView(pool).deviceAddress(packet)
  }

  /// Puts a checked packet on the ring: the header and the first segment in one descriptor, the others behind it,
  /// last to first, so that the device sees the head when all of it is there.
  private mutating func send<R: Ring & ~Copyable>(_: R.Type, _ head: Packet) {
    var ring = R(core.ring)
    var ids = InlineArray<64, UInt16>(repeating: 0)
    let segments = Int(head.segments)
    for place in 0..<segments { ids[place & 63] = core.idle.pop() }
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
          Int(id), address: deviceAddress(packet), length: packet.length, flags: isLast ? 0 : UInt16(VRING_DESC_F_NEXT),
          next: links[id])
      }
      core.counters.bytes &+= UInt64(packet.length)
    }
    head.clearHeader()
    let first = ids[0]
    ring.post(
      Int(first), address: deviceAddress(head) &- UInt64(headerSize), length: head.length &+ headerSize,
      flags: segments == 1 ? 0 : UInt16(VRING_DESC_F_NEXT), next: links[first])
    core.counters.packets &+= 1
    if ring.commit(&core.ring) { core.notifyDevice() }
  }
}
