// SPDX-License-Identifier: BSD-2-Clause
//
// Receiving frames of one buffer each (virtio 1.4, 5.1.9.4, without MRG_RXBUF): a used packet goes to the caller and a
// fresh one takes its slot, with the same descriptor. Whatever does not fit that pattern (a wrong length or id, an
// empty pool) ends the loop and is left to receiveOdd.

import CLinux
import Linux

@inline(__always)
@_optimize(speed)
func receivePlain<R: Ring & ~Copyable>(
  _: R.Type, _ queue: Cell<ReceiveQueue>, _ packets: PacketList, _ count: Int
) -> Int {
  var received = 0
  // A device that floods us with nonsense gets one ring of it per call.
  var nonsense = queue.value.core.ring.size
  repeat {
    if queue.value.core.idle.count != 0 { queue.value.mend(R.self, jumped: false) }
    var ring = R(queue.value.core.ring)
    if ring.pending == 0 {
      if ring.jumped { queue.value.mend(R.self, jumped: true) }
      return received
    }
    if queue.value.core.armed { queue.value.core.disarm() }
    let end = received &+ min(ring.pending, count &- received)
    received = takePlain(&ring, queue, packets, from: received, to: end)
    if received == end { return received }

    switch queue.value.receiveOdd(R.self, packets, at: received) {
    case .delivered: received &+= 1
    case .dropped: nonsense &-= 1
    case .broken: return received
    }
  } while received != count && nonsense != 0
  return received
}

/// Frames of a right length, as long as there are fresh packets. Returns where it stopped.
@inline(__always)
@_optimize(speed)
private func takePlain<R: Ring & ~Copyable>(
  _ ring: inout R, _ queue: Cell<ReceiveQueue>, _ packets: PacketList, from begin: Int, to end: Int
) -> Int {
  let wanted = end &- begin
  if queue.value.cache.count < wanted { queue.value.cache.fill(wanted) }

  // Everything the loop needs, in locals: state changed through a pointer would cost a store and a load each time.
  let slots = queue.value.core.slots
  let fresh = queue.value.cache.table
  var freshCount = queue.value.cache.count
  let mask = UInt32(queue.value.core.ring.mask)
  let header = queue.value.headerSize
  let shortest = header &+ 14
  let span = queue.value.bufferLength &- shortest
  let port = queue.value.core.port
  // With an idle descriptor a used entry's place is not the next available one's: then it goes one by one.
  let stop = begin &+ (queue.value.core.idle.count == 0 ? min(wanted, freshCount) : 0)
  var received = begin
  var bytes: UInt64 = 0

  while received != stop {
    let used = ring.nextUsed()
    if used.id > mask || used.length &- shortest > span { break }
    let id = Int(used.id)
    guard let packet = slots[id] else { break }
    freshCount &-= 1
    let next = fresh[known: freshCount]
    next.owner = Owner.ring
    slots[id] = next
    ring.replaceUsed(id, address: next.deviceAddressAtHome &- UInt64(header))
    let length = used.length &- header
    packet.deliver(length: length, port: port)
    packets[received] = packet
    bytes &+= UInt64(length)
    received &+= 1
  }

  queue.value.cache.count = freshCount
  queue.value.core.counters.packets &+= UInt64(truncatingIfNeeded: received &- begin)
  queue.value.core.counters.bytes &+= bytes
  if ring.commit(&queue.value.core.ring) { queue.value.core.notifyDevice() }
  return received
}
