// SPDX-License-Identifier: BSD-2-Clause
//
// What a batch did, and the counters it is added to. Counters are written by the device's thread alone and may be read
// by any: each is one word, stored and loaded whole. A frame that a device does not pass on is counted by the reason.

import CLinux
import Linux

/// A counter of a device, the sum of all front-ends it has had. Its number is its place.
enum DeviceCount: Int {
  /// Frames delivered into the driver's receive rings.
  case toDriver
  /// Frames for the driver that were lost: shorter than an Ethernet header, longer than it takes, with work left to do
  /// that it has not agreed to, without a buffer, because it had gone, because a capture's record is no such frame.
  case toDriverShort, toDriverLong, toDriverOffload, toDriverNoBuffer, toDriverStopped, toDriverRecord
  /// Frames that the driver's filters kept out.
  case toDriverFiltered
  /// Frames taken from the driver's transmit rings, those lost included.
  case fromDriver
  /// Frames lost of these: shorter than an Ethernet header, longer than the wire takes, not taken by the wire, of a
  /// queue that the driver has disabled.
  case fromDriverShort, fromDriverLong, fromDriverWire, fromDriverStopped
  /// Front-ends that have connected, and sessions that the device ended for a fault.
  case connections, faults

  /// The name of a port's counter; those that are none come last.
  var name: StaticString? {
    switch self {
    case .toDriver: "rx_device_packets"
    case .toDriverShort: "rx_device_drop_short"
    case .toDriverLong: "rx_device_drop_long"
    case .toDriverOffload: "rx_device_drop_offload"
    case .toDriverNoBuffer: "rx_device_drop_no_buffer"
    case .toDriverStopped: "rx_device_drop_stopped"
    case .toDriverRecord: "rx_device_drop_record"
    case .toDriverFiltered: "rx_device_filtered"
    case .fromDriver: "tx_device_packets"
    case .fromDriverShort: "tx_device_drop_short"
    case .fromDriverLong: "tx_device_drop_long"
    case .fromDriverWire: "tx_device_drop_wire"
    case .fromDriverStopped: "tx_device_drop_stopped"
    case .connections, .faults: nil
    }
  }
}

/// Counters of one device in sums.
package struct DeviceStatistics: Sendable {
  /// Frames delivered into the driver's receive ring.
  package let toDriver: UInt64
  /// Frames taken from its transmit ring.
  package let fromDriver: UInt64
  /// Frames for the driver that were lost, for whatever reason; the next six are its parts.
  package let toDriverDrops: UInt64
  package let toDriverShort, toDriverLong, toDriverOffload, toDriverNoBuffer, toDriverStopped, toDriverRecord: UInt64
  /// Frames that the driver's filters kept out.
  package let toDriverFiltered: UInt64
  /// Frames from the driver that were lost; the next four are its parts.
  package let fromDriverDrops: UInt64
  package let fromDriverShort, fromDriverLong, fromDriverWire, fromDriverStopped: UInt64
  /// Front-ends that have connected so far, and sessions that the device ended for a fault.
  package let connections, faults: UInt64
}

/// What one batch on one queue did.
struct Tally {
  /// Chains taken from the ring for good.
  var moved = 0
  /// Frames for which there is no chain: lost or kept out.
  var others = 0
  /// Those of them that were lost, and the part of these for which no buffer will ever be large enough.
  var lost = 0
  var roomless = 0

  /// Anything at all happened.
  var total: Int { moved &+ others }
}

struct Counters {
  static let size = 128
  private let words: Shared

  init(_ room: Bytes) { words = room.shared }

  subscript(_ count: DeviceCount) -> UInt64 { words.load64(8 &* count.rawValue) }

  @inline(__always)
  func add(_ count: DeviceCount, _ frames: Int) {
    if frames != 0 { words.store64(8 &* count.rawValue, self[count] &+ UInt64(frames)) }
  }

  /// Notes what became of a frame for the driver. Those that were delivered are added with their batch.
  @inline(__always)
  func note(_ delivery: Delivery, in tally: inout Tally) {
    if delivery == .placed {
      tally.moved &+= 1
    } else if let count = delivery.count {
      tally.others &+= 1
      if delivery != .unwanted { tally.lost &+= 1 }
      if delivery == .noRoom { tally.roomless &+= 1 }
      add(count, 1)
    }
  }

  /// An errno that says what this process lacked when a session ended for that, behind the counters; 0: none did.
  var shortage: Int32 {
    get { Int32(bitPattern: words.load32(Self.size - 8)) }
    nonmutating set { words.store32(Self.size - 8, UInt32(bitPattern: newValue)) }
  }

  var statistics: DeviceStatistics {
    DeviceStatistics(
      toDriver: self[.toDriver], fromDriver: self[.fromDriver],
      toDriverDrops: sum(from: .toDriverShort, to: .toDriverRecord), toDriverShort: self[.toDriverShort],
      toDriverLong: self[.toDriverLong], toDriverOffload: self[.toDriverOffload],
      toDriverNoBuffer: self[.toDriverNoBuffer], toDriverStopped: self[.toDriverStopped],
      toDriverRecord: self[.toDriverRecord], toDriverFiltered: self[.toDriverFiltered],
      fromDriverDrops: sum(from: .fromDriverShort, to: .fromDriverStopped), fromDriverShort: self[.fromDriverShort],
      fromDriverLong: self[.fromDriverLong], fromDriverWire: self[.fromDriverWire],
      fromDriverStopped: self[.fromDriverStopped], connections: self[.connections], faults: self[.faults])
  }

  private func sum(from first: DeviceCount, to last: DeviceCount) -> UInt64 {
    var sum: UInt64 = 0
    for place in first.rawValue...last.rawValue { sum &+= words.load64(8 &* place) }
    return sum
  }
}
