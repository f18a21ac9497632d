// SPDX-License-Identifier: BSD-2-Clause
//
// A virtio PCI function, modern or legacy: which of the two it is, the memory it may use, and its interrupts.

import CLinux
import Linux

struct PCIBus {
  private enum Registers {
    case modern(ModernPCI)
    case legacy(LegacyPCI)
  }

  private var registers: Registers
  private let hold: PCIHold
  /// What the device was given, to be taken back.
  private var shared = SharedRegions()
  /// MSI-X vectors connected: 0 is for changes of configuration, n + 1 for queue n.
  private var vectors: UInt32 = 0
  private var configEvent: Int32 = -1

  init(_ target: Text) throws(Failure) {
    hold = try PCIHold(target)
    do throws(Failure) {
      registers = try PCIBus.choose(hold)
    } catch {
      hold.close()
      throw error
    }
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
    return .legacy(try LegacyPCI(hold, capabilities))
  }

  mutating func close() {
    forgetMemory()
    switch registers {
    case .modern(let modern): modern.close()
    case .legacy(let legacy): legacy.close()
    }
    if configEvent >= 0 { _ = sys_close(configEvent) }
  }

  var isLegacy: Bool {
    if case .legacy = registers { return true }
    return false
  }

  var offered: UInt64 {
    switch registers {
    case .modern(let modern): modern.offered
    case .legacy(let legacy): legacy.offered
    }
  }

  func accept(_ features: UInt64) {
    switch registers {
    case .modern(let modern): modern.accept(features)
    case .legacy(let legacy): legacy.accept(features)
    }
  }

  var status: UInt8 {
    switch registers {
    case .modern(let modern): modern.status
    case .legacy(let legacy): legacy.status
    }
  }

  func setStatus(_ status: UInt8) {
    switch registers {
    case .modern(let modern): modern.setStatus(status)
    case .legacy(let legacy): legacy.setStatus(status)
    }
  }

  /// A function that was unplugged reads as all ones.
  var isGone: Bool { status == 0xff }

  var configLength: Int {
    switch registers {
    case .modern(let modern): modern.configLength
    case .legacy(let legacy): legacy.configLength
    }
  }

  func readConfig(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) throws(Failure) {
    switch registers {
    case .modern(let modern): try unsafe modern.readConfig(offset, target, count)
    case .legacy(let legacy): try unsafe legacy.readConfig(offset, target, count)
    }
  }

  func queueSize(_ index: UInt16, _ wanted: UInt16) throws(Failure) -> UInt16 {
    switch registers {
    case .modern(let modern): try modern.queueSize(index, wanted)
    case .legacy(let legacy): try legacy.queueSize(index)
    }
  }

  func setUp(_ ring: RingSetUp) throws(Failure) -> Notifier {
    let vector = UInt32(ring.index) + 1 < vectors ? ring.index + 1 : nil
    switch registers {
    case .modern(let modern): return try modern.setUp(ring, vector: vector)
    case .legacy(let legacy): return try legacy.setUp(ring, vector: vector)
    }
  }

  // MARK: Memory and interrupts

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

  /// Connects the queues' call eventfds, if the function has a vector for each. On a legacy device this comes before
  /// everything else about queues, since it moves the registers.
  mutating func connect(calls: InlineArray<31, Int32>, count: Int) {
    disconnect()
    let available: UInt32
    switch registers {
    case .modern(let modern): available = modern.vectors
    case .legacy(let legacy): available = legacy.vectors
    }
    guard available > UInt32(count), count <= 31 else { return }
    if configEvent < 0 { configEvent = max(sys_eventfd(0), -1) }
    if configEvent < 0 { return }
    var files = InlineArray<32, Int32>(repeating: configEvent)
    for place in 0..<count { files[place + 1] = calls[place] }
    let connected = unsafe withUnsafeBytes(of: &files) { bytes in
      unsafe hold.connectVectors(bytes.baseAddress?.assumingMemoryBound(to: Int32.self), UInt32(count + 1))
    }
    if connected { vectors = UInt32(count + 1) }
    if connected, case .legacy(var legacy) = registers {
      legacy.vectorsAreOn = true
      registers = .legacy(legacy)
    }
  }

  mutating func disconnect() {
    if vectors > 0 { unsafe _ = hold.connectVectors(nil, 0) }
    vectors = 0
    if case .legacy(var legacy) = registers {
      legacy.vectorsAreOn = false
      registers = .legacy(legacy)
    }
  }

  var hasInterrupts: Bool { vectors > 0 || interruptDescriptor >= 0 }

  /// Readable after an interrupt of any kind, where there is but one for all (INTx by UIO); -1 otherwise.
  var interruptDescriptor: Int32 { hold.interruptDescriptor }

  /// Makes the next such interrupt possible: the device's and the kernel's notes of the last are cleared, and the line,
  /// which the kernel has switched off, comes on again (4.1.5.5).
  func rearm() {
    if interruptDescriptor < 0 { return }
    switch registers {
    case .modern(let modern): modern.clearInterrupt()
    case .legacy(let legacy): legacy.clearInterrupt()
    }
    hold.rearmInterrupt()
  }
}
