// SPDX-License-Identifier: BSD-2-Clause
//
// A virtio PCI function, modern or legacy: which of the two it is, the memory it may use, and its interrupts.

import CLinux
import Linux

struct PCIBus {
  private enum Registers {
    case modern(ModernPCI)
    case legacy(LegacyPCI)
    /// The function was let go.
    case none
  }

  private var registers: Registers
  private let hold: PCIHold
  /// Bits 0 to 63 and 64 to 127, as last read.
  private(set) var offered: UInt64 = 0
  private(set) var offeredAbove: UInt64 = 0
  private var accepted: UInt64 = 0
  /// What the device was given, to be taken back.
  private var shared = SharedRegions()
  private var interrupts: PCIInterrupts
  /// Readable when the system wants the function back, for it is about to be unplugged.
  private(set) var removal = Descriptor.none

  init(_ target: Text) throws(Failure) {
    hold = try PCIHold(target)
    interrupts = PCIInterrupts(hold)
    do throws(Failure) {
      registers = try PCIBus.choose(hold)
    } catch {
      hold.closeDevice()
      hold.leave()
      throw error
    }
    readOffered()
    // Without it a removal is noticed when registers read as all ones.
    removal = Failure.quietly { () throws(Failure) in try Descriptor.event() } ?? .none
    hold.watchRemoval(removal.number)
  }

  /// All four structures: modern. Else legacy, if the device has I/O ports for that.
  private static func choose(_ hold: PCIHold) throws(Failure) -> Registers {
    let space = try unsafe ConfigurationSpace { room, count in unsafe hold.readConfiguration(0, room, count) }
    let capabilities = PCICapabilities(space) { bar in hold.memoryLength(bar: bar) }
    if capabilities.isModern {
      if Log.wanted(.info) { Log.line("pci: modern device,").number(capabilities.vectors).text("vectors").send(.info) }
      return .modern(try ModernPCI(hold, capabilities))
    }
    if space.word(Int(PCI_DEVICE_ID)) != UInt16(PCIFunction.deviceTransitional) {
      throw Failure(ENOTSUP, "the function has no usable capability ").text(capabilities.missing ?? "")
        .text(" and, not being transitional, no legacy interface")
    }
    if Log.wanted(.info) { Log.line("pci: legacy device,").number(capabilities.vectors).text("vectors").send(.info) }
    return .legacy(try LegacyPCI(try hold.openPorts(), capabilities))
  }

  /// Lets go of the function, which has lost its access to memory when that is unmapped and given back.
  mutating func close() {
    interrupts.close()
    switch registers {
    case .modern(let modern): modern.close()
    case .legacy(let legacy): legacy.close()
    case .none: return
    }
    registers = .none
    hold.closeDevice()
    removal.close()
    forgetMemory()
    hold.leave()
  }

  // MARK: Second resorts

  /// For a device that did not confirm its reset. True if by now it is sure to leave our memory alone: it is not there
  /// any more, it shows that it was reset after all, or after a reset by way of the PCI bus. If not, its access to
  /// memory is switched off, which a device in such a state may heed or not.
  func forceReset() -> Bool {
    if case .none = registers { return true }
    if !hold.isOnBus { return true }
    // Its registers may have been switched off.
    Failure.quietly { () throws(Failure) in try hold.enable() }
    if isReset() || hold.reset() && isReset() { return true }
    stopBusMaster()
    return false
  }

  func stopBusMaster() { _ = hold.stopBusMaster() }

  private func isReset() -> Bool {
    setStatus(0)
    let deadline = Deadline(milliseconds: 500)
    while status != 0 {
      if deadline.hasPassed { return false }
      sys_sleep_microseconds(1000)
    }
    return true
  }

  var isLegacy: Bool {
    if case .legacy = registers { return true }
    return false
  }

  // MARK: Features

  /// Asks the device anew what it offers; a legacy one has 32 bits (virtio 1.4, 4.1.4.10).
  mutating func readOffered() {
    switch registers {
    case .modern(let modern):
      offered = UInt64(modern.offered(word: 0)) | UInt64(modern.offered(word: 1)) << 32
      offeredAbove = UInt64(modern.offered(word: 2)) | UInt64(modern.offered(word: 3)) << 32
    case .legacy(let legacy): offered = UInt64(legacy.offered)
    case .none: break
    }
  }

  /// Bits above 63 are written only if there are any: a device older than they are may not know their select values.
  mutating func accept(_ features: UInt64, above: UInt64) {
    accepted = features
    switch registers {
    case .modern(let modern):
      modern.accept(UInt32(truncatingIfNeeded: features), word: 0)
      modern.accept(UInt32(truncatingIfNeeded: features >> 32), word: 1)
      if above == 0 { return }
      modern.accept(UInt32(truncatingIfNeeded: above), word: 2)
      modern.accept(UInt32(truncatingIfNeeded: above >> 32), word: 3)
    case .legacy(let legacy): legacy.accept(UInt32(truncatingIfNeeded: features))
    case .none: break
    }
  }

  var takesNotificationData: Bool {
    if case .modern(let modern) = registers { return modern.takesNotificationData }
    return false
  }

  // MARK: Status and configuration

  /// All ones of a function that is not there any more.
  var status: UInt8 {
    switch registers {
    case .modern(let modern): modern.status
    case .legacy(let legacy): legacy.status
    case .none: 0xff
    }
  }

