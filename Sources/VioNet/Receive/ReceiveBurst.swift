// SPDX-License-Identifier: BSD-2-Clause
//
// Receiving: each used packet goes to the caller and a fresh one takes its slot, with the same descriptor. A run of
// used buffers reaches at most to the end of the ring. Whatever does not fit that pattern (an invalid length or id, a
// frame in several buffers, an empty pool) ends the run and is left to receiveOne().

import CLinux
import Linux

/// Whether the virtio-net header of a frame is read. Without merged buffers and offloads it can say nothing (virtio
/// 1.4, 5.1.9.4).
protocol HeaderUse {
  static var isRead: Bool { get }
}
enum HeaderIgnored: HeaderUse {
  @inline(__always) static var isRead: Bool { false }
}
enum HeaderRead: HeaderUse {
  @inline(__always) static var isRead: Bool { true }
}

/// One burst. Most bursts of a program that polls find nothing: those look once and are done, in a function that needs no
/// register saved. It is no part of its C entry, where shims would become calls.
@inline(never)
@_optimize(speed)
func receive<R: ReceiveRing & ~Copyable, H: HeaderUse>(
  _: R.Type, _: H.Type, _ queue: Cell<ReceiveQueue>, _ packets: PacketList, _ limit: UInt16
) -> UInt16 {
  R.hasNothingToDo(queue.value.core.ring) ? 0 : receiveUsed(R.self, H.self, queue, packets, limit)
}

/// A burst that has something to do. Exposes the fresh buffers at its end. Asks whether the device wants a notification
/// only when many buffers are fresh or nothing was received: asking takes a fence, and a device wants one only when it has
/// run out of buffers.
@inline(never)
@_optimize(speed)
private func receiveUsed<R: ReceiveRing & ~Copyable, H: HeaderUse>(
  _: R.Type, _: H.Type, _ queue: Cell<ReceiveQueue>, _ packets: PacketList, _ limit: UInt16
) -> UInt16 {
  let received = receiveRuns(R.self, H.self, queue, packets, Int(limit))
  if received != 0 && R.expose(&queue.value.core.ring) < queue.value.notifyThreshold {
    return UInt16(truncatingIfNeeded: received)
  }
  if R.publish(&queue.value.core.ring) { queue.value.core.notifyDevice() }
  return UInt16(truncatingIfNeeded: received)
}

@inline(__always)
@_optimize(speed)
private func receiveRuns<R: ReceiveRing & ~Copyable, H: HeaderUse>(
  _: R.Type, _: H.Type, _ queue: Cell<ReceiveQueue>, _ packets: PacketList, _ count: Int
) -> Int {
  var received = 0
  // One call drops at most a ring's worth of invalid entries.
  var dropsLeft = queue.value.core.ring.size
  repeat {
    if queue.value.core.ring.idle.count != 0 { queue.value.refill(R.self) }
    var ring = R(queue.value.core.ring)
    if ring.pending == 0 || !ring.findUsed() {
      if ring.indexJumped { queue.value.core.markBroken(.indexJump) }  // tested by abi-hostile-split-rings
      return received
    }
    if queue.value.core.armed { queue.value.core.disarm() }
    let end = received &+ min(ring.pending, count &- received)
    let isInRingOrder = R.isInOrder || queue.value.core.ring.isInRingOrder
    let stop =
      !isInRingOrder
      ? receiveApart(R.self, H.self, OutOfRingOrder.self, queue, packets, &received, to: end)
      : queue.value.cache.view.isOwn
        ? receiveRun(ring, H.self, InRingOrder.self, OwnAddresses.self, queue, packets, &received, to: end)
        : receiveApart(R.self, H.self, InRingOrder.self, queue, packets, &received, to: end)
    if received == count || stop == .noMoreUsed { return received }
    if stop == .ringEnd {
      dropsLeft &-= 1
      continue
    }
    if stop == .outOfOrder {
      queue.value.core.ring.leaveRingOrder()
      continue
    }

    switch queue.value.receiveOne(R.self, packets, at: received) {
    case .delivered: received &+= 1
    case .dropped: dropsLeft &-= 1
    case .nothing, .broken: return received
    }
  } while received != count && dropsLeft != 0
  return received
}

