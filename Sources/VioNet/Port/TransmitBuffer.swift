// SPDX-License-Identifier: BSD-2-Clause
//
// Transmitting from several threads: a ring in front of one transmit queue, and the rule for who sends. A thread that puts
// packets in and finds a reason to send becomes the sender, unless there is one; then it returns at once. The sender looks
// once more after it is the sender no longer, so that nothing is left behind by those who returned.

import CLinux
import CVionet
import Linux

// Safety: lists of packets are those of the calls in vionet.h, with as many pointers as they say.
@safe
package struct TransmitBuffer {
  private let ring: ProducerRing
  private let port: UInt16
  private let queue: UInt16
  /// The port with that number and no later one.
  private let life: UInt32
  /// Packets that are sent at once.
  private let burst: UInt64
  /// Microseconds that a packet may wait, 0 for as long as it takes.
  private let deadline: UInt32

  package typealias Packets = Ports.Packets

  /// What vionet_tx_buffer_create() was asked for.
  package struct Request {
    package var port: UInt16 = 0
    package var queue: UInt16 = 0
    package var room: UInt32 = 0
    package var burst: UInt32 = 0
    package var deadline: UInt32 = 0
    package init() {}
  }

  package static func make(_ request: Request) throws(Failure) -> Cell<TransmitBuffer> {
    let room = request.room == 0 ? 512 : request.room
    let burst = request.burst == 0 ? min(32, room) : request.burst
    if room & (room &- 1) != 0 || room < 2 || room > 32768 {
      throw Failure(EINVAL, "room must be a power of two from 2 to 32768, not ").number(room)
    }
    if burst > room {
      throw Failure(EINVAL, "burst must be 1 to ").number(room).text(", which is the room, not ").number(burst)
    }
    if request.deadline > longestDeadline {
      throw Failure(EINVAL, "deadline must be 0 to ").number(longestDeadline).text(" microseconds, not ")
        .number(request.deadline)
    }
    if request.queue >= UInt16(VIONET_MAX_QUEUE_PAIRS) {
      throw Failure(EINVAL, "queue must be 0 to ").number(VIONET_MAX_QUEUE_PAIRS - 1).text(", not ")
        .number(request.queue)
    }
    let life = try Ports.look(request.port) { (_) throws(Failure) in PortSlots.all[request.port].life }
    guard let ring = ProducerRing.make(room: Int(room)) else { throw noMemory(room) }
    let buffer = TransmitBuffer(
      ring: ring, port: request.port, queue: request.queue, life: life, burst: UInt64(burst),
      deadline: request.deadline)
    if let made = Cell.make(buffer) { return made }
    ring.destroy()
    throw noMemory(room)
  }

  /// One minute, in microseconds: times are kept in 32 bits.
  private static let longestDeadline: UInt32 = 60_000_000

  private static func noMemory(_ room: UInt32) -> Failure {
    Failure(ENOMEM, "no memory for a transmit buffer of ").number(room).text(" packets")
  }

  /// Frees the packets that are left, and returns their number. Nobody else may be at work.
  // Safety: as for the struct; the ring's list has `count` published packets.
  package func destroy() -> UInt32 {
    var freed: UInt32 = 0
    while true {
      let head = ring.head
      let count = ring.published(head, limit: ring.tail)
      if count == 0 { break }
      unsafe PacketCalls.free(ring.packets(head), UInt16(count))
      ring.take(head, count)
      freed &+= UInt32(count)
    }
    ring.destroy()
    return freed
  }
}

extension TransmitBuffer {
  /// Puts packets in, and sends if there is a reason. Returns how many found room, from the first on.
  // Safety: as for the struct.
  @_optimize(speed)
  package func put(_ packets: Packets, _ count: UInt16) -> UInt16 {
    let end = Int(count)
    var done = 0
    var isRetried = false
    let time = deadline == 0 ? 0 : TransmitBuffer.now
    while true {
      let added = unsafe ring.put(packets, from: done, to: end, at: time)
      done &+= added
      if isOverdue(time) { ring.request(.age) }
      if ring.reason(enough: burst) != nil { send() }
      if done == end { break }
      // Once more if the sender has made room.
      if added == 0 && isRetried { break }
      isRetried = added == 0
    }
    if done != end { ring.refuse(end &- done) }
    return UInt16(truncatingIfNeeded: done)
  }

