// SPDX-License-Identifier: BSD-2-Clause
//
// Sending packets of one buffer each (virtio 1.4, 5.1.9.2). The header lies in the headroom before the data, so that
// each packet takes one descriptor. First sent packets are taken back, then as many are posted as there is room for.
// Whatever does not fit that pattern ends a run and is left to reclaimOne() or transmitOne(). The device is notified
// once, at the end.

import CLinux
import Linux

@inline(__always)
@_optimize(speed)
func transmit<R: TransmitRing & ~Copyable>(
  _: R.Type, _ queue: Cell<TransmitQueue>, _ packets: PacketList, _ limit: UInt16
) -> UInt16 {
  let count = Int(limit)
  // Sent packets stay in the ring for a while, so that many come back at once. They stay only while a bulk or half the
  // ring is idle, so that a pool that has run dry need not wait for a large ring to fill. A burst of no packets takes
  // all back and returns how many.
  let size = Int(queue.value.core.ring.size)
  let idle = Int(queue.value.core.ring.idle.count)
  if count == 0 {
    reclaim(R.self, queue)
    return UInt16(truncatingIfNeeded: Int(queue.value.core.ring.idle.count) &- idle)
  }
  if idle < max(count, size / 2, size &- queue.value.cache.bulk) { reclaimSome(R.self, queue) }
  if queue.value.core.needsCare && !queue.value.attend(packets[uncheckedAddress: 0], count) { return 0 }
  var sent = 0
  while sent != count {
    let before = sent
    sent =
      (R.isInOrder || queue.value.core.ring.isInRingOrder) && queue.value.allowsRuns
      ? transmitRun(R.self, InRingOrder.self, queue, packets, from: sent, to: count)
      : transmitRun(R.self, OutOfRingOrder.self, queue, packets, from: sent, to: count)
    if sent == count { break }
    // The run may have ended at the end of the ring.
    if sent != before && queue.value.core.ring.idle.count != 0 { continue }
    if queue.value.core.ring.idle.count != 0
      && queue.value.transmitOne(R.self, packets[unchecked: sent]) == .taken
    {
      sent &+= 1
      continue
    }
    // Too few idle descriptors: try again if the device has used some by now.
    queue.value.flush(R.self)
    let room = queue.value.core.ring.idle.count
    reclaimSome(R.self, queue)
    if queue.value.core.fault != .none { return UInt16(truncatingIfNeeded: sent) }
    if queue.value.core.ring.idle.count == room { break }
  }
  if sent != count { queue.value.refuse(packets.advanced(sent), count &- sent, after: sent) }
  if R.publish(&queue.value.core.ring) { queue.value.core.notifyDevice() }
  return UInt16(truncatingIfNeeded: sent)
}

/// Sends packets of one segment, one reference and the cache's pool that ask for nothing; in ring order, up to the end
/// of the ring. All are checked first and posted then, so that each loop has enough registers. Returns where it
/// stopped.
@inline(__always)
@_optimize(speed)
private func transmitRun<R: TransmitRing & ~Copyable, O: RunOrder>(
  _: R.Type, _: O.Type, _ queue: Cell<TransmitQueue>, _ packets: PacketList, from begin: Int, to end: Int
) -> Int {
  let ring = R(queue.value.core.ring)
  let pool = queue.value.cache.view
  // What fits behind the headroom that a packet has at first; the few longer ones are sent one by one.
  let span = min(queue.value.longest, pool.usualData) &- TransmitQueue.shortest
  let plain = Packet.plainWord(pool: pool.number, owner: Owner.caller)
  let run = min(end &- begin, O.isInRingOrder ? ring.idleRun : ring.idleCount)
  let list = packets.advanced(begin)
  var found = 0
  var bytes: UInt64 = 0
  if O.isInRingOrder { ring.claimIdle(run) }

  while found != run {
    guard let packet = pool.packet(at: list[uncheckedAddress: found]) else { break }
    let length = packet.length
    if !packet.isPlain(plain) || length &- TransmitQueue.shortest > span { break }  // tested by abi-xstats
    // tested by abi-dropped-packets
    if packet.dataAddress != pool.data(packet) && !pool.holds(packet, length) { break }
    if O.isInRingOrder { packet.clearShortHeader() } else { packet.clearHeader() }
    // Mark it taken now, so that a duplicate later in the list is rejected.
    packet.owner = Owner.ring
    bytes &+= UInt64(length)
    found &+= 1
  }
  if O.isInRingOrder { postRun(ring, queue, list, found) } else { postSingly(R.self, queue, list, found) }
  queue.value.core.counters.packets &+= UInt64(truncatingIfNeeded: found)
  queue.value.core.counters.bytes &+= bytes
  return begin &+ found
}

