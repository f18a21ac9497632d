// SPDX-License-Identifier: BSD-2-Clause
//
// One virtqueue as the device keeps it between batches: what the front-end said about it (size, addresses, eventfds,
// started, enabled) and how far it was worked off. Queue 0 is the driver's receive queue, queue 1 its transmit queue.
//
// Each chain taken is given back in the same batch, so at rest nothing is in flight, and the index that GET_VRING_BASE
// returns is the whole state of a split ring.

import CLinux
import Linux

/// Where the three parts of a split ring lie in our own address space.
struct Rings {
  let descriptors: Shared
  let available: Shared
  let used: Shared
}

struct Queue {
  static let receive = 0
  static let transmit = 1
  static let largest: UInt32 = 32768

  /// The device writes to its buffers.
  let deviceWrites: Bool
  var indirectAllowed = false
  var size: UInt16 = 0
  var next: UInt16 = 0
  var usedIndex: UInt16 = 0

  /// User addresses of SET_VRING_ADDR.
  var descriptorAddress: UInt64 = 0
  var availableAddress: UInt64 = 0
  var usedAddress: UInt64 = 0
  var addressed = false
  var rings: Rings?

  var kick: Int32 = -1
  var call: Int32 = -1
  var error: Int32 = -1
  var started = false
  var enabled = false
  /// Started, resolved, and the driver has said DRIVER_OK where it can: buffers may be used.
  var running = false

  init(deviceWrites: Bool) { self.deviceWrites = deviceWrites }

  /// Translates the ring's addresses; false if one of its parts lies outside the front-end's memory or is not aligned
  /// as virtio 1.4, 2.7 asks.
  mutating func resolve(_ map: MemoryMap) -> Bool {
    rings = nil
    if !addressed || size == 0 { return true }
    let entries = Int(size)
    guard let descriptors = map.user(descriptorAddress, 16 * entries),
      let available = map.user(availableAddress, 6 + 2 * entries),
      let used = map.user(usedAddress, 6 + 8 * entries)
    else { return false }
    if descriptors.shared.address % 16 != 0 || available.shared.address % 2 != 0 || used.shared.address % 4 != 0 {
      return false
    }
    rings = Rings(descriptors: descriptors.shared, available: available.shared, used: used.shared)
    return true
  }

  /// Asks the driver for kicks, or asks it to save them (2.7.10).
  func wantKicks(_ wanted: Bool) {
    if running, let rings { rings.used.store16(0, wanted ? 0 : UInt16(VRING_USED_F_NO_NOTIFY)) }
  }

  /// It runs without a kick: its front-end wants it looked at instead.
  var isKickless: Bool { running && kick < 0 }

  /// The driver has made buffers available that were not taken yet.
  var hasBuffers: Bool {
    guard running, let rings else { return false }
    return rings.available.load16Acquire(2) != next
  }

  /// Takes over the cursors of a batch, shows the driver what was used, and interrupts it if it wants that (2.7.7.2):
  /// the index must be visible before the flag is read.
  @inline(__always)
  mutating func commit(_ ring: borrowing SplitRing) {
    next = ring.next
    if usedIndex == ring.usedIndex { return }
    usedIndex = ring.usedIndex
    guard let rings else { return }
    rings.used.store16Release(2, usedIndex)
    shared_fence()
    if rings.available.load16(0) & UInt16(VRING_AVAIL_F_NO_INTERRUPT) == 0, call >= 0 { _ = sys_eventfd_signal(call) }
  }
}
