// SPDX-License-Identifier: BSD-2-Clause
//
// Every counter by number and name: first the port's, then for each pair those of the receive queue, of the transmit queue,
// and what the device counts of both. Names are DPDK's where they mean the same.

import CLinux
import CVionet
import Linux

/// A name that is being written into the caller's buffer.
// Safety: put() writes below `room` only, and end() at most at its last byte.
@safe
struct NameRoom {
  let start: UnsafeMutablePointer<CChar>
  let room: Int
  var used = 0

  mutating func add(_ text: StaticString) { add(Text(text)) }

  mutating func add(_ text: Text) {
    for index in 0..<text.count { put(text[index]) }
  }

  mutating func add(_ number: UInt16) {
    if number > 9 { add(number / 10) }
    put(UInt8(48 + number % 10))
  }

  private mutating func put(_ byte: UInt8) {
    if used < room - 1 { unsafe start[used] = CChar(bitPattern: byte) }
    used += 1
  }

  /// Ends the name with a zero; false if it did not fit.
  func end() -> Bool {
    if room > 0 { unsafe start[min(used, room - 1)] = 0 }
    return used < room
  }
}

private enum Extended {
  /// Counters of the port.
  static let ofPort = 5
  /// Counters of a queue.
  static let ofQueue = 10
  /// Counters of a queue with size_stats=1.
  static let ofSizedQueue = 20

  static func portName(_ place: Int) -> StaticString {
    switch place {
    case 0: "rx_good_packets"
    case 1: "tx_good_packets"
    case 2: "rx_good_bytes"
    case 3: "tx_good_bytes"
    default: "rx_mbuf_allocation_errors"
    }
  }

  static func queueName(_ place: Int, receive: Bool) -> StaticString {
    switch place {
    case 0: "good_packets"
    case 1: "good_bytes"
    case 2: "kicks"
    case 3: receive ? "no_buffer" : "ring_full"
    case 4: "drop_long"
    case 5: "drop_offload"
    case 6: "drop_stopped"
    case 7: receive ? "drop_short" : "drop_segments"
    case 8: receive ? "interrupts" : "drop_foreign"
    case 9: receive ? "wakeups" : "drop_empty"
    default: sizeName(place - ofQueue)
    }
  }

  private static func sizeName(_ place: Int) -> StaticString {
    switch place {
    case 0: "undersize_packets"
    case 1: "size_64_packets"
    case 2: "size_65_127_packets"
    case 3: "size_128_255_packets"
    case 4: "size_256_511_packets"
    case 5: "size_512_1023_packets"
    case 6: "size_1024_1518_packets"
    case 7: "size_1519_max_packets"
    case 8: "multicast_packets"
    default: "broadcast_packets"
    }
  }

  static func value(_ place: Int, _ counters: QueueCounters, receive: Bool) -> UInt64 {
    func dropped(_ reason: vionet_drop) -> UInt64 { counters.dropped[Int(reason.rawValue) & 7] }
    return switch place {
    case 0: counters.packets
    case 1: counters.bytes
    case 2: counters.kicks
    case 3: receive ? counters.noBuffer : counters.ringFull
    case 4: dropped(VIONET_DROP_LONG)
    case 5: dropped(VIONET_DROP_OFFLOAD)
    case 6: dropped(VIONET_DROP_STOPPED)
    case 7: dropped(receive ? VIONET_DROP_SHORT : VIONET_DROP_SEGMENTS)
    case 8: receive ? counters.interrupts : dropped(VIONET_DROP_FOREIGN)
    case 9: receive ? counters.wakeUps : dropped(VIONET_DROP_EMPTY)
    case 18: counters.sizes.multicast
    case 19: counters.sizes.broadcast
    default: counters.sizes.bins[(place - ofQueue) & 7]
    }
  }
}

extension Port {
  private var perQueue: Int { options.countsSizes ? Extended.ofSizedQueue : Extended.ofQueue }
  private var perPair: Int {
    var count = 2 * perQueue
    for index in 0..<DeviceCounter.count where keeps(DeviceCounter.number(index)) { count += 1 }
    return count
  }
  private var extendedCount: Int { Extended.ofPort + Int(max(statistics.pairs, 1)) * perPair }

  private func keeps(_ counter: DeviceCounter) -> Bool {
    (settings.counters ?? 0) >> UInt64(counter.kind) & 1 != 0
  }