/// Posts checked packets in ring order, the first one last.
@inline(__always)
private func postRun<R: TransmitRing & ~Copyable>(
  _ ring: borrowing R, _ queue: Cell<TransmitQueue>, _ list: PacketList, _ count: Int
) {
  let header = queue.value.headerSize
  let slots = queue.value.core.slots.advanced(ring.idlePlace)
  if count == 0 { return }
  var ahead = 1
  while ahead < count {
    post(list[uncheckedAddress: ahead], ahead)
    ahead &+= 1
  }
  post(list[uncheckedAddress: 0], 0)
  R.passPosted(count, &queue.value.core.ring)

  @inline(__always)
  func post(_ address: UInt, _ ahead: Int) {
    let packet = Packet.known(address)
    slots[unchecked: ahead] = packet
    ring.postInRun(ahead, address: UInt64(packet.dataAddress) &- UInt64(header), length: packet.length &+ header)
  }
}

/// Posts checked packets where ids come in any order, or where devices are given other addresses than our own.
@inline(__always)
private func postSingly<R: TransmitRing & ~Copyable>(
  _: R.Type, _ queue: Cell<TransmitQueue>, _ list: PacketList, _ count: Int
) {
  var ring = R(queue.value.core.ring)
  let pool = queue.value.cache.view
  let header = queue.value.headerSize
  let slots = queue.value.core.slots
  var sent = 0
  while sent != count {
    let packet = Packet.known(list[uncheckedAddress: sent])
    let id = ring.nextIdle(after: 0)
    slots[unchecked: id] = packet
    let address = pool.deviceAddress(packet) &- UInt64(header)
    ring.post(id, address: address, length: packet.length &+ header, flags: 0, next: 0, descriptors: 1)
    sent &+= 1
  }
  ring.save(&queue.value.core.ring)
}

/// Takes back what the device has sent. If it was found to be marking one buffer after another used, each look takes the
/// line that it writes from its core and gains a buffer or two. So the looks that follow go to a buffer further on,
/// farther each time that one is used, and leave the lines behind it alone.
@inline(__always)
private func reclaimSome<R: TransmitRing & ~Copyable>(_: R.Type, _ queue: Cell<TransmitQueue>) {
  if !R.isPacked { return reclaim(R.self, queue) }
  let looks = queue.value.looks
  if looks.left != 0, !queue.value.hasSentChains,
    let count = R(queue.value.core.ring).lookAhead(Int(looks.distance), atLeast: LooksAhead.least)
  {
    queue.value.looks = looks.next(found: count != 0)
    if count == 0 { return }
    R(queue.value.core.ring).prefetchUsed(count)
    return reclaimCounted(R.self, queue, count)
  }
  let idle = queue.value.core.ring.idle.count
  R(queue.value.core.ring).prefetchUsed(Int(min(looks.gained, queue.value.core.ring.outstanding)))
  reclaim(R.self, queue)
  queue.value.looks = LooksAhead(gained: queue.value.core.ring.idle.count &- idle)
}

