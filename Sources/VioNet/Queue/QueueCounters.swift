// SPDX-License-Identifier: BSD-2-Clause
//
// What a queue counts, in its own memory: its thread adds, any thread reads.

import CLinux
import CVionet
import Linux

struct QueueCounters {
  var packets: UInt64 = 0
  var bytes: UInt64 = 0
  var noBuffer: UInt64 = 0
  var ringFull: UInt64 = 0
  var kicks: UInt64 = 0
  /// Packets dropped, by vionet_drop.
  var dropped = InlineArray<16, UInt64>(repeating: 0)
  /// Notifications from the device, which the next look notices.
  var interrupts: UInt64 = 0
  /// Arms that found a notification.
  var wakeUps: UInt64 = 0
  /// Stays zero without size_stats=1.
  var sizes = FrameSizes()

  /// Counts of a queue that was stopped with `count` packets in it.
  static func stopped(_ count: Int) -> QueueCounters {
    var counters = QueueCounters()
    counters.dropped[Int(VIONET_DROP_STOPPED.rawValue)] = UInt64(count)
    return counters
  }
}
