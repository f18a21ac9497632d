// SPDX-License-Identifier: BSD-2-Clause
//
// Receiving: a used packet goes to the caller and a fresh one takes its slot, with the same descriptor. Whatever does not
// fit that pattern (a wrong length or id, a frame in several buffers, an empty pool) ends the loop and is left to
// receiveOdd.

import CLinux
import Linux

/// Whether the virtio-net header of a frame is looked at. It need not be if it can say nothing: without merged buffers
/// and offloads (virtio 1.4, 5.1.9.4).
protocol HeaderUse {
  static var isRead: Bool { get }
}
enum HeaderIgnored: HeaderUse {
  @inline(__always) static var isRead: Bool { false }
}
enum HeaderRead: HeaderUse {
  @inline(__always) static var isRead: Bool { true }
}

@inline(__always)
@_optimize(speed)
func receive<R: Ring & ~Copyable, H: HeaderUse>(
  _: R.Type, _: H.Type, _ queue: Cell<ReceiveQueue>, _ packets: PacketList, _ limit: UInt16
) -> UInt16 {
  let count = Int(limit)
  var received = 0
  // A device that floods us with nonsense gets one ring of it per call.
  var nonsense = queue.value.core.ring.size
  repeat {
    if queue.value.core.ring.idle.count != 0 { queue.value.mend(R.self, jumped: false) }
    var ring = R(queue.value.core.ring)
    if ring.pending == 0 || !ring.look() {
      if ring.jumped { queue.value.mend(R.self, jumped: true) }
      return UInt16(truncatingIfNeeded: received)
    }
    if queue.value.core.armed { queue.value.core.disarm() }
    let end = received &+ min(ring.pending, count &- received)
    var ranOut = false
    received = takeRun(&ring, H.self, queue, packets, from: received, to: end, &ranOut)
    if received == end || ranOut { return UInt16(truncatingIfNeeded: received) }

    switch queue.value.receiveOdd(R.self, packets, at: received) {
    case .delivered: received &+= 1
    case .dropped: nonsense &-= 1
    case .nothing, .broken: return UInt16(truncatingIfNeeded: received)
    }
  } while received != count && nonsense != 0
  return UInt16(truncatingIfNeeded: received)
}

/// Frames of a right length, as long as there are used buffers and fresh packets. Returns where it stopped.
@inline(__always)
@_optimize(speed)
private func takeRun<R: Ring & ~Copyable, H: HeaderUse>(
  _ ring: inout R, _: H.Type, _ queue: Cell<ReceiveQueue>, _ packets: PacketList, from begin: Int, to end: Int,
  _ ranOut: inout Bool
) -> Int {
  let wanted = end &- begin
  if queue.value.cache.count < wanted { queue.value.cache.fill(wanted) }

  // Everything the loop needs, in locals: state changed through a pointer would cost a store and a load each time.
  let slots = queue.value.core.slots
  let fresh = queue.value.cache.table
  var freshCount = queue.value.cache.count
  let full = queue.value.bufferLength
  let header = queue.value.headerSize
  let span = full &- queue.value.shortest
  let port = queue.value.core.port
  let reading = queue.value.reading
  // With an idle descriptor a used entry's place is not the next available one's, and a batch names only its last
  // buffer: then they go one by one.
  let stop = begin &+ (ring.idleCount == 0 && ring.batchLeft == 0 ? min(wanted, freshCount) : 0)
  var received = begin
  var bytes: UInt64 = 0
  var rich: UInt32 = 0

  while received != stop {
    if !ring.look() {
      ranOut = true
      break
    }
    let used = ring.nextUsed()
    if !ring.accepts(used.id) || used.length &- (header &+ 14) > span { break }
    let id = Int(used.id)
    guard let packet = slots[id] else { break }
    let marks = H.isRead ? packet.headerMarks(header) : 0
    if H.isRead && !reading.isAlone(marks) { break }
    if H.isRead { rich |= reading.richness(marks) }
    freshCount &-= 1
    let next = fresh[known: freshCount]
    next.owner = Owner.ring
    slots[id] = next
    ring.replaceUsed(id, address: next.deviceAddressAtHome &- UInt64(header), length: full)
    let length = used.length &- header
    packet.deliver(length: length, port: port, flags: H.isRead ? reading.plainFlags(marks) : 0)
    packets[received] = packet
    bytes &+= UInt64(length)
    received &+= 1
  }

  queue.value.cache.count = freshCount
  queue.value.core.counters.packets &+= UInt64(truncatingIfNeeded: received &- begin)
  queue.value.core.counters.bytes &+= bytes
  ring.save(&queue.value.core.ring)
  if R.publish(&queue.value.core.ring) { queue.value.core.notifyDevice() }
  // Apart from the loop, which a call would rob of its registers.
  if H.isRead && rich != 0 { return queue.value.settleRun(packets, from: begin, to: received) }
  return received
}
