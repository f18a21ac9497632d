// SPDX-License-Identifier: BSD-2-Clause
//
// A virtio PCI function, modern or legacy: which of the two it is, the memory it may use, and its interrupts.

import CLinux
import Linux
import Virtio

struct PCITransport: Transport {
  private enum Registers {
    case modern(ModernPCI)
    case legacy(LegacyPCI)
    /// The function was let go.
    case none
  }

  private var registers: Registers
  private let hold: PCIHold
  private(set) var traits = BusTraits()
  private var accepted: UInt64 = 0
  /// What the device was given, to be taken back.
  private var shared = SharedRegions()
  private var interrupts: PCIInterrupts
  /// Readable when the system wants the function back, for it is about to be unplugged.
  private(set) var removal = Descriptor.none

  static func open(_ request: inout OpenRequest) throws(Failure) -> Bus {
    try Bus(PCITransport(request.address.target))
  }

  private init(_ target: Text) throws(Failure) {
    hold = try PCIHold(target)
    interrupts = PCIInterrupts(hold)
    do throws(Failure) {
      registers = try PCITransport.choose(hold)
    } catch {
      hold.closeDevice()
      hold.leave()
      throw error
    }
    fillTraits()
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
    traits.hasInterrupts = false
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

  private func stopBusMaster() { _ = hold.stopBusMaster() }

  func stopInPlace() -> Bool {
    stopBusMaster()
    return true
  }

  private func isReset() -> Bool {
    setStatus(0)
    let deadline = Deadline(milliseconds: 500)
    while quietStatus != 0 {
      if deadline.hasPassed { return false }
      sys_sleep_microseconds(1000)
    }
    return true
  }

  // MARK: Traits and features

  private mutating func fillTraits() {
    traits.isWholeDevice = true
    traits.prefersPackedRings = true
    traits.hasInterrupts = false
    switch registers {
    case .modern(let modern):
      traits.configLength = modern.configLength
      traits.carriesNotificationData = modern.takesNotificationData
      traits.resetsQueues = modern.resetsQueues
    case .legacy(let legacy):
      traits.registerLayout = .legacy
      traits.configLength = legacy.configLength
    case .none: break
    }
  }

  /// Asks the device anew what it offers; a legacy one has 32 bits (virtio 1.4, 4.1.4.10).
  mutating func readOffered() {
    switch registers {
    case .modern(let modern):
      traits.offered = UInt64(modern.offered(word: 0)) | UInt64(modern.offered(word: 1)) << 32
      traits.offeredAbove = UInt64(modern.offered(word: 2)) | UInt64(modern.offered(word: 3)) << 32
    case .legacy(let legacy): traits.offered = UInt64(legacy.offered)
    case .none: break
    }
    // A device that does not offer ACCESS_PLATFORM goes round the IOMMU, if there is one (6.1).
    let goesRound = traits.offered >> UInt64(Feature.accessPlatform) & 1 == 0
    traits.addressing = hold.usesPhysicalAddresses || goesRound ? .physical : .virtual
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

  // MARK: Status and configuration

  /// All ones of a function that is not there any more. Not logged, since it is asked for again and again.
  private var quietStatus: UInt8 {
    switch registers {
    case .modern(let modern): modern.status
    case .legacy(let legacy): legacy.status
    case .none: 0xff
    }
  }

  /// For a step of the initialisation, which is logged.
  func status() -> UInt8 {
    let value = quietStatus
    RegisterLog.read(traits.isLegacy ? LegacyPCI.log : ModernPCI.log, Text("device_status"), UInt64(value))
    return value
  }

  func setStatus(_ status: UInt8) {
    switch registers {
    case .modern(let modern): modern.setStatus(status)
    case .legacy(let legacy): legacy.setStatus(status)
    case .none: break
    }
  }

  func reset() throws(Failure) {
    setStatus(0)
    let deadline = Deadline(milliseconds: 3000)
    while quietStatus != 0 {
      if isAbsent { throw Failure(ENODEV, "the device is gone: its registers read as all ones") }
      if deadline.hasPassed { throw Failure.resetTimedOut }
      sys_sleep_microseconds(1000)
    }
    // For the log.
    _ = status()
  }

  /// The kernel waits until whoever has a function that is to be unplugged has let go of it.
  var isGone: Bool { hold.isRevoked || isAbsent || removal.isReadable }
  private var isAbsent: Bool { quietStatus == 0xff }

  func readConfig(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) throws(Failure) {
    switch registers {
    case .modern(let modern): try unsafe modern.readConfig(offset, target, count)
    case .legacy(let legacy): try unsafe legacy.readConfig(offset, target, count)
    case .none: throw PCITransport.letGo()
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
    case .none: throw PCITransport.letGo()
    }
  }

  func setUp(_ ring: RingSetUp) throws(Failure) -> Notifier {
    let vector = interrupts.plan.vector(queue: Int(ring.index)).map { UInt16($0) }
    switch registers {
    case .modern(let modern):
      let withData = accepted & Feature.notificationData != 0
      return try modern.setUp(ring, vector: vector, withData: withData)
    case .legacy(let legacy): return try legacy.setUp(ring, vector: vector)
    case .none: throw PCITransport.letGo()
    }
  }

  func resetQueue(_ index: UInt16, isPacked: Bool) throws(Failure) {
    if case .modern(let modern) = registers { try modern.resetQueue(index) }
  }

  mutating func quiesce(_ rings: UInt16, control: UInt16?) -> Bool {
    if Failure.quietly({ () throws(Failure) in try reset() }) == nil && !forceReset() { return false }
    disconnect()
    forgetMemory()
    return true
  }

  // MARK: Memory

  mutating func share(_ regions: SharedRegions) throws(Failure) {
    for index in 0..<regions.count {
      try hold.share(regions[index].address, regions[index].length)
      _ = shared.add(regions[index])
    }
  }

  /// Only after a reset: the device may write to it until then.
  private mutating func forgetMemory() {
    for index in 0..<shared.count { hold.unshare(shared[index].address, shared[index].length) }
    shared = SharedRegions()
  }

  // MARK: Interrupts

  /// Connects vectors for the configuration and the queues. On a legacy device this comes before everything else about
  /// queues, since it moves the registers.
  mutating func connectSignals(_ calls: Table<Int32>, largestRing: UInt16) throws(Failure) {
    defer { traits.hasInterrupts = interrupts.areConnected }
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

  private mutating func disconnect() {
    interrupts.disconnect()
    traits.hasInterrupts = false
    setVectorsAreOn(false)
  }

  private mutating func setVectorsAreOn(_ on: Bool) {
    guard case .legacy(var legacy) = registers else { return }
    legacy.vectorsAreOn = on
    registers = .legacy(legacy)
  }

  func descriptors(pair: Int) -> BusDescriptors {
    BusDescriptors(
      end: removal.number, change: interrupts.changeDescriptor, sharedInterrupt: interrupts.shared(pair: pair))
  }

  func takeSignals() -> BusSignals { BusSignals(configurationChanged: interrupts.takeChange(causes: takeCauses())) }

  func passInterrupts(pair: Int) { interrupts.pass(pair: pair, causes: takeCauses()) }

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
