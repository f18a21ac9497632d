// SPDX-License-Identifier: BSD-2-Clause
//
// Every counter by number and name: first the port's, with those of a soft: port's device behind them, then for each pair
// those of the receive queue, of the transmit queue, and what the device counts of both. Names are DPDK's where they mean
// the same.

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
  /// Counters of a receive queue; a transmit queue has one more.
  static let ofQueue = 10
  /// Counters by size and destination, with size_stats=1.
  static let bySize = 10

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
    case 10 where !receive: "drop_no_buffer"
    default: sizeName(place - (receive ? ofQueue : ofQueue + 1))
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
    switch place {
    case 0: counters.packets
    case 1: counters.bytes
    case 2: counters.kicks
    case 3: receive ? counters.noBuffer : counters.ringFull
    case 4: counters.drops(VIONET_DROP_LONG)
    case 5: counters.drops(VIONET_DROP_OFFLOAD)
    case 6: counters.drops(VIONET_DROP_STOPPED)
    case 7: counters.drops(receive ? VIONET_DROP_SHORT : VIONET_DROP_SEGMENTS)
    case 8: receive ? counters.interrupts : counters.drops(VIONET_DROP_FOREIGN)
    case 9: receive ? counters.wakeUps : counters.drops(VIONET_DROP_EMPTY)
    case 10 where !receive: counters.drops(VIONET_DROP_NO_BUFFER)
    default: size(place - (receive ? ofQueue : ofQueue + 1), counters.sizes)
    }
  }

  private static func size(_ place: Int, _ sizes: FrameSizes) -> UInt64 {
    switch place {
    case 8: sizes.multicast
    case 9: sizes.broadcast
    default: sizes.bins[place & 7]
    }
  }
}

extension Port {
  /// Counters of a receive queue.
  private var perQueue: Int { options.countsSizes ? Extended.ofQueue + Extended.bySize : Extended.ofQueue }
  /// Counters of the two queues of a pair.
  private var perQueues: Int { 2 * perQueue + 1 }
  private var perPair: Int {
    var count = perQueues
    for index in 0..<DeviceCounter.count where keeps(DeviceCounter.number(index)) { count += 1 }
    return count
  }
  /// Counters of the port, and of a device that it hosts.
  private var ofPort: Int { Extended.ofPort + (hosted?.counters ?? 0) }
  private var extendedCount: Int { ofPort + Int(max(statistics.pairs, 1)) * perPair }

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
    if place >= Extended.ofPort { return hostedCounters.value(place - Extended.ofPort, of: hosted) }
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
      let place = id - ofPort
      if place < 0 {
        unsafe values[id] = portValue(id)
        continue
      }
      unsafe values[id] = try value(UInt16(place / each), place % each, &answer)
    }
    return Int32(total)
  }

  private mutating func value(_ pair: UInt16, _ place: Int, _ answer: inout CounterAnswer) throws(Failure) -> UInt64 {
    if place < perQueues {
      let receive = place < perQueue
      return Extended.value(receive ? place : place - perQueue, sumOf(pair, receive: receive), receive: receive)
    }
    let counter = deviceCounter(place - perQueues)
    let ring = Int(pair) * 2 + (counter.isReceive ? 0 : 1)
    if answer.ring != ring { try fetchCounters(ring, &answer) }
    return answer.value(counter)
  }

  /// Writes the name of counter `id`; false if there is no such counter.
  private func write(_ id: Int, _ name: inout NameRoom) -> Bool {
    if id >= extendedCount { return false }
    let place = id - ofPort
    if place < 0 {
      name.add(id < Extended.ofPort ? Extended.portName(id) : hosted?.name(id - Extended.ofPort) ?? "")
      return true
    }
    let inPair = place % perPair
    let isDevice = inPair >= perQueues
    let counter = deviceCounter(inPair - perQueues)
    let receive = isDevice ? counter.isReceive : inPair < perQueue
    name.add(receive ? "rx_q" : "tx_q")
    name.add(UInt16(place / perPair))
    name.add(isDevice ? "_device_" : "_")
    name.add(isDevice ? counter.name : Extended.queueName(receive ? inPair : inPair - perQueue, receive: receive))
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
    throw Failure(ENOENT, "port ").number(number).text(" has no extended statistic ")
      .quoting(unsafe Text(start: wanted, count: strnlen(wanted, 64)))
  }
}
