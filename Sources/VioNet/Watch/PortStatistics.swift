// SPDX-License-Identifier: BSD-2-Clause
//
// Counters of a port. Each queue's thread counts for itself; here they are read, added up, and kept when a queue is
// unmade. A reset remembers what they were, since only a queue's own thread may write them.

import CLinux
import CVionet
import Linux

struct QueueStatistics {
  /// Of queues that are no more.
  var past = QueueCounters()
  /// At the last reset.
  var zero = QueueCounters()
}

struct PortStatistics {
  /// Receive queue n at 2n, transmit queue n at 2n + 1; as many as the port ever had.
  private var queues: Table<QueueStatistics>?

  /// Makes sure of room for so many pairs.
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

  /// Of one queue; nil if the port never had it.
  func of(_ pair: UInt16, receive: Bool) -> Cell<QueueStatistics>? {
    guard let queues, pair < pairs else { return nil }
    return unsafe Cell(queues.base + Int(pair) * 2 + (receive ? 0 : 1))
  }

  /// Queues are about to go: their counts stay.
  func absorb(_ pair: UInt16, _ receiving: QueueCounters, _ transmitting: QueueCounters) {
    of(pair, receive: true)?.value.past.add(receiving)
    of(pair, receive: false)?.value.past.add(transmitting)
  }

  mutating func destroy() {
    queues?.destroy()
    queues = nil
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
    for reason in 0..<8 {
      dropped[reason] &+= other.dropped[reason] &* sign
      sizes.bins[reason] &+= other.sizes.bins[reason] &* sign
    }
    sizes.multicast &+= other.sizes.multicast &* sign
    sizes.broadcast &+= other.sizes.broadcast &* sign
  }
}

extension QueueStatistics {
  /// Counts since the last reset, with those of the living queue if there is one.
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
