// SPDX-License-Identifier: BSD-2-Clause
//
// Counters of a port. Each queue's thread counts for itself; here they are read, added up, and kept when a queue is
// unmade. A reset remembers what they were, since only a queue's own thread may write them.

import CVionet
import Linux

struct QueueStatistics {
  /// Of queues that are no more.
  var past = QueueCounters()
  /// At the last reset.
  var zero = QueueCounters()
}

struct PortStatistics {
  /// One pair, as many as this version drives.
  var receive = QueueStatistics()
  var transmit = QueueStatistics()

  /// Queues are about to go: their counts stay.
  mutating func absorb(_ receiving: QueueCounters, _ transmitting: QueueCounters) {
    receive.past.add(receiving)
    transmit.past.add(transmitting)
  }
}

extension QueueCounters {
  mutating func add(_ other: QueueCounters) {
    packets &+= other.packets
    bytes &+= other.bytes
    noBuffer &+= other.noBuffer
    ringFull &+= other.ringFull
    kicks &+= other.kicks
    for reason in 0..<8 { dropped[reason] &+= other.dropped[reason] }
  }

  mutating func subtract(_ other: QueueCounters) {
    packets &-= other.packets
    bytes &-= other.bytes
    noBuffer &-= other.noBuffer
    ringFull &-= other.ringFull
    kicks &-= other.kicks
    for reason in 0..<8 { dropped[reason] &-= other.dropped[reason] }
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