  /// The counter at `place` among those that the device keeps.
  private func deviceCounter(_ place: Int) -> DeviceCounter {
    var left = place
    for index in 0..<DeviceCounter.count {
      let counter = DeviceCounter.number(index)
      if !keeps(counter) { continue }
      if left == 0 { return counter }
      left -= 1
    }
    return DeviceCounter.number(0)
  }

  private func portValue(_ place: Int) -> UInt64 {
    let sum = sumOf(nil, receive: place % 2 == 0)
    return place < 2 ? sum.packets : place < 4 ? sum.bytes : sum.noBuffer
  }

  /// Writes the first `count` values and returns how many there are.
  // Safety: the caller's array has room for `count` values, as vionet.h says.
  package mutating func extended(_ values: UnsafeMutablePointer<UInt64>?, _ count: Int) throws(Failure) -> Int32 {
    try askForCounters()
    let total = extendedCount
    if count == 0 { return Int32(total) }
    guard let values = unsafe values else { throw Failure(EINVAL, "values is NULL") }
    let each = perPair
    var answer = CounterAnswer()
    for id in 0..<min(count, total) {
      let place = id - Extended.ofPort
      if place < 0 {
        unsafe values[id] = portValue(id)
        continue
      }
      unsafe values[id] = try value(UInt16(place / each), place % each, &answer)
    }
    return Int32(total)
  }

  private mutating func value(_ pair: UInt16, _ place: Int, _ answer: inout CounterAnswer) throws(Failure) -> UInt64 {
    if place < 2 * perQueue {
      let receive = place < perQueue
      return Extended.value(place % perQueue, sumOf(pair, receive: receive), receive: receive)
    }
    let counter = deviceCounter(place - 2 * perQueue)
    let ring = Int(pair) * 2 + (counter.isReceive ? 0 : 1)
    if answer.ring != ring { try fetchCounters(ring, &answer) }
    return answer.value(counter)
  }

  /// Writes the name of counter `id`; false if there is no such counter.
  private func write(_ id: Int, _ name: inout NameRoom) -> Bool {
    if id >= extendedCount { return false }
    let place = id - Extended.ofPort
    if place < 0 {
      name.add(Extended.portName(id))
      return true
    }
    let inPair = place % perPair
    let isDevice = inPair >= 2 * perQueue
    let counter = deviceCounter(inPair - 2 * perQueue)
    let receive = isDevice ? counter.isReceive : inPair < perQueue
    name.add(receive ? "rx_q" : "tx_q")
    name.add(UInt16(place / perPair))
    name.add(isDevice ? "_device_" : "_")
    name.add(isDevice ? counter.name : Extended.queueName(inPair % perQueue, receive: receive))
    return true
  }

  // Safety: the caller's buffer has `length` bytes, as vionet.h says.
  package mutating func extendedName(
    _ id: UInt32, _ room: UnsafeMutablePointer<CChar>?, _ length: Int
  ) throws(Failure) {
    guard let room = unsafe room else { throw Failure(EINVAL, "name is NULL") }
    try askForCounters()
    var name = unsafe NameRoom(start: room, room: length)
    if !write(Int(id), &name) {
      throw Failure(EINVAL, "port ").number(number).text(" has ").number(extendedCount).text(" extended statistics")
    }
    if !name.end() { throw Failure(ENOSPC, "that name takes ").number(name.used + 1).text(" bytes") }
  }

  // Safety: `wanted` ends with a zero, as vionet.h says.
  package mutating func extendedNumber(_ wanted: UnsafePointer<CChar>?) throws(Failure) -> Int32 {
    guard let wanted = unsafe wanted else { throw Failure(EINVAL, "name is NULL") }
    try askForCounters()
    var bytes = InlineArray<48, CChar>(repeating: 0)
    for id in 0..<extendedCount {
      let isIt = unsafe withUnsafeMutableBytes(of: &bytes) { room in
        guard let base = unsafe room.baseAddress?.assumingMemoryBound(to: CChar.self) else { return false }
        var name = unsafe NameRoom(start: base, room: room.count)
        return unsafe write(id, &name) && name.end() && strcmp(base, wanted) == 0
      }
      if isIt { return Int32(id) }
    }
    throw Failure(ENOENT, "port ").number(number).text(" has no extended statistics of that name")
  }
}
