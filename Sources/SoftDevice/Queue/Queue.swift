// SPDX-License-Identifier: BSD-2-Clause
//
// A virtqueue between batches: its size, addresses and eventfds, whether it is started and enabled, and the positions
// that the device has reached. Queue 2n is the driver's receive queue n, queue 2n+1 its transmit queue n.
//
// Chains are given back in the order they were taken, so at rest nothing is in flight, and the position that
// GET_VRING_BASE returns is the whole state of a ring.

import CLinux
import Linux
import Virtio

/// Where the three parts of a ring lie in this process. Split: descriptors, available ring, used ring. Packed:
/// descriptors, driver event suppression, device event suppression (virtio 1.4, 2.8).
struct Rings {
  let descriptors: Shared
  let driver: Shared
  let device: Shared
}

/// A position in a ring. Split: an index that runs freely. Packed: a place, and the wrap counter.
struct Position: Equatable {
  var index: UInt16 = 0
  var wrap = true

  /// The position in 16 bits, in which vhost-user passes on those of packed rings.
  var packed: UInt32 { UInt32(index) | (wrap ? UInt32(RingFormat.wrapBit) : 0) }

  init() {}

  init(index: UInt16) { self.index = index }

  init(packed: UInt32) {
    index = UInt16(truncatingIfNeeded: packed & ~UInt32(RingFormat.wrapBit))
    wrap = packed & UInt32(RingFormat.wrapBit) != 0
  }

  /// Steps on in a packed ring.
  @inline(__always)
  mutating func step(_ slots: UInt16, size: UInt16) {
    let next = UInt32(index) &+ UInt32(slots)
    if next >= UInt32(size) {
      index = UInt16(truncatingIfNeeded: next &- UInt32(size))
      wrap = !wrap
    } else {
      index = UInt16(truncatingIfNeeded: next)
    }
  }
}

struct Queue {
  /// Which segments a chain may have.
  enum Direction { case read, write, both }

  @inline(__always) static func receive(_ pair: Int) -> Int { 2 &* pair }
  @inline(__always) static func transmit(_ pair: Int) -> Int { 2 &* pair &+ 1 }
  static func direction(_ index: Int) -> Direction { index % 2 == 0 ? .write : .read }

  var direction: Direction
  /// What was agreed about every ring.
  var agreement = RingAgreement()
  var size: UInt16 = 0
  /// The next chain to take, and where the next used one goes.
  var next = Position()
  var used = Position()
  /// How far the batch at hand was taken, and how many slots that were.
  var ahead = Position()
  var slotsAhead = 0
  /// Where the next buffer will be, if a frame waits for more buffers than there are.
  var shortAt: Position?

  /// User addresses of SET_VRING_ADDR.
  var descriptorAddress: UInt64 = 0
  var driverAddress: UInt64 = 0
  var deviceAddress: UInt64 = 0
  var addressed = false
  var rings: Rings?
  /// The record for a successor, if the front-end keeps one.
  var inflight: Inflight?

  var kick: Int32 = -1
  var call: Int32 = -1
  var error: Int32 = -1
  var started = false
  var enabled = false
  /// Started, resolved, and the driver has said DRIVER_OK where it can: buffers may be used.
  var running = false
  /// How long its interrupts may wait, and what waits.
  var coalescing = Coalescing()
  /// What the driver may ask for (DEVICE_STATS), since its front-end connected.
  var counts = QueueCounts()

  init(_ direction: Direction) { self.direction = direction }

  /// Translates the ring's addresses; false if one of its parts lies outside the front-end's memory or is not aligned
  /// as virtio 1.4, 2.7 and 2.8.11 ask, or if size and position are none of such a ring.
  mutating func resolve(_ map: MemoryMap) -> Bool {
    rings = nil
    if !addressed || size == 0 { return true }
    let entries = Int(size)
    let packed = agreement.isPacked
    // tested by HostileRequestTests
    if packed ? next.index >= size || used.index >= size : size & (size &- 1) != 0 { return false }
    guard let descriptors = map.user(descriptorAddress, RingFormat.descriptorBytes * entries),
      let driver = map.user(driverAddress, bytes(entries, each: RingFormat.availableElementBytes)),
      let device = map.user(deviceAddress, bytes(entries, each: RingFormat.usedElementBytes))
    else { return false }
    let (place, area) = (descriptors.shared.address, device.shared.address)
    // tested by HostileTests
    if place % 16 != 0 || driver.shared.address % (packed ? 4 : 2) != 0 || area % 4 != 0 { return false }
    rings = Rings(descriptors: descriptors.shared, driver: driver.shared, device: device.shared)
    return true
  }

  /// Bytes of the driver's or the device's part of the ring.
  private func bytes(_ entries: Int, each: Int) -> Int {
    agreement.isPacked ? RingFormat.eventBytes : RingFormat.splitExtraBytes + each * entries
  }

  /// SET_VRING_BASE. A packed ring's number has two positions; DPDK's front-end leaves the upper one out, which could
  /// otherwise be so only if the whole ring were in flight.
  mutating func setBase(_ number: UInt32) {
    shortAt = nil
    if agreement.isPacked {
      next = Position(packed: number)
      used = number >> 16 == 0 && next.wrap ? next : Position(packed: number >> 16)
    } else {
      next.index = UInt16(truncatingIfNeeded: number)
      used = next
    }
  }

  /// Puts the ring back to its beginning.
  mutating func rewind() {
    next = Position()
    used = next
    shortAt = nil
  }

  var base: UInt32 { agreement.isPacked ? next.packed | used.packed << 16 : UInt32(next.index) }

  /// The queue runs without a kick: its front-end wants it polled.
  var isKickless: Bool { running && kick < 0 }

  /// The driver has made buffers available that were not taken yet.
  @inline(__always)
  var hasBuffers: Bool {
    guard running, let rings else { return false }
    return agreement.isPacked ? PackedRing.hasBuffers(rings, next) : SplitRing.hasBuffers(rings, next)
  }

  /// Asks the driver for kicks, or asks it to save them (2.7.10, 2.8.10). Buffers that are there and are not enough must
  /// not be those that a kick is asked for: it would never come.
  func wantKicks(_ wanted: Bool) {
    guard running, let rings else { return }
    let next = shortAt ?? next
    if agreement.isPacked {
      PackedRing.wantKicks(wanted, rings, next, byPosition: agreement.hasEventIndex)
    } else {
      SplitRing.wantKicks(wanted, rings, next, size: size, byPosition: agreement.hasEventIndex)
    }
  }

  /// Puts what was taken since the last `give` back.
  @inline(__always)
  mutating func putBack() {
    ahead = next
    slotsAhead = 0
  }
}

/// What the negotiated features say of rings.
struct RingAgreement {
  var isPacked = false
  var hasIndirect = false
  var hasEventIndex = false
  var isInOrder = false
}

/// What is counted of one queue, in the order of virtio_net_stats_rx_basic and virtio_net_stats_tx_basic (virtio 1.4,
/// 5.1.9.5.11).
struct QueueCounts {
  /// Kicks that the device has noticed: several at once may be one.
  var notifications: UInt64 = 0
  /// Packets passed to the driver, or sent for it, and their bytes.
  var packets: UInt64 = 0
  var bytes: UInt64 = 0
  var interrupts: UInt64 = 0
  /// Packets lost, and how many of them for want of a buffer, or because the driver's descriptors hold no packet.
  var drops: UInt64 = 0
  var faultyDrops: UInt64 = 0
}
