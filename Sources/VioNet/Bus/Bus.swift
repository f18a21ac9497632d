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
  case pci(Cell<PCIBus>)

  /// Takes hold of a PCI function.
  init(pci target: Text) throws(Failure) {
    var state = try PCIBus(target)
    guard let cell = Cell.make(state) else {
      state.close()
      throw Failure(ENOMEM, "no memory for a bus")
    }
    self = .pci(cell)
  }

  /// Lets go of the device for good.
  func destroy() {
    close()
    switch self {
    case .vhostUser(let bus): bus.destroy()
    case .pci(let bus): bus.destroy()
    }
  }

  /// Lets go of the device; it can only be destroyed after that.
  func close() {
    switch self {
    case .vhostUser(let bus): bus.value.close()
    case .pci(let bus): bus.value.close()
    }
  }

  /// As destroy(), while a thread may still signal the device: its registers stay where they are, for ever.
  func abandon() {
    switch self {
    case .vhostUser: destroy()
    case .pci(let bus): bus.value.stopBusMaster()
    }
  }

  // MARK: What the device is

  /// Feature bits 0 to 63, as last read.
  var offered: UInt64 {
    switch self {
    case .vhostUser(let bus): bus.value.deviceFeatures
    case .pci(let bus): bus.value.offered
    }
  }

  /// Feature bits 64 to 127, which vhost-user does not carry.
  var offeredAbove: UInt64 {
    switch self {
    case .vhostUser: 0
    case .pci(let bus): bus.value.offeredAbove
    }
  }

  /// Asks a PCI device anew; a vhost-user back-end said it when it was met.
  func readOffered() { if case .pci(let bus) = self { bus.value.readOffered() } }

  /// With NOTIFICATION_DATA a queue could be signalled. An eventfd, which is vhost-user's way, carries no data.
  var takesNotificationData: Bool {
    switch self {
    case .vhostUser: false
    case .pci(let bus): bus.value.takesNotificationData
    }
  }

  var isPCI: Bool {
    if case .pci = self { return true }
    return false
  }

  /// From before virtio 1.0: no FEATURES_OK, a shorter header, rings of the device's own size and layout.
  var isLegacy: Bool {
    switch self {
    case .vhostUser: false
    case .pci(let bus): bus.value.isLegacy
    }
  }

  /// No IOMMU stands before the device.
  var usesPhysicalAddresses: Bool {
    switch self {
    case .vhostUser: false
    case .pci(let bus): bus.value.usesPhysicalAddresses
    }
  }

  /// Bytes of config space that can be read.
  var configLength: Int {
    switch self {
    case .vhostUser(let bus): bus.value.hasConfig ? 64 : 0
    case .pci(let bus): bus.value.configLength
    }
  }

  var maximumQueuePairs: UInt16 {
    switch self {
    case .vhostUser(let bus): bus.value.maximumQueuePairs
    case .pci: 1
    }
  }

  /// Readable when the device side goes away; -1 if there is no such thing.
  var controlDescriptor: Int32 {
    switch self {
    case .vhostUser(let bus): bus.value.socket.descriptor
    case .pci: -1
    }
  }

  @inline(never)
  var isGone: Bool {
    switch self {
    case .vhostUser(let bus): bus.value.socket.hasHungUp()
    case .pci(let bus): bus.value.isGone
    }
  }

  // MARK: Handshake

  @inline(never)
  func status() throws(Failure) -> UInt8 {
    switch self {
    case .vhostUser(let bus): try bus.value.status()
    case .pci(let bus): bus.value.readStatus()
    }
  }

  @inline(never)
  func setStatus(_ status: UInt8) throws(Failure) {
    switch self {
    case .vhostUser(let bus): try bus.value.setStatus(status)
    case .pci(let bus): bus.value.setStatus(status)
    }
  }

  /// Bits 0 to 63, and those from 64 on.
  func accept(_ features: UInt64, above: UInt64) throws(Failure) {
    switch self {
    case .vhostUser(let bus): try bus.value.accept(features)
    case .pci(let bus): bus.value.accept(features, above: above)
    }
  }

  @inline(never)
  func readConfig(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) throws(Failure) {
    switch self {
    case .vhostUser(let bus): try unsafe bus.value.readConfig(offset, target, count)
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
      if case .pci = self, isGone { throw Failure(ENODEV, "the device is gone: its registers read as all ones") }
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

  // MARK: Queues

  /// The ring size to use for a wish.
  @inline(never)
  func queueSize(_ index: UInt16, _ wanted: UInt16) throws(Failure) -> UInt16 {
    switch self {
    case .vhostUser: wanted
    case .pci(let bus): try bus.value.queueSize(index, wanted)
    }
  }

  func share(_ regions: SharedRegions) throws(Failure) {
    switch self {
    case .vhostUser(let bus): try bus.value.share(regions)
    case .pci(let bus): try bus.value.share(regions)
    }
  }

  /// Makes interrupts signal the queues' call descriptors, which are given by queue, and one for changes of the
  /// configuration; before any queue is set up. A vhost-user back-end is told of each call with its ring. `size` is that
  /// of the largest ring.
  func connect(calls: Table<Int32>, size: UInt16) throws(Failure) {
    switch self {
    case .vhostUser(let bus): try bus.value.prepareInflight(calls, size: size)
    case .pci(let bus): try bus.value.connect(calls: calls)
    }
  }

  /// Returns how the queue is notified.
  @inline(never)
  func setUp(_ ring: RingSetUp) throws(Failure) -> Notifier {
    switch self {
    case .vhostUser(let bus):
      try bus.value.setUp(ring)
      return .event(ring.kick)
    case .pci(let bus): return try bus.value.setUp(ring)
    }
  }

  /// On PCI a queue runs from DRIVER_OK on.
  @inline(never)
  func enable(_ index: UInt16, _ on: Bool) throws(Failure) {
    if case .vhostUser(let bus) = self { try bus.value.enable(index, on) }
  }

  /// Makes a back-end let go of one ring; a PCI device lets go of all by its reset.
  @inline(never)
  func stop(_ index: UInt16) throws(Failure) {
    if case .vhostUser(let bus) = self { try bus.value.stop(index) }
  }

  /// Makes the device let go of its first `rings` rings and of all memory; when this has returned it has.
  func quiesce(_ rings: UInt16) throws(Failure) {
    switch self {
    case .vhostUser(let bus):
      if rings == 0 { return }
      // Only the answers to "stop" tell that a ring was let go of; a back-end that refuses the rest still gives those.
      for index in 0..<rings { Failure.quietly { () throws(Failure) in try bus.value.enable(index, false) } }
      for index in 0..<rings { try bus.value.stop(index) }
      Failure.quietly { () throws(Failure) in try reset() }
      Failure.quietly { () throws(Failure) in try bus.value.forgetMemory() }
    case .pci(let bus):
      do throws(Failure) { try reset() } catch { if !bus.value.forceReset() { throw error } }
      bus.value.disconnect()
      bus.value.forgetMemory()
    }
  }
}
