// SPDX-License-Identifier: BSD-2-Clause
//
// What a batch did, and the counters it is added to. Counters are written by the device's thread alone and may be read
// by any: each is one word, stored and loaded whole.

import CLinux
import Linux

/// Counters of one device; the sums of all front-ends it has had.
package struct DeviceStatistics: Sendable {
  /// Frames delivered into the driver's receive ring.
  package let toDriver: UInt64
  /// Frames taken from its transmit ring.
  package let fromDriver: UInt64
  /// Frames lost because the receive ring was empty, a buffer too small, or the driver gone that they waited for.
  package let toDriverDrops: UInt64
  /// Frames the wire could not take.
  package let fromDriverDrops: UInt64
  /// Front-ends that have connected so far.
  package let connections: UInt64
}

/// What one batch on one queue did.
struct Tally {
  /// Chains taken from the ring for good.
  var moved = 0
  var dropped = 0
  /// Frames that the driver's filters kept out.
  var unwanted = 0

  mutating func count(_ delivery: Delivery) {
    switch delivery {
    case .placed: moved &+= 1
    case .unwanted: unwanted &+= 1
    default: dropped &+= 1
    }
  }

  /// Anything at all happened.
  var total: Int { moved &+ dropped &+ unwanted }
}

struct Counters {
  static let size = 64
  private let words: Shared

  init(_ room: Bytes) { words = room.shared }

  private func add(_ at: Int, _ count: Int) {
    if count != 0 { words.store64(at, words.load64(at) &+ UInt64(count)) }
  }

  /// Frames to the driver; moved are those delivered.
  func addReceive(_ tally: Tally) {
    add(0, tally.moved)
    add(16, tally.dropped)
  }

  /// Frames from the driver; those dropped are among those moved.
  func addTransmit(_ tally: Tally) {
    add(8, tally.moved)
    add(24, tally.dropped)
  }

  func addConnection() { add(32, 1) }

  var statistics: DeviceStatistics {
    DeviceStatistics(
      toDriver: words.load64(0), fromDriver: words.load64(8), toDriverDrops: words.load64(16),
      fromDriverDrops: words.load64(24), connections: words.load64(32))
  }
}
