// SPDX-License-Identifier: BSD-2-Clause
//
// A row of used buffers, from one place in the ring to its end at most: each frame goes to the caller, a fresh packet
// into its slot. Where the device keeps the order and nothing needs to be read, four at a time.

import CLinux
import Linux

/// Frames of a right length, as long as there are used buffers and fresh packets, up to the end of the ring.
@inline(__always)
@_optimize(speed)
func takeRow<R: Ring & ~Copyable, H: HeaderUse, O: UseOrder>(
  _ ring: borrowing R, _: H.Type, _: O.Type, _ queue: Cell<ReceiveQueue>, _ packets: PacketList,
  _ received: inout Int, to end: Int
) -> RowStop {
  let begin = received
  let wanted = end &- begin
  if queue.value.cache.count < wanted { queue.value.cache.fill(wanted) }
  // An idle descriptor, or a batch, which names only its last buffer: then they go one by one.
  if ring.idleCount != 0 || ring.batchLeft != 0 { return .odd }

  // All in locals, since state changed through a pointer costs a store and a load each time; one index for all.
  let slots = queue.value.core.slots
  let first = ring.place
  let stop = first &+ min(wanted, queue.value.cache.count, ring.row)
  let delivered = packets.advanced(begin &- first)
  var fresh = queue.value.cache.table.advanced(queue.value.cache.count)
  let full = queue.value.bufferLength
  let header = queue.value.headerSize
  let span = UInt64(full &- queue.value.shortest)
  let (toBuffer, delivery) = (queue.value.toBuffer, queue.value.delivery)
  let reading = queue.value.reading
  var bytes: UInt64 = 0
  var rich = false
  var place = first
  var entry: UInt64 = 0

  if O.isInOrder && !H.isRead {
    place = takeFours(ring, queue, delivered, cache: fresh, from: place, to: stop, &bytes)
    fresh = fresh.advanced(first &- place)
  }
  while place != stop {
    entry = ring.entry(place)
    let length = R.length(entry) &- UInt64(header)
    if !ring.isAccepted(entry, place, isStraight: O.isInOrder) || length &- 14 > span { break }
    let id = O.isInOrder ? place : R.id(entry)
    let packet = slots[known: id]
    let marks = H.isRead ? packet.headerMarks(header) : 0
    if H.isRead && reading.richness(marks) != 0 {
      if !reading.isAlone(marks) { break }
      rich = true
    }
    fresh = fresh.advanced(-1)
    let next = fresh[known: 0]
    slots[id] = next
    ring.replace(id, place, isStraight: O.isInOrder, address: next.deviceBuffer &+ toBuffer, length: full)
    packet.deliver(length: length, flags: H.isRead ? reading.plainFlags(marks) : 0, delivery)
    delivered[place] = packet
    bytes &+= length
    place &+= 1
  }

  let isCrooked = O.isInOrder && !R.isInOrder && place != stop && R.id(entry) != place
  let isDry = place &- first == wanted || place != stop && ring.isStillEmpty(entry)
  let why: RowStop = isDry ? .dry : place &- first == ring.row ? .end : isCrooked ? .crooked : .odd
  leaveRow(R.self, queue, place &- first, bytes)
  received &+= place &- first
  // Apart from the loop, which a call would rob of its registers.
  if H.isRead && rich { received = queue.value.settleRun(packets, from: begin, to: received) }
  return why
}

/// So many frames were taken, of so many bytes, and as many buffers put into the ring.
@inline(__always)
@_optimize(speed)
private func leaveRow<R: Ring & ~Copyable>(_: R.Type, _ queue: Cell<ReceiveQueue>, _ taken: Int, _ bytes: UInt64) {
  queue.value.cache.count &-= taken
  queue.value.core.counters.packets &+= UInt64(truncatingIfNeeded: taken)
  queue.value.core.counters.bytes &+= bytes
  R.passReplaced(taken, &queue.value.core.ring)
}

/// Four at a time, as long as there is nothing to say about them. Returns where it stopped.
@inline(__always)
@_optimize(speed)
private func takeFours<R: Ring & ~Copyable>(
  _ ring: borrowing R, _ queue: Cell<ReceiveQueue>, _ delivered: PacketList, cache: PacketTable, from first: Int,
  to stop: Int, _ bytes: inout UInt64
) -> Int {
  let slots = queue.value.core.slots
  let full = queue.value.bufferLength
  let bounds = LengthBounds(least: UInt64(queue.value.shortest), span: UInt64(full &- queue.value.shortest))
  let toBuffer = queue.value.toBuffer
  let delivery = queue.value.delivery
  let shortestFrame = SIMD2<UInt64>(repeating: 14 << 32)
  var fresh = cache
  var place = first
  var sum = SIMD2<UInt64>.zero

  while stop &- place >= 4 {
    guard let lengths = ring.four(place, bounds) else { break }
    fresh = fresh.advanced(-4)
    let first = lengths.first &+ shortestFrame
    let second = lengths.second &+ shortestFrame
    sum = sum &+ (first &>> 32) &+ (second &>> 32)
    // What lies on one cache line is written together: the store queue takes such stores two at a time.
    for lane in 0..<4 {
      ring.replace(
        place &+ lane, place &+ lane, isStraight: true, address: fresh[known: lane].deviceBuffer &+ toBuffer,
        length: full)
    }
    let packets = slots.four(at: place)
    delivered.put(packets, at: place)
    slots.put(fresh.four(at: 0), at: place)
    Packet.known(packets.0).deliver(length: first[0], delivery)
    Packet.known(packets.1).deliver(length: first[1], delivery)
    Packet.known(packets.2).deliver(length: second[0], delivery)
    Packet.known(packets.3).deliver(length: second[1], delivery)
    place &+= 4
  }
  bytes &+= sum[0] &+ sum[1]
  return place
}
