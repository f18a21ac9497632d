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
  var isPacked = false
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

/// The addresses that a device can be given.
struct Reach {
  var first: UInt64 = 0
  var last = UInt64.max

  func has(_ region: SharedRegion) -> Bool {
    region.address >= first && region.address <= last && last - region.address >= region.length - 1
  }
}

struct SharedRegions {
  /// The rings, and every pool there can be.
  static let room = 64
  private var regions = InlineArray<64, SharedRegion>(repeating: SharedRegion())
  private(set) var count = 0

  subscript(index: Int) -> SharedRegion { regions[index] }

  /// False if there is no room for it.
  mutating func add(_ region: SharedRegion) -> Bool {
    if count == SharedRegions.room { return false }
    regions[count] = region
    count += 1
    return true
  }
}

/// The attachment a port has: a handle, whose state lives on the heap until `destroy`. Every verb waits at most its
/// deadline.
enum Bus {
  case vhostUser(Cell<VhostUserBus>)
  case vhostNet(Cell<VhostNetBus>)
  case vhostVDPA(Cell<VhostVDPABus>)
  case pci(Cell<PCIBus>)

  // MARK: What the device is

  /// Feature bits 0 to 63, as last read.
  @inline(never)
  var offered: UInt64 {
    switch self {
    case .vhostUser(let bus): bus.value.deviceFeatures
    case .vhostNet(let bus): bus.value.offered
    case .vhostVDPA(let bus): bus.value.offered
    case .pci(let bus): bus.value.offered
    }
  }

  /// Feature bits 64 to 127, which vhost does not carry.
  var offeredAbove: UInt64 {
    if case .pci(let bus) = self { return bus.value.offeredAbove }
    return 0
  }

  /// Asks a device anew; a vhost-user back-end said it when it was met.
  func readOffered() {
    if case .pci(let bus) = self { bus.value.readOffered() }
    if case .vhostVDPA(let bus) = self { bus.value.readOffered() }
  }

  /// With NOTIFICATION_DATA a queue could be signalled. An eventfd, which is vhost's way, carries no data.
  var takesNotificationData: Bool {
    if case .pci(let bus) = self { return bus.value.takesNotificationData }
    return false
  }

  var isPCI: Bool {
    if case .pci = self { return true }
    return false
  }

  /// A whole device, with a configuration, a control queue that answers, and all of its queues running from DRIVER_OK on;
  /// not a back-end, which is told of each ring by its front-end.
  var isDevice: Bool {
    if case .vhostVDPA = self { return true }
    return isPCI
  }

  /// The device side is another process: memory is given to it by files.
  var takesFiles: Bool {
    if case .vhostUser = self { return true }
    return false
  }

  /// From before virtio 1.0: no FEATURES_OK, a shorter header, rings of the device's own size and layout.
  var isLegacy: Bool {
    if case .pci(let bus) = self { return bus.value.isLegacy }
    return false
  }

  /// No IOMMU stands before the device.
  var usesPhysicalAddresses: Bool {
    if case .pci(let bus) = self { return bus.value.usesPhysicalAddresses }
    return false
  }

  /// Where memory has to lie for it, since our addresses are its own.
  var reach: Reach {
    if case .vhostVDPA(let bus) = self { return bus.value.memory.range }
    return Reach()
  }

  /// Bytes of config space that can be read.
  @inline(never)
  var configLength: Int {
    switch self {
    case .vhostUser(let bus): bus.value.hasConfig ? 64 : 0
    case .vhostNet: VhostNetBus.configLength
    case .vhostVDPA(let bus): bus.value.configLength
    case .pci(let bus): bus.value.configLength
    }
  }

  var maximumQueuePairs: UInt16 {
    switch self {
    case .vhostUser(let bus): bus.value.maximumQueuePairs
    case .vhostNet(let bus): bus.value.maximumQueuePairs
    case .vhostVDPA, .pci: 1
    }
  }

  /// Readable when the device side goes away; -1 if there is no such thing.
  var controlDescriptor: Int32 {
    if case .vhostUser(let bus) = self { return bus.value.socket.descriptor }
    if case .pci(let bus) = self { return bus.value.removal.number }
    return -1
  }

  @inline(never)
  var isGone: Bool {
    switch self {
    case .vhostUser(let bus): bus.value.socket.hasHungUp()
    case .vhostNet(let bus): bus.value.isGone
    case .vhostVDPA(let bus): bus.value.isGone
    case .pci(let bus): bus.value.isGone
    }
  }

  // MARK: Handshake

  @inline(never)
  func status() throws(Failure) -> UInt8 {
    switch self {
    case .vhostUser(let bus): try bus.value.status()
    case .vhostNet(let bus): bus.value.status
    case .vhostVDPA(let bus): try bus.value.status()
    case .pci(let bus): bus.value.readStatus()
    }
  }

  @inline(never)
  func setStatus(_ status: UInt8) throws(Failure) {
    switch self {
    case .vhostUser(let bus): try bus.value.setStatus(status)
    case .vhostNet(let bus): try bus.value.setStatus(status)
    case .vhostVDPA(let bus): try bus.value.setStatus(status)
    case .pci(let bus): bus.value.setStatus(status)
    }
  }

  /// Bits 0 to 63, and those from 64 on.
  @inline(never)
  func accept(_ features: UInt64, above: UInt64) throws(Failure) {
    switch self {
    case .vhostUser(let bus): try bus.value.accept(features)
    case .vhostNet(let bus): try bus.value.accept(features)
    case .vhostVDPA(let bus): try bus.value.accept(features)
    case .pci(let bus): bus.value.accept(features, above: above)
    }
  }

  @inline(never)
  func readConfig(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) throws(Failure) {
    switch self {
    case .vhostUser(let bus): try unsafe bus.value.readConfig(offset, target, count)
    case .vhostNet(let bus): unsafe bus.value.readConfig(offset, target, count)
    case .vhostVDPA(let bus): try unsafe bus.value.readConfig(offset, target, count)
    case .pci(let bus): try unsafe bus.value.readConfig(offset, target, count)
    }
  }

  /// Only a legacy device lets its configuration be written.
  @inline(never)
  func writeConfig(_ offset: Int, _ source: UnsafeRawPointer, _ count: Int) {
    if case .pci(let bus) = self { unsafe bus.value.writeConfig(offset, source, count) }
  }

  /// Writes status 0 and waits until the device shows it (virtio 1.4, 2.4.2).
  @inline(never)
  func reset() throws(Failure) {
    try setStatus(0)
    let deadline = Deadline(milliseconds: 3000)
    while try quietStatus() != 0 {
      if case .pci(let bus) = self, bus.value.isAbsent {
        throw Failure(ENODEV, "the device is gone: its registers read as all ones")
      }
      if deadline.hasPassed { throw Failure(ETIMEDOUT, "the device did not finish its reset within 3 s") }
      sys_sleep_microseconds(1000)
    }
    // For the log.
    if case .pci(let bus) = self { _ = bus.value.readStatus() }
  }

  /// Not logged where it costs nothing to be asked again and again.
  private func quietStatus() throws(Failure) -> UInt8 {
    if case .pci(let bus) = self { return bus.value.status }
    return try status()
  }
}
