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
    sent = sendRun(R.self, queue, packets, from: sent, to: count)
    if sent == count { break }
    if queue.value.core.ring.idle.count != 0 && queue.value.transmitOdd(R.self, packets[sent]) == .taken {
      sent &+= 1
      continue
    }
    // Too few idle descriptors: worth another try if the device has used some by now.
    queue.value.flush(R.self)
    let before = queue.value.core.ring.idle.count
    reclaim(R.self, queue)
    if queue.value.core.fault != .none { return UInt16(truncatingIfNeeded: sent) }
    if queue.value.core.ring.idle.count == before { break }
  }
  queue.value.core.counters.ringFull &+= UInt64(truncatingIfNeeded: count &- sent)
  if R.publish(&queue.value.core.ring) { queue.value.core.notifyDevice() }
  return UInt16(truncatingIfNeeded: sent)
}

/// Packets of one segment, one reference and the cache's pool that ask for nothing. Returns where it stopped.
@inline(__always)
@_optimize(speed)
private func sendRun<R: Ring & ~Copyable>(
  _: R.Type, _ queue: Cell<TransmitQueue>, _ packets: PacketList, from begin: Int, to end: Int
) -> Int {
  var ring = R(queue.value.core.ring)
  let slots = queue.value.core.slots
  let pool = queue.value.cache.view
  let header = queue.value.headerSize
  let span = queue.value.longest &- TransmitQueue.shortest
  // A header of 10 bytes (before virtio 1.0, buffers not merged) is written by transmitOdd: here 12 would be cleared,
  // and the two before them may be another packet's. 0 is what no packet has.
  let held = header < 12 ? 0 : Packet.heldAlone(pool: pool.number, owner: Owner.caller)
  let stop = min(end, begin &+ ring.idleCount)
  var sent = begin
  var bytes: UInt64 = 0

  while sent != stop {
    guard let packet = packets[sent], pool.contains(packet) else { break }
    let length = packet.length
    if packet.holding != held || !packet.isPlain || length &- TransmitQueue.shortest > span { break }
    if !pool.covers(packet, header: header) { break }
    let id = ring.nextIdle(after: 0)
    packet.clearHeader(header)
    packet.owner = Owner.ring
    slots[id] = packet
    ring.post(
      id, address: pool.deviceAddress(packet) &- UInt64(header), length: length &+ header, flags: 0, next: 0,
      descriptors: 1)
    bytes &+= UInt64(length)
    sent &+= 1
  }

  queue.value.core.counters.packets &+= UInt64(truncatingIfNeeded: sent &- begin)
  queue.value.core.counters.bytes &+= bytes
  ring.save(&queue.value.core.ring)
  return sent
}

/// Takes back what the device has sent: single packets of the cache's pool here, anything else one by one. A device
/// that goes on while we count gets one ring's worth per call.
@inline(never)
@_optimize(speed)
func reclaim<R: Ring & ~Copyable>(_: R.Type, _ queue: Cell<TransmitQueue>) {
  var left = Int(queue.value.core.ring.size)
  repeat {
    if queue.value.cache.isHigh { queue.value.cache.spill() }
    var ring = R(queue.value.core.ring)
    if ring.pending == 0 {
      if ring.jumped { queue.value.core.giveUp(.indexJump) }
      return
    }
    let slots = queue.value.core.slots
    let pool = queue.value.cache.view
    let free = queue.value.cache.table
    var freeCount = queue.value.cache.count
    let size = UInt32(queue.value.core.ring.size)
    let sent = Packet.heldAlone(pool: pool.number, owner: Owner.ring)
    let wanted = min(ring.pending, left, 2 &* queue.value.cache.bulk)
    let begin = freeCount
    let end = begin &+ wanted
    var ranOut = false

    while freeCount != end {
      if !ring.look() {
        ranOut = true
        break
      }
      let used = ring.nextSent()
      if used >= size { break }
      let id = Int(used)
      // A chain's marks spoil the address, so that only single packets pass.
      guard let packet = pool.packet(at: slots[marked: id]), packet.holding == sent else { break }
      ring.passUsed(1)
      slots[marked: id] = 0
      ring.giveBack(id)
      pool.restore(packet)
      free[freeCount] = packet
      freeCount &+= 1
    }

    queue.value.cache.count = freeCount
    ring.save(&queue.value.core.ring)
    left &-= freeCount &- begin
    if ranOut { return }
    if freeCount != end {
      if !queue.value.reclaimOdd(R.self) { return }
      left &-= 1
    }
  } while left > 0
}
