// SPDX-License-Identifier: BSD-2-Clause
//
// Why frames are dropped: names, counters, and the one log line that each reason gets on a queue. A counter tells how often;
// the line tells a program's author that it happens at all, and to which queue.

import CLinux
import CVionet
import Linux

package enum DropReason {
  /// Room for reasons that later versions add.
  static let places = Int(VIONET_DROP_REASONS.rawValue)

  /// The name of a reason; nil if there is none.
  package static func name(_ reason: vionet_drop) -> StaticString? {
    switch reason {
    case VIONET_DROP_SHORT: "short"
    case VIONET_DROP_LONG: "long"
    case VIONET_DROP_SEGMENTS: "segments"
    case VIONET_DROP_FOREIGN: "foreign"
    case VIONET_DROP_EMPTY: "empty"
    case VIONET_DROP_OFFLOAD: "offload"
    case VIONET_DROP_STOPPED: "stopped"
    case VIONET_DROP_NO_BUFFER: "no buffer"
    default: nil
    }
  }
}

extension QueueCounters {
  func drops(_ reason: vionet_drop) -> UInt64 { dropped[Int(reason.rawValue) & (DropReason.places &- 1)] }

  /// Counts a dropped frame; true for the first of its reason.
  @inline(__always)
  mutating func drop(_ reason: vionet_drop) -> Bool {
    let place = Int(reason.rawValue) & (DropReason.places &- 1)
    dropped[place] &+= 1
    return dropped[place] == 1
  }
}

extension Virtqueue {
  /// Counts a dropped frame, and logs the first of each reason.
  @inline(never)
  mutating func drop(_ reason: vionet_drop) {
    if counters.drop(reason) && Log.wanted(.info) { reportDrop(reason) }
  }

  @inline(never)
  private func reportDrop(_ reason: vionet_drop) {
    Log.line("port").number(port).text(index & 1 == 0 ? "receive queue" : "transmit queue").number(index / 2)
      .text("drops frames, the first as").text(DropReason.name(reason) ?? "unknown").send(.info)
  }
}
