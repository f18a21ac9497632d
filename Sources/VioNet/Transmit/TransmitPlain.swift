// SPDX-License-Identifier: BSD-2-Clause
//
// Sending packets of one buffer each (virtio 1.4, 5.1.9.2), the header in the headroom before the data, so that each
// takes one descriptor. First what was sent is taken back, then as many as there is room for go out. Whatever does not
// fit that pattern ends a loop and is left to reclaimOdd or transmitOdd.

import CLinux
import Linux

@inline(__always)
func transmitPlain<R: Ring & ~Copyable>(
  _: R.Type, _ queue: Cell<TransmitQueue>, _ packets: PacketList, _ count: UInt16
) -> UInt16 {
  // A device that completes while we count is bounded by one ring per call.
  if queue.value.core.idle.count < max(count, queue.value.core.ring.size / 2) { reclaim(R.self, queue) }
  var sent: UInt16 = 0
  while sent != count {
    sent = sendPlain(R.self, queue, packets, from: sent, to: count)
    if sent == count { break }
    if queue.value.core.idle.count != 0 && queue.value.transmitOdd(R.self, packets[sent]) == .taken {
      sent &+= 1
      continue
    }
    // Too few idle descriptors: worth another try if the device has used some by now.
    let before = queue.value.core.idle.count
    reclaim(R.self, queue)
    if queue.value.core.idle.count == before { break }
  }
  queue.value.core.counters.ringFull &+= UInt64(count &- sent)
  return sent
}

/// Packets of one segment, one reference and the cache's pool. Returns where it stopped.
@inline(__always)
private func sendPlain<R: Ring & ~Copyable>(
  _: R.Type, _ queue: Cell<TransmitQueue>, _ packets: PacketList, from begin: UInt16, to end: UInt16
) -> UInt16 {
  var ring = R(queue.value.core.ring)
  var idle = queue.value.core.idle
  let slots = queue.value.core.slots
  let pool = PoolView(queue.value.cache.pool)
  let header = queue.value.headerSize
  let shortest = TransmitQueue.shortest
  let span = queue.value.longest &- shortest
  let stop = min(end, begin &+ idle.count)
  var sent = begin
  var bytes: UInt64 = 0

  while sent != stop {
    guard let packet = packets[sent], pool.contains(packet) else { break }
    let length = packet.length
    if !packet.isPlain || length &- shortest > span || !pool.covers(packet, header: header) { break }
    let id = idle.pop()
    packet.clearHeader(12)
    packet.owner = Owner.ring
    slots[Int(id)] = packet
    ring.post(id, address: packet.deviceAddress &- UInt64(header), length: length &+ header, flags: 0, next: 0)
    bytes &+= UInt64(length)
    sent &+= 1
  }

  queue.value.core.idle = idle
  queue.value.core.counters.packets &+= UInt64(sent &- begin)
  queue.value.core.counters.bytes &+= bytes
  if ring.commit(&queue.value.core.ring) { queue.value.core.notifyDevice() }
  return sent
}

/// Takes back what the device has sent: single packets of the cache's pool here, anything else one by one.
@inline(__always)
private func reclaim<R: Ring & ~Copyable>(_: R.Type, _ queue: Cell<TransmitQueue>) {
  var left = queue.value.core.ring.size
  while left != 0 {
    if queue.value.cache.count > PacketCache.capacity / 2 { queue.value.cache.spill() }
    var ring = R(queue.value.core.ring)
    if ring.jumped { return queue.value.core.giveUp(.indexJump) }
    var idle = queue.value.core.idle
    let slots = queue.value.core.slots
    let pool = PoolView(queue.value.cache.pool)
    let free = queue.value.cache.table
    var freeCount = queue.value.cache.count
    let mask = UInt32(queue.value.core.ring.mask)
    let end = min(ring.pending, left, UInt16(PacketCache.capacity / 2))
    var taken: UInt16 = 0

    while taken != end {
      let id = ring.nextUsed().id
      if id > mask { break }
      let mark = slots[marked: Int(id)]
      // A chain's marks spoil the address, so that only single packets pass.
      guard let packet = pool.packet(at: mark), packet.isSent else { break }
      ring.skipUsed()
      slots[marked: Int(id)] = 0
      idle.push(UInt16(truncatingIfNeeded: id))
      pool.restore(packet)
      free[freeCount] = packet
      freeCount &+= 1
      taken &+= 1
    }

    queue.value.core.idle = idle
    queue.value.cache.count = freeCount
    _ = ring.commit(&queue.value.core.ring)
    left &-= taken
    if taken == end {
      if end < UInt16(PacketCache.capacity / 2) { return }
    } else {
      if !queue.value.reclaimOdd(R.self) { return }
      left &-= 1
    }
  }
}