  /// For a step of the initialisation, which is logged.
  func readStatus() -> UInt8 {
    let value = status
    RegisterLog.read(isLegacy ? LegacyPCI.log : ModernPCI.log, Text("device_status"), UInt64(value))
    return value
  }

  func setStatus(_ status: UInt8) {
    switch registers {
    case .modern(let modern): modern.setStatus(status)
    case .legacy(let legacy): legacy.setStatus(status)
    case .none: break
    }
  }

  /// The kernel waits until whoever has a function that is to be unplugged has let go of it.
  var isGone: Bool { hold.isRevoked || isAbsent || removal.isReadable }
  var isAbsent: Bool { status == 0xff }

  var configLength: Int {
    switch registers {
    case .modern(let modern): modern.configLength
    case .legacy(let legacy): legacy.configLength
    case .none: 0
    }
  }

  func readConfig(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) throws(Failure) {
    switch registers {
    case .modern(let modern): try unsafe modern.readConfig(offset, target, count)
    case .legacy(let legacy): try unsafe legacy.readConfig(offset, target, count)
    case .none: throw PCIBus.letGo()
    }
  }

  /// Only a legacy device's (virtio 1.4, 5.1.4.2).
  func writeConfig(_ offset: Int, _ source: UnsafeRawPointer, _ count: Int) {
    if case .legacy(let legacy) = registers { unsafe legacy.writeConfig(offset, source, count) }
  }

  private static func letGo() -> Failure { Failure(ENODEV, "the PCI function was let go") }

  // MARK: Queues

  func queueSize(_ index: UInt16, _ wanted: UInt16) throws(Failure) -> UInt16 {
    switch registers {
    case .modern(let modern): try modern.queueSize(index, wanted)
    case .legacy(let legacy): try legacy.queueSize(index)
    case .none: throw PCIBus.letGo()
    }
  }

  func setUp(_ ring: RingSetUp) throws(Failure) -> Notifier {
    let vector = interrupts.plan.vector(queue: Int(ring.index)).map { UInt16($0) }
    switch registers {
    case .modern(let modern):
      let withData = accepted >> UInt64(VIRTIO_F_NOTIFICATION_DATA) & 1 != 0
      return try modern.setUp(ring, vector: vector, withData: withData)
    case .legacy(let legacy): return try legacy.setUp(ring, vector: vector)
    case .none: throw PCIBus.letGo()
    }
  }

  var resetsQueues: Bool {
    if case .modern(let modern) = registers { return modern.resetsQueues }
    return false
  }

  func resetQueue(_ index: UInt16) throws(Failure) {
    if case .modern(let modern) = registers { try modern.resetQueue(index) }
  }

  // MARK: Memory

  /// A device that does not offer ACCESS_PLATFORM goes round the IOMMU, if there is one (6.1).
  var usesPhysicalAddresses: Bool {
    hold.usesPhysicalAddresses || offered >> UInt64(VIRTIO_F_ACCESS_PLATFORM) & 1 == 0
  }

  mutating func share(_ regions: SharedRegions) throws(Failure) {
    for index in 0..<regions.count {
      try hold.share(regions[index].address, regions[index].length)
      _ = shared.add(regions[index])
    }
  }

  /// Only after a reset: the device may write to it until then.
  mutating func forgetMemory() {
    for index in 0..<shared.count { hold.unshare(shared[index].address, shared[index].length) }
    shared = SharedRegions()
  }

  // MARK: Interrupts

  /// Connects vectors for the configuration and the queues. On a legacy device this comes before everything else about
  /// queues, since it moves the registers.
  mutating func connect(calls: Table<Int32>) throws(Failure) {
    let available: UInt32
    switch registers {
    case .modern(let modern): available = modern.vectors
    case .legacy(let legacy): available = legacy.vectors
    case .none: available = 0
    }
    try interrupts.connect(available: available, calls: calls)
    if Log.wanted(.info) { Log.line("pci:").number(interrupts.plan.count).text("vectors connected").send(.info) }
    if interrupts.plan.count == 0 { return }
    setVectorsAreOn(true)
    switch registers {
    case .modern(let modern): try modern.setConfigVector(0)
    case .legacy(let legacy): try legacy.setConfigVector(0)
    case .none: break
    }
  }

  mutating func disconnect() {
    interrupts.disconnect()
    setVectorsAreOn(false)
  }

  private mutating func setVectorsAreOn(_ on: Bool) {
    guard case .legacy(var legacy) = registers else { return }
    legacy.vectorsAreOn = on
    registers = .legacy(legacy)
  }

  var hasInterrupts: Bool { interrupts.areConnected }
  var changeDescriptor: Int32 { interrupts.changeDescriptor }

  func sharedInterrupt(pair: Int) -> Int32 { interrupts.shared(pair: pair) }

  func passInterrupts(pair: Int) { interrupts.pass(pair: pair, causes: takeCauses()) }

  func takeChange() -> Bool { interrupts.takeChange(causes: takeCauses()) }

  /// Of an interrupt that does not say by its vector what it is about. Reading clears them.
  private func takeCauses() -> UInt8 {
    if interrupts.line < 0 { return 0 }
    switch registers {
    case .modern(let modern): return modern.takeInterruptStatus()
    case .legacy(let legacy): return legacy.takeInterruptStatus()
    case .none: return 0
    }
  }
}