/// Why a run ended.
private enum RunStop {
  /// The device has used no more.
  case noMoreUsed
  /// The run reached the end of the ring.
  case ringEnd
  /// The device has left ring order, as it may.
  case outOfOrder
  /// The next entry, or the pool, needs receiveOne().
  case exception
}

/// A run out of ring order, or where devices are given addresses of a table: a function of its own, so that its loop takes no
/// registers from the other one.
@inline(never)
@_optimize(speed)
private func receiveApart<R: ReceiveRing & ~Copyable, H: HeaderUse, O: RunOrder>(
  _: R.Type, _: H.Type, _: O.Type, _ queue: Cell<ReceiveQueue>, _ packets: PacketList, _ received: inout Int,
  to end: Int
) -> RunStop {
  receiveRun(R(queue.value.core.ring), H.self, O.self, TableAddresses.self, queue, packets, &received, to: end)
}

/// Receives frames of an accepted length, as long as there are used buffers and fresh packets, up to the end of the
/// ring.
@inline(__always)
@_optimize(speed)
private func receiveRun<R: ReceiveRing & ~Copyable, H: HeaderUse, O: RunOrder, A: Addresses>(
  _ ring: borrowing R, _: H.Type, _: O.Type, _: A.Type, _ queue: Cell<ReceiveQueue>, _ packets: PacketList,
  _ received: inout Int, to end: Int
) -> RunStop {
  let (begin, wanted) = (received, end &- received)
  if queue.value.cache.count < wanted { queue.value.cache.fill(wanted) }
  // With an idle descriptor, or a batch, which names only its last buffer, entries are taken one by one.
  if ring.idleCount != 0 || ring.batchLeft != 0 { return .exception }

  // All state is local, with one index, since changing it through a pointer would cost a store and a load each time.
  let slots = queue.value.core.slots
  let first = ring.usedPlace
  let stop = first &+ min(wanted, queue.value.cache.count, ring.usedRun)
  let delivered = packets.advanced(begin &- first)
  var fresh = queue.value.cache.table.advanced(queue.value.cache.count)
  let full = queue.value.bufferLength
  let header = queue.value.headerSize
  let span = queue.value.span
  let (view, headerOffset, common) = (queue.value.cache.view, queue.value.headerOffset, queue.value.common)
  let reading = queue.value.reading
  var (bytes, entry, hasOffloads) = (UInt64(0), UInt64(0), false)
  var place = first

  if O.isInRingOrder && A.areOwn {
    place = receiveFours(ring, H.self, queue, delivered, cache: fresh, from: place, to: stop, &bytes)
    fresh = fresh.advanced(first &- place)
  }
  while place != stop {
    entry = ring.entry(place)
    let length = R.length(entry) &- UInt64(header)
    if !ring.isAccepted(entry, place, isInRingOrder: O.isInRingOrder) || length &- 14 > span { break }
    let id = O.isInRingOrder ? place : R.id(entry)
    let packet = slots[uncheckedPresent: id]
    let word = H.isRead ? Packet.headerWord(at: view.data(packet) &- UInt(header)) : 0
    if H.isRead && reading.beyondPlain(word) != 0 {
      if !reading.isSingleBuffer(word) { break }  // tested by abi-hostile-packed-rings
      hasOffloads = true
    }
    fresh = fresh.advanced(-1)
    let next = fresh[uncheckedPresent: 0]
    slots[unchecked: id] = next
    let address = view.deviceBuffer(next, A.self) &+ headerOffset
    ring.replace(id, place, isInRingOrder: O.isInRingOrder, address: address, length: full)
    view.deliver(packet, length: length, flags: H.isRead ? reading.plainFlags(word) : 0, common)
    delivered[unchecked: place] = packet
    bytes &+= length
    place &+= 1
  }

  let leftOrder = O.isInRingOrder && !R.isInOrder && place != stop && R.id(entry) != place
  let isDone = place &- first == wanted || place != stop && ring.isStillUnused(entry)
  let why: RunStop =
    isDone ? .noMoreUsed : place &- first == ring.usedRun ? .ringEnd : leftOrder ? .outOfOrder : .exception
  leaveRun(R.self, queue, place &- first, bytes)
  received &+= place &- first
  // Outside the loop: a call there would spill its registers.
  if H.isRead && hasOffloads { received = queue.value.applyHeaders(packets, from: begin, to: received) }
  if !H.isRead && place != first { received = lookAtFirst(queue, packets, begin, received) }
  return why
}

