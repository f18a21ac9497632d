// SPDX-License-Identifier: BSD-2-Clause
//
// A virtio PCI function. It has modern or legacy registers, and is given memory and interrupts the same way in either case.

import CLinux
import Linux
import Virtio

// Safety: pointers are passed on to the registers, which check the range that they stand for.
struct PCITransport: Transport, ~Copyable {
  private(set) var registers: PCIRegisters
  private(set) var access: PCIAccess
  private let addressing: PCIAddressing
  private(set) var traits = BusTraits()
  var deadline = Deadline.never
  private(set) var accepted: UInt64 = 0
  /// Memory that the device was given and that has to be taken back.
  private var shared = SharedRegions()
  private var interrupts = PCIInterrupts()
  /// Readable when the function is about to be unplugged.
  private var removal = File.none

  static func open(_ request: inout OpenRequest) throws(Failure) -> Bus {
    let function = try PCIFunction(try PCIAddress(parsing: request.address.target))
    let access = try PCIAccess.open(function, request.pci)
    let registers = try PCIRegisters.choose(access, isTransitional: function.isTransitional)
    let addressing = PCIAddressing(request.pci.addresses, access)
    var transport = PCITransport(access, registers, addressing)
    transport.fillTraits()
    transport.readOffered()
    try addressing.check(function.address, offered: transport.traits.offered)
    transport.watchRemoval()
    return try Bus(transport)
  }

  private init(_ access: consuming PCIAccess, _ registers: consuming PCIRegisters, _ addressing: PCIAddressing) {
    self.access = access
    self.registers = registers
    self.addressing = addressing
  }

  /// Asks to be told of a removal. If that does not work, a removal shows when registers read as all ones.
  private mutating func watchRemoval() {
    removal = File.eventIfPossible()
    access.watchRemoval(removal.number)
  }

  /// Lets go of the function before its memory is unmapped and given back, so that it cannot write there any more.
  mutating func close() {
    if registers.isNone { return }
    interrupts.close(access)
    traits.hasInterrupts = false
    registers = .none
    access.close()
    removal.close()
    forgetMemory()
    access.leave()
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
      traits.givesNotificationNumbers = modern.givesNotificationNumbers
    case .legacy(let legacy):
      traits.registerLayout = .legacy
      traits.configLength = legacy.configLength
    case .none: break
    }
  }

  /// Reads the offered features again; a legacy device has 32 of them (virtio 1.4, 4.1.4.10).
  mutating func readOffered() {
    switch registers {
    case .modern(let modern):
      traits.offered = UInt64(modern.offered(word: 0)) | UInt64(modern.offered(word: 1)) << 32
      traits.offeredAbove = UInt64(modern.offered(word: 2)) | UInt64(modern.offered(word: 3)) << 32
    case .legacy(let legacy): traits.offered = UInt64(legacy.offered)
    case .none: break
    }
    traits.addressing = addressing.kind(offered: traits.offered)
  }

  /// Accepts features. Bits above 63 are written only if there are any: an older device may not know their select values.
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

  /// The status, or all ones if the function is gone. Not logged, since reset() polls it.
  var quietStatus: UInt8 {
    switch registers {
    case .modern(let modern): modern.status
    case .legacy(let legacy): legacy.status
    case .none: 0xff
    }
  }

  /// The status, with a line in the log.
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

  /// True also if the function is about to be unplugged: the kernel waits until we let go of it.
  var isGone: Bool { access.isRevoked || isAbsent || removal.borrowed.isReadable }
  var isAbsent: Bool { quietStatus == 0xff }

  func readConfig(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) throws(Failure) {
    switch registers {
    case .modern(let modern): try unsafe modern.readConfig(offset, target, count)
    case .legacy(let legacy): try unsafe legacy.readConfig(offset, target, count)
    case .none: throw PCITransport.letGo()
    }
  }

  /// Writes the configuration of a legacy device (virtio 1.4, 5.1.4.2).
  func writeConfig(_ offset: Int, _ source: UnsafeRawPointer, _ count: Int) {
    switch registers {
    case .legacy(let legacy): unsafe legacy.writeConfig(offset, source, count)
    case .modern: break
    case .none: break
    }
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
      return try modern.setUp(ring, vector: vector, accepted)
    case .legacy(let legacy): return try legacy.setUp(ring, vector: vector)
    case .none: throw PCITransport.letGo()
    }
  }

  func resetQueue(_ index: UInt16, isPacked: Bool) throws(Failure) {
    switch registers {
    case .modern(let modern): try modern.resetQueue(index, by: deadline)
    case .legacy: break
    case .none: break
    }
  }

  // MARK: Memory

  mutating func share(_ regions: SharedRegions) throws(Failure) {
    for index in 0..<regions.count {
      try access.share(regions[index].address, regions[index].length)
      _ = shared.add(regions[index])
    }
  }

  /// Takes the memory back. Call only after a reset, since the device may write to it until then.
  mutating func forgetMemory() {
    for index in 0..<shared.count { access.unshare(shared[index].address, shared[index].length) }
    shared = SharedRegions()
  }

  // MARK: Interrupts

  /// Connects vectors for the configuration and the queues. Comes before anything else about queues, since it moves the
  /// registers of a legacy device.
  mutating func connectSignals(_ calls: Table<Int32>, largestRing: UInt16) throws(Failure) {
    defer { traits.hasInterrupts = interrupts.areConnected }
    try interrupts.connect(access, available: registers.vectors, calls: calls)
    if Log.wanted(.info) { Log.line("pci:").number(interrupts.plan.count).text("vectors connected").send(.info) }
    if interrupts.plan.count == 0 { return }
    registers.setVectorsAreOn(true)
    switch registers {
    case .modern(let modern): try modern.setConfigVector(0)
    case .legacy(let legacy): try legacy.setConfigVector(0)
    case .none: break
    }
  }

  mutating func disconnect() {
    interrupts.disconnect(access)
    traits.hasInterrupts = false
    registers.setVectorsAreOn(false)
  }

  func descriptors(pair: Int) -> BusDescriptors {
    BusDescriptors(
      end: removal.number, change: interrupts.changeDescriptor, sharedInterrupt: interrupts.shared(pair: pair),
      sharesCall: !interrupts.plan.isOwnPerQueue)
  }

  func takeSignals() -> BusSignals {
    BusSignals(configurationChanged: interrupts.takeChange(causes: takeCauses(), access))
  }

  func passInterrupts(pair: Int) { interrupts.pass(pair: pair, causes: takeCauses(), access) }

  /// Reads, and thereby clears, the causes of an interrupt that has no vector to tell.
  private func takeCauses() -> UInt8 {
    if interrupts.line < 0 { return 0 }
    switch registers {
    case .modern(let modern): return modern.takeInterruptStatus()
    case .legacy(let legacy): return legacy.takeInterruptStatus()
    case .none: return 0
    }
  }
}