/// Takes back what the device has sent: single packets of the cache's pool in runs, anything else one by one. A device
/// that goes on meanwhile gets a ring's worth of descriptors back per call.
@inline(never)
@_optimize(speed)
func reclaim<R: TransmitRing & ~Copyable>(_: R.Type, _ queue: Cell<TransmitQueue>) {
  reclaim(R.self, queue, atMost: Int(queue.value.core.ring.size))
}

/// Takes back that many sent buffers at most.
@inline(never)
@_optimize(speed)
private func reclaimCounted<R: TransmitRing & ~Copyable>(_: R.Type, _ queue: Cell<TransmitQueue>, _ count: Int) {
  reclaim(R.self, queue, atMost: count)
}

@inline(__always)
@_optimize(speed)
private func reclaim<R: TransmitRing & ~Copyable>(_: R.Type, _ queue: Cell<TransmitQueue>, atMost limit: Int) {
  var left = limit
  repeat {
    // A transmit queue takes nothing from its cache: what stays there, nobody can use.
    if queue.value.cache.hasBulk { queue.value.cache.empty() }
    var ring = R(queue.value.core.ring)
    if ring.pending == 0 || !ring.findUsed() {
      if ring.indexJumped { queue.value.core.markBroken(.indexJump) }
      return
    }
    let most = min(left, 2 &* queue.value.cache.bulk)
    let isRun = R.isInOrder || queue.value.core.ring.isInRingOrder
    let taken = isRun ? reclaimRun(&ring, queue, most) : reclaimSingly(&ring, queue, most)
    left &-= taken
    if taken == 0 {
      if !queue.value.reclaimOne(R.self) { return }
      left &-= 1
    }
  } while left > 0
}

/// Takes back single packets of the cache's pool that come in ring order, up to the end of the ring; returns how many.
@inline(__always)
@_optimize(speed)
private func reclaimRun<R: TransmitRing & ~Copyable>(
  _ ring: inout R, _ queue: Cell<TransmitQueue>, _ most: Int
) -> Int {
  let run = ring.sentRun(most)
  let pool = queue.value.cache.view
  let slots = queue.value.core.slots.advanced(ring.sentPlace)
  let free = queue.value.cache.table.advanced(queue.value.cache.count)
  let held = Packet.soleOwnership(pool: pool.number, owner: Owner.ring)
  var taken = 0
  while taken != run, ring.isSent(taken), let packet = pool.packet(at: slots[uncheckedTagged: taken]),
    packet.ownership == held
  {
    slots[uncheckedTagged: taken] = 0
    packet.owner = Owner.pool
    free[unchecked: taken] = packet
    taken &+= 1
  }
  queue.value.cache.count &+= taken
  ring.passSent(taken)
  ring.save(&queue.value.core.ring)
  return taken
}

/// Takes back single packets of the cache's pool that come in any order; returns how many.
@inline(__always)
@_optimize(speed)
private func reclaimSingly<R: TransmitRing & ~Copyable>(
  _ ring: inout R, _ queue: Cell<TransmitQueue>, _ most: Int
) -> Int {
  let pool = queue.value.cache.view
  let slots = queue.value.core.slots
  let free = queue.value.cache.table.advanced(queue.value.cache.count)
  let size = UInt32(queue.value.core.ring.size)
  let held = Packet.soleOwnership(pool: pool.number, owner: Owner.ring)
  let wanted = min(ring.pending, most)
  var taken = 0
  while taken != wanted, ring.findUsed() {
    let used = ring.nextSent()
    if used >= size { break }
    let id = Int(used)
    // Tags change the address, so that a chain is no packet of the pool here.
    guard let packet = pool.packet(at: slots[uncheckedTagged: id]), packet.ownership == held, ring.isExposed(id)
    else { break }
    ring.passUsed(1)
    slots[uncheckedTagged: id] = 0
    ring.giveBack(id)
    packet.owner = Owner.pool
    free[unchecked: taken] = packet
    taken &+= 1
  }
  queue.value.cache.count &+= taken
  ring.save(&queue.value.core.ring)
  return taken
}
