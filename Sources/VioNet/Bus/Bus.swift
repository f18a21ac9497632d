// SPDX-License-Identifier: BSD-2-Clause
//
// A device's registers: the same few verbs for every attachment. Rings and memory are named to it by plain addresses
// and descriptors, so a bus knows nothing of queues, packets or Ethernet.

import CLinux
import Linux

/// Where one ring lies and how to signal it.
struct RingSetUp {
  var index: UInt16
  var size: UInt16
  var descriptors: UInt64
  var available: UInt64
  var used: UInt64
  /// Driver to device, device to driver.
  var kick: Int32
  var call: Int32
}

/// A piece of memory that the device is to see.
struct SharedRegion {
  var address: UInt64 = 0
  var length: UInt64 = 0
  var file: Int32 = -1
  var offset: UInt64 = 0
}

struct SharedRegions {
  private var regions = InlineArray<8, SharedRegion>(repeating: SharedRegion())
  private(set) var count = 0

  subscript(index: Int) -> SharedRegion { regions[index] }

  /// False if there is no room for it.
  mutating func add(_ region: SharedRegion) -> Bool {
    if count == VhostUserBus.maximumRegions { return false }
    regions[count] = region
    count += 1
    return true
  }
}

/// The attachment a port has. Every verb waits at most its deadline.
struct Bus {
  private var vhostUser: VhostUserBus

  init(_ socket: VhostSocket) throws(Failure) { vhostUser = try VhostUserBus(socket) }

  mutating func close() { vhostUser.close() }

  var offered: UInt64 { vhostUser.deviceFeatures }
  var hasConfig: Bool { vhostUser.hasConfig }
  var maximumQueuePairs: UInt16 { vhostUser.maximumQueuePairs }
  /// Readable when the device side goes away.
  var controlDescriptor: Int32 { vhostUser.socket.descriptor }
  var isGone: Bool { vhostUser.socket.hasHungUp() }

  mutating func status() throws(Failure) -> UInt8 { try vhostUser.status() }
  mutating func setStatus(_ status: UInt8) throws(Failure) { try vhostUser.setStatus(status) }
  mutating func accept(_ features: UInt64) throws(Failure) { try vhostUser.accept(features) }

  mutating func readConfig(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) throws(Failure) {
    try unsafe vhostUser.readConfig(offset, target, count)
  }

  mutating func share(_ regions: SharedRegions) throws(Failure) { try vhostUser.share(regions) }
  mutating func setUp(_ ring: RingSetUp) throws(Failure) { try vhostUser.setUp(ring) }
  mutating func enable(_ index: UInt16, _ on: Bool) throws(Failure) { try vhostUser.enable(index, on) }
  mutating func stop(_ index: UInt16) throws(Failure) { try vhostUser.stop(index) }

  /// Writes status 0 and waits until the device shows it (virtio 1.4, 2.4.2).
  mutating func reset() throws(Failure) {
    try setStatus(0)
    let deadline = Deadline(milliseconds: 3000)
    while try status() != 0 {
      if deadline.hasPassed { throw Failure(ETIMEDOUT, "the device did not finish its reset within 3 s") }
      sys_sleep_microseconds(1000)
    }
  }
}
