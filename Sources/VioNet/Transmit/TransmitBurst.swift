// SPDX-License-Identifier: BSD-2-Clause
//
// Sending packets of one buffer each (virtio 1.4, 5.1.9.2), the header in the headroom before the data, so that each
// takes one descriptor. First what was sent is taken back, then as many as there is room for go out. Whatever does not
// fit that pattern ends a loop and is left to reclaimOdd or transmitOdd. The device is told once, at the end.

import CLinux
import Linux

@inline(__always)
@_optimize(speed)
func transmit<R: Ring & ~Copyable>(
  _: R.Type, _ queue: Cell<TransmitQueue>, _ packets: PacketList, _ limit: UInt16
) -> UInt16 {
  let count = Int(limit)
  // What was sent stays in the ring for a while, so that it comes back many at a time, but never more than a bulk or
  // half the ring: a pool that has run dry must not wait for a large ring to fill. A burst of none takes all back, and
  // tells how many.
  let size = Int(queue.value.core.ring.size)
  let idle = Int(queue.value.core.ring.idle.count)
  if count == 0 {
    reclaim(R.self, queue)
    return UInt16(truncatingIfNeeded: Int(queue.value.core.ring.idle.count) &- idle)
  }
  if idle < max(count, size / 2, size &- queue.value.cache.bulk) { reclaim(R.self, queue) }
  if queue.value.core.fault != .none { return 0 }
  var sent = 0
  while sent != count {
    let before = sent
    sent =
      (R.isInOrder || queue.value.core.ring.isStraight) && queue.value.isOrdinary
      ? sendRow(R.self, InOrder.self, queue, packets, from: sent, to: count)
      : sendRow(R.self, AnyOrder.self, queue, packets, from: sent, to: count)
    if sent == count { break }
    // The ring begins anew.
    if sent != before && queue.value.core.ring.idle.count != 0 { continue }
    if queue.value.core.ring.idle.count != 0 && queue.value.transmitOdd(R.self, packets[sent]) == .taken {
      sent &+= 1
      continue
    }
    // Too few idle descriptors: worth another try if the device has used some by now.
    queue.value.flush(R.self)
    let room = queue.value.core.ring.idle.count
    reclaim(R.self, queue)
    if queue.value.core.fault != .none { return UInt16(truncatingIfNeeded: sent) }
    if queue.value.core.ring.idle.count == room { break }
  }
  queue.value.core.counters.ringFull &+= UInt64(truncatingIfNeeded: count &- sent)
  if R.publish(&queue.value.core.ring) { queue.value.core.notifyDevice() }
  return UInt16(truncatingIfNeeded: sent)
}

/// Packets of one segment, one reference and the cache's pool that ask for nothing; in a straight ring, where descriptors
/// follow one another as if in order, up to its end. First they are looked at, then written down, so that each loop has
/// registers enough. Returns where it stopped.
@inline(__always)
@_optimize(speed)
private func sendRow<R: Ring & ~Copyable, O: UseOrder>(
  _: R.Type, _: O.Type, _ queue: Cell<TransmitQueue>, _ packets: PacketList, from begin: Int, to end: Int
) -> Int {
  let ring = R(queue.value.core.ring)
  let pool = queue.value.cache.view
  let span = min(queue.value.longest, pool.mostData) &- TransmitQueue.shortest
  let plain = Packet.plain(pool: pool.number, owner: Owner.caller)
  let row = min(end &- begin, O.isInOrder ? ring.idleRow : ring.idleCount)
  let list = packets.advanced(begin)
  var found = 0
  var bytes: UInt64 = 0
  if O.isInOrder { ring.fetchIdle(row) }

  while found != row {
    guard let packet = pool.packet(at: list[address: found]) else { break }
    let length = packet.length
    if !packet.isPlain(plain) || length &- TransmitQueue.shortest > span { break }
    if !(O.isInOrder ? pool.holdsOwn(packet, length) : pool.holds(packet, length)) { break }
    if O.isInOrder { packet.clearShortHeader() } else { packet.clearHeader() }
    // Found twice in the list it is no longer the caller's.
    packet.owner = Owner.ring
    bytes &+= UInt64(length)
    found &+= 1
  }
  if O.isInOrder { postRow(ring, queue, list, found) } else { postRun(R.self, queue, list, found) }
  queue.value.core.counters.packets &+= UInt64(truncatingIfNeeded: found)
  queue.value.core.counters.bytes &+= bytes
  return begin &+ found
}