/// Reads the header of the first of a run of frames, where nothing was agreed that it could say. Returns the run's end.
@inline(__always)
private func lookAtFirst(_ queue: Cell<ReceiveQueue>, _ packets: PacketList, _ begin: Int, _ end: Int) -> Int {
  let request = Packet.known(packets[uncheckedAddress: begin]).request(queue.value.headerSize)
  return request | queue.value.wary == 0 ? end : queue.value.applyUnasked(packets, from: begin, to: end)
}

/// Counts `taken` frames of `bytes` bytes, in whose place as many fresh buffers are in the ring.
@inline(__always)
@_optimize(speed)
private func leaveRun<R: ReceiveRing & ~Copyable>(
  _: R.Type, _ queue: Cell<ReceiveQueue>, _ taken: Int, _ bytes: UInt64
) {
  queue.value.cache.count &-= taken
  queue.value.core.counters.packets &+= UInt64(truncatingIfNeeded: taken)
  queue.value.core.counters.bytes &+= bytes
  R.passReplaced(taken, &queue.value.core.ring)
}

/// Receives four frames at a time, as long as all four are accepted and, where headers are read, say nothing but what
/// plainFlags() tells. Returns the place where it stopped.
@inline(__always)
@_optimize(speed)
private func receiveFours<R: ReceiveRing & ~Copyable, H: HeaderUse>(
  _ ring: borrowing R, _: H.Type, _ queue: Cell<ReceiveQueue>, _ delivered: PacketList, cache: PacketTable,
  from first: Int, to stop: Int, _ bytes: inout UInt64
) -> Int {
  let slots = queue.value.core.slots
  let full = queue.value.bufferLength
  let bounds = LengthBounds(least: UInt64(queue.value.shortest), span: queue.value.span)
  let (view, headerOffset, common) = (queue.value.cache.view, queue.value.headerOffset, queue.value.common)
  let reading = queue.value.reading
  if H.isRead && reading.isNeverPlain { return first }
  let shortestFrame = SIMD2<UInt64>(repeating: 14 << 32)
  var fresh = cache
  var place = first
  var sum = SIMD2<UInt64>.zero

  while stop &- place >= 4 {
    guard let lengths = ring.fourLengths(place, bounds) else { break }
    let packets = slots.four(uncheckedAt: place)
    let words = H.isRead ? queue.value.headerWords(packets) : (0, 0, 0, 0)
    if H.isRead && reading.beyondPlain(words) != 0 { break }
    fresh = fresh.advanced(-4)
    let first = lengths.first &+ shortestFrame
    let second = lengths.second &+ shortestFrame
    sum = sum &+ (first &>> 32) &+ (second &>> 32)
    // Stores to one cache line follow one another: the store queue takes such stores two at a time.
    for lane in 0..<4 {
      ring.replace(
        place &+ lane, place &+ lane, isInRingOrder: true,
        address: view.deviceBuffer(fresh[uncheckedPresent: lane], OwnAddresses.self) &+ headerOffset, length: full)
    }
    delivered.put(packets, uncheckedAt: place)
    slots.put(fresh.four(uncheckedAt: 0), uncheckedAt: place)
    view.deliver(Packet.known(packets.0), upper: first[0], flags: H.isRead ? reading.plainFlags(words.0) : 0, common)
    view.deliver(Packet.known(packets.1), upper: first[1], flags: H.isRead ? reading.plainFlags(words.1) : 0, common)
    view.deliver(Packet.known(packets.2), upper: second[0], flags: H.isRead ? reading.plainFlags(words.2) : 0, common)
    view.deliver(Packet.known(packets.3), upper: second[1], flags: H.isRead ? reading.plainFlags(words.3) : 0, common)
    place &+= 4
  }
  bytes &+= sum[0] &+ sum[1]
  return place
}