  /// Sends if there is a reason.
  package func look() {
    ring.retryNow()
    if isOverdue(TransmitBuffer.now) { ring.request(.age) }
    if ring.reason(enough: burst) != nil { send() }
  }

  /// Sends all that is there now, or leaves that to the thread that is sending. Returns how many packets are left.
  // Safety: a burst of nothing reads no list.
  package func flush() -> UInt32 {
    if ring.count == 0 {
      // As a burst of nothing, it takes back what was sent.
      if ring.enter() {
        _ = unsafe Ports.transmit(port, queue, ring.packets(0), 0, life: life)
        ring.leave()
      }
    } else {
      ring.retryNow()
      ring.request(.request)
    }
    if ring.reason(enough: burst) != nil { send() }
    return UInt32(truncatingIfNeeded: ring.count)
  }

  /// Microseconds until a packet has waited long enough, 0 if packets are to be sent now, -1 if there is no such time. If the
  /// port did not take packets, until it is worth while to try again.
  package var due: Int32 {
    if ring.count == 0 { return -1 }
    if ring.isStalled { return deadline == 0 ? 1000 : Int32(deadline) }
    if ring.reason(enough: burst) != nil { return 0 }
    if deadline == 0 { return -1 }
    let age = ring.oldest.map { TransmitBuffer.age($0, TransmitBuffer.now) } ?? 0
    return age >= deadline ? 0 : Int32(deadline - age)
  }

  package func describe(_ stats: inout vionet_tx_buffer_stats) {
    // In this order: what is counted as sent was put before.
    stats.sent = ring.head
    stats.put = ring.tail
    stats.buffered = stats.put &- stats.sent
    stats.refused = ring.refused
    stats.by_burst = ring.takings(.count)
    stats.by_deadline = ring.takings(.age)
    stats.by_flush = ring.takings(.request)
  }

  /// Monotonic microseconds, of which 71 minutes can be told apart.
  private static var now: UInt32 { UInt32(truncatingIfNeeded: sys_nanoseconds() / 1000) }

  /// Microseconds from `time` to `now`, 0 if `now` was read a little earlier.
  private static func age(_ time: UInt32, _ now: UInt32) -> UInt32 {
    let age = now &- time
    return age > 0xfff0_0000 ? 0 : age
  }

  @inline(__always)
  private func isOverdue(_ now: UInt32) -> Bool {
    if deadline == 0 { return false }
    guard let oldest = ring.oldest else { return false }
    return TransmitBuffer.age(oldest, now) >= deadline
  }
}

// MARK: The sender

extension TransmitBuffer {
  /// Sends while there is a reason and this thread is the one that does.
  @inline(never)
  @_optimize(speed)
  private func send() {
    var left = ring.room
    while ring.reason(enough: burst) != nil, ring.enter() {
      let takesMore = sendOnce(&left)
      ring.leave()
      // Behind a place whose producer has not published it nothing can be sent: that thread sends when it has.
      if !takesMore || ring.oldest == nil { return }
      if left == 0 {
        // Others that put packets in take their turn now. If nobody does, nobody else will.
        TransmitBuffer.pause()
        left = ring.room
      }
    }
  }

  /// Sends what is published now, if there is a reason still. Returns false if the port did not take all of it.
  // Safety: the ring's list has `count` published packets, which stay there until they are taken.
  @inline(__always)
  private func sendOnce(_ left: inout UInt64) -> Bool {
    guard let reason = ring.reason(enough: burst) else { return true }
    let limit = ring.tail
    var head = ring.head
    var isCounted = false
    while head != limit {
      let count = ring.published(head, limit: limit)
      if count == 0 { break }
      let taken = unsafe Ports.transmit(port, queue, ring.packets(head), UInt16(truncatingIfNeeded: count), life: life)
      if taken != 0 {
        ring.take(head, Int(taken))
        head &+= UInt64(taken)
        left &-= min(left, UInt64(taken))
        if !isCounted { ring.countTaking(reason) }
        isCounted = true
      }
      if Int(taken) < count {
        ring.retry(at: limit &+ burst)
        return false
      }
    }
    ring.retry(at: 0)
    return true
  }

  /// About a microsecond.
  private static func pause() {
    for _ in 0..<32 {
      cpu_pause()
    }
  }
}