/// Puts packets that were looked at into a straight ring, the first one last.
@inline(__always)
private func postRow<R: Ring & ~Copyable>(
  _ ring: borrowing R, _ queue: Cell<TransmitQueue>, _ list: PacketList, _ count: Int
) {
  let header = queue.value.headerSize
  let slots = queue.value.core.slots.advanced(ring.idlePlace)
  if count == 0 { return }
  var ahead = 1
  while ahead < count {
    post(list[address: ahead], ahead)
    ahead &+= 1
  }
  post(list[address: 0], 0)
  R.passPosted(count, &queue.value.core.ring)

  @inline(__always)
  func post(_ address: UInt, _ ahead: Int) {
    let packet = Packet.known(address)
    slots[ahead] = packet
    ring.postInRow(ahead, address: UInt64(packet.dataAddress) &- UInt64(header), length: packet.length &+ header)
  }
}

/// The same where ids come in any order, or devices are told other addresses than ours.
@inline(__always)
private func postRun<R: Ring & ~Copyable>(_: R.Type, _ queue: Cell<TransmitQueue>, _ list: PacketList, _ count: Int) {
  var ring = R(queue.value.core.ring)
  let pool = queue.value.cache.view
  let header = queue.value.headerSize
  let slots = queue.value.core.slots
  var sent = 0
  while sent != count {
    let packet = Packet.known(list[address: sent])
    let id = ring.nextIdle(after: 0)
    slots[id] = packet
    let address = pool.deviceAddress(packet) &- UInt64(header)
    ring.post(id, address: address, length: packet.length &+ header, flags: 0, next: 0, descriptors: 1)
    sent &+= 1
  }
  ring.save(&queue.value.core.ring)
}

/// Takes back what the device has sent: single packets of the cache's pool in rows, anything else one by one. A device
/// that goes on while we count gets one ring's worth per call.
@inline(never)
@_optimize(speed)
func reclaim<R: Ring & ~Copyable>(_: R.Type, _ queue: Cell<TransmitQueue>) {
  var left = Int(queue.value.core.ring.size)
  repeat {
    if queue.value.cache.isHigh { queue.value.cache.spill() }
    var ring = R(queue.value.core.ring)
    if ring.pending == 0 || !ring.look() {
      if ring.jumped { queue.value.core.giveUp(.indexJump) }
      return
    }
    let most = min(left, 2 &* queue.value.cache.bulk)
    let isRow = R.isInOrder || queue.value.core.ring.isStraight
    let taken =
      !isRow
      ? takeSentRun(&ring, queue, most)
      : queue.value.cache.view.isOwn
        ? takeSentRow(OwnAddresses.self, &ring, queue, most) : takeSentRow(TableAddresses.self, &ring, queue, most)
    left &-= taken
    if taken == 0 {
      if !queue.value.reclaimOdd(R.self) { return }
      left &-= 1
    }
  } while left > 0
}

/// Single packets of the cache's pool, as long as they come back in order, up to the end of the ring; how many.
@inline(__always)
@_optimize(speed)
private func takeSentRow<R: Ring & ~Copyable, A: Addresses>(
  _: A.Type, _ ring: inout R, _ queue: Cell<TransmitQueue>, _ most: Int
) -> Int {
  let row = ring.sentRow(most)
  let pool = queue.value.cache.view
  let slots = queue.value.core.slots.advanced(ring.sentPlace)
  let free = queue.value.cache.table.advanced(queue.value.cache.count)
  let held = Packet.heldAlone(pool: pool.number, owner: Owner.ring)
  var taken = 0
  while taken != row, ring.isSent(taken), let packet = pool.packet(at: slots[marked: taken]), packet.holding == held {
    slots[marked: taken] = 0
    pool.restore(packet, A.self)
    free[taken] = packet
    taken &+= 1
  }
  queue.value.cache.count &+= taken
  ring.passSent(taken)
  ring.save(&queue.value.core.ring)
  return taken
}

/// The same of a device that does not keep the order.
@inline(__always)
@_optimize(speed)
private func takeSentRun<R: Ring & ~Copyable>(_ ring: inout R, _ queue: Cell<TransmitQueue>, _ most: Int) -> Int {
  let pool = queue.value.cache.view
  let slots = queue.value.core.slots
  let free = queue.value.cache.table.advanced(queue.value.cache.count)
  let size = UInt32(queue.value.core.ring.size)
  let held = Packet.heldAlone(pool: pool.number, owner: Owner.ring)
  let wanted = min(ring.pending, most)
  var taken = 0
  while taken != wanted, ring.look() {
    let used = ring.nextSent()
    if used >= size { break }
    let id = Int(used)
    // A chain's marks spoil the address, so that only single packets pass.
    guard let packet = pool.packet(at: slots[marked: id]), packet.holding == held else { break }
    ring.passUsed(1)
    slots[marked: id] = 0
    ring.giveBack(id)
    pool.restore(packet)
    free[taken] = packet
    taken &+= 1
  }
  queue.value.cache.count &+= taken
  ring.save(&queue.value.core.ring)
  return taken
}
