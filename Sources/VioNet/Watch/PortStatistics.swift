// SPDX-License-Identifier: BSD-2-Clause
//
// Counters of a port. Each queue's thread writes its own. Here they are read, added up, and saved when a queue is unmade. A
// reset remembers what they were, since only a queue's own thread may write them.

import CLinux
import CVionet
import Linux

struct QueueStatistics {
  /// Counts of the queues that were unmade.
  var past = QueueCounters()
  /// Counts at the last reset.
  var zero = QueueCounters()
}

struct PortStatistics {
  /// Receive queue n at 2n, transmit queue n at 2n + 1; as many as the port ever had.
  private var queues: Table<QueueStatistics>?

  /// Makes room for at least `pairs` pairs.
  mutating func makeRoom(_ pairs: UInt16) throws(Failure) {
    let count = Int(pairs) * 2
    if let queues, queues.count >= count { return }
    guard let larger = Table<QueueStatistics>.make(count: count) else {
      throw Failure(ENOMEM, "no memory for statistics")
    }
    if let queues {
      for index in 0..<queues.count { larger[index] = queues[index] }
      queues.destroy()
    }
    queues = larger
  }

  var pairs: UInt16 { UInt16(truncatingIfNeeded: (queues?.count ?? 0) / 2) }

  /// The statistics of one queue; nil if the port never had it.
  // Safety: the place is below twice the pairs that the table has.
  func of(_ pair: UInt16, receive: Bool) -> Cell<QueueStatistics>? {
    guard let queues, pair < pairs else { return nil }
    return unsafe Cell(queues.base + Int(pair) * 2 + (receive ? 0 : 1))
  }

  /// Saves the counts of two queues that are about to be unmade.
  func absorb(_ pair: UInt16, _ receiving: QueueCounters, _ transmitting: QueueCounters) {
    of(pair, receive: true)?.value.past.add(receiving)
    of(pair, receive: false)?.value.past.add(transmitting)
  }

  mutating func destroy() {
    queues?.destroy()
    queues = nil
  }
}

extension QueueStatistics {
  /// Counts since the last reset, with those of the queue if it exists.
  func now(_ living: QueueCounters?) -> QueueCounters {
    var sum = past
    if let living { sum.add(living) }
    sum.subtract(zero)
    return sum
  }

  mutating func reset(_ living: QueueCounters?) {
    zero = past
    if let living { zero.add(living) }
  }
}

extension Port {
  private func livingCounters(_ pair: UInt16, receive: Bool) -> QueueCounters? {
    if pair >= queues.pairs { return nil }
    return receive ? receiveQueue(pair).value.core.counters : transmitQueue(pair).value.core.counters
  }

  /// The pairs that a question about one queue, or about all (nil), concerns.
  private func pairs(of queue: UInt16?) -> Range<UInt16> {
    queue.map { $0..<$0 + 1 } ?? 0..<max(statistics.pairs, 1)
  }

  func sumOf(_ queue: UInt16?, receive: Bool) -> QueueCounters {
    var sum = QueueCounters()
    for pair in pairs(of: queue) {
      if let counted = statistics.of(pair, receive: receive) {
        sum.add(counted.value.now(livingCounters(pair, receive: receive)))
      }
    }
    return sum
  }

  private func isBroken(_ pair: UInt16, receive: Bool) -> Bool {
    if pair >= queues.pairs { return false }
    return receive ? receiveQueue(pair).value.core.fault != .none : transmitQueue(pair).value.core.fault != .none
  }

  /// The counters of one queue, or of all of them.
  package func countersOf(_ queue: UInt16?, receive: Bool) -> vionet_queue_stats {
    let sum = sumOf(queue, receive: receive)
    var out = vionet_queue_stats()
    out.packets = sum.packets
    out.bytes = sum.bytes
    out.no_buffer = sum.noBuffer
    out.ring_full = sum.ringFull
    out.kicks = sum.kicks
    for pair in pairs(of: queue) where isBroken(pair, receive: receive) { out.broken = 1 }
    // Safety: both have one number for each reason.
    unsafe withUnsafeMutableBytes(of: &out.dropped) { to in
      unsafe withUnsafeBytes(of: sum.dropped) { from in unsafe to.copyMemory(from: from) }
    }
    return out
  }

  package func checkQueueNumber(_ queue: UInt16) throws(Failure) {
    if queue >= max(statistics.pairs, 1) {
      throw Failure(EINVAL, "port ").number(number).text(" has no queue ").number(queue)
    }
  }

  package mutating func resetCounters() {
    hostedCounters.reset(hosted)
    for pair in 0..<statistics.pairs {
      statistics.of(pair, receive: true)?.value.reset(livingCounters(pair, receive: true))
      statistics.of(pair, receive: false)?.value.reset(livingCounters(pair, receive: false))
    }
  }
}

extension QueueCounters {
  mutating func add(_ other: QueueCounters) { add(other, times: 1) }
  mutating func subtract(_ other: QueueCounters) { add(other, times: .max) }

  private mutating func add(_ other: QueueCounters, times sign: UInt64) {
    packets &+= other.packets &* sign
    bytes &+= other.bytes &* sign
    noBuffer &+= other.noBuffer &* sign
    ringFull &+= other.ringFull &* sign
    kicks &+= other.kicks &* sign
    interrupts &+= other.interrupts &* sign
    wakeUps &+= other.wakeUps &* sign
    for reason in 0..<DropReason.places { dropped[reason] &+= other.dropped[reason] &* sign }
    for bin in 0..<8 { sizes.bins[bin] &+= other.sizes.bins[bin] &* sign }
    sizes.multicast &+= other.sizes.multicast &* sign
    sizes.broadcast &+= other.sizes.broadcast &* sign
  }
}
