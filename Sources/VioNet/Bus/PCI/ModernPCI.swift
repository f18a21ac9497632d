// SPDX-License-Identifier: BSD-2-Clause
//
// The registers of a modern virtio function (virtio 1.4, 4.1.4). Each access is one load or store of the field's own width;
// 64-bit fields go in two halves. A select register and its data register are two accesses, between which the port's lock
// keeps other threads out.

import CLinux
import Linux
import Virtio

// Safety: the views lie in BARs that `mappings` keeps mapped, in blocks that PCICapabilities checked against the BARs.
struct ModernPCI: ~Copyable {
  private let capabilities: PCICapabilities
  private let mappings: BARMappings
  private let common: Shared
  private let notify: Shared
  private let device: Shared
  private let interruptStatus: Shared

  static let log: StaticString = "pci-modern"

  /// struct virtio_pci_common_cfg
  private enum At {
    static var deviceFeatureSelect: PCIRegister { PCIRegister(0, "device_feature_select") }
    static var deviceFeature: PCIRegister { PCIRegister(4, "device_feature") }
    static var driverFeatureSelect: PCIRegister { PCIRegister(8, "driver_feature_select") }
    static var driverFeature: PCIRegister { PCIRegister(12, "driver_feature") }
    static var configVector: PCIRegister { PCIRegister(16, "config_msix_vector") }
    static var queueCount: PCIRegister { PCIRegister(18, "num_queues") }
    static var status: PCIRegister { PCIRegister(20, "device_status") }
    static let generation = 21
    static var queueSelect: PCIRegister { PCIRegister(22, "queue_select") }
    static var queueSize: PCIRegister { PCIRegister(24, "queue_size") }
    static var queueVector: PCIRegister { PCIRegister(26, "queue_msix_vector") }
    static var queueEnable: PCIRegister { PCIRegister(28, "queue_enable") }
    static var queueNotifyOffset: PCIRegister { PCIRegister(30, "queue_notify_off") }
    static var descriptors: PCIRegister { PCIRegister(32, "queue_desc") }
    static var available: PCIRegister { PCIRegister(40, "queue_driver") }
    static var used: PCIRegister { PCIRegister(48, "queue_device") }
    static var queueNotifyData: PCIRegister { PCIRegister(56, "queue_notif_config_data") }
    static var queueReset: PCIRegister { PCIRegister(58, "queue_reset") }
  }

  init(_ access: borrowing PCIAccess, _ capabilities: PCICapabilities) throws(Failure) {
    guard let commonBlock = capabilities.common, let notifyBlock = capabilities.notify,
      let deviceBlock = capabilities.device, let statusBlock = capabilities.interruptStatus
    else {
      throw Failure(ENOTSUP, "the function has no usable capability ").text(capabilities.missing ?? "of any kind")
    }
    var mappings = BARMappings()
    let common = try mappings.place(commonBlock, access)
    let notify = try mappings.place(notifyBlock, access)
    let device = try mappings.place(deviceBlock, access)
    let interruptStatus = try mappings.place(statusBlock, access)
    self.common = common
    self.notify = notify
    self.device = device
    self.interruptStatus = interruptStatus
    self.capabilities = capabilities
    self.mappings = mappings
  }

  // MARK: Registers

  private func read16(_ register: PCIRegister) -> UInt16 {
    let value = common.load16(register.offset)
    RegisterLog.read(ModernPCI.log, Text(register.name), UInt64(value))
    return value
  }

  private func write16(_ register: PCIRegister, _ value: UInt16) {
    RegisterLog.write(ModernPCI.log, Text(register.name), UInt64(value))
    common.store16(register.offset, value)
  }

  private func write32(_ register: PCIRegister, _ value: UInt32) {
    RegisterLog.write(ModernPCI.log, Text(register.name), UInt64(value))
    common.store32(register.offset, value)
  }

  private func writeAddress(_ register: PCIRegister, _ address: UInt64) {
    RegisterLog.write(ModernPCI.log, Text(register.name), address)
    common.store32(register.offset, UInt32(truncatingIfNeeded: address))
    common.store32(register.offset + 4, UInt32(truncatingIfNeeded: address >> 32))
  }

  // MARK: Status, features, configuration

  /// The device status. Reading it is not logged, since reset() polls it.
  var status: UInt8 { common.load8(At.status.offset) }

  func setStatus(_ status: UInt8) {
    RegisterLog.write(ModernPCI.log, Text(At.status.name), UInt64(status))
    common.store8(At.status.offset, status)
  }

  /// Reads the interrupt status, which clears it. Bit 0 stands for a queue, bit 1 for the configuration (virtio 1.4,
  /// 4.1.4.5).
  func takeInterruptStatus() -> UInt8 { interruptStatus.load8(0) }

  var vectors: UInt32 { capabilities.vectors }

  /// The 32 feature bits from 32 * `word` on that the device offers.
  func offered(word: UInt32) -> UInt32 {
    write32(At.deviceFeatureSelect, word)
    let value = common.load32(At.deviceFeature.offset)
    RegisterLog.read(ModernPCI.log, Text(At.deviceFeature.name), UInt64(value))
    return value
  }

  func accept(_ features: UInt32, word: UInt32) {
    write32(At.driverFeatureSelect, word)
    write32(At.driverFeature, features)
  }

  var configLength: Int { Int(clamping: capabilities.device?.length ?? 0) }

  /// Reads until the generation count is the same before and after (virtio 1.4, 2.5.1). A device that never stops changing
  /// its configuration is an error.
  func readConfig(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) throws(Failure) {
    RegisterLog.read(ModernPCI.log, Text("config"), UInt64(offset), UInt64(count))
    if offset + count > configLength { throw Failure(EIO, "the device's configuration ends at ").number(configLength) }
    for _ in 0..<64 {
      let before = common.load8(At.generation)
      unsafe copyConfig(offset, target, count)
      if common.load8(At.generation) == before { return }
    }
    throw Failure(EIO, "the device's configuration changes faster than it can be read")
  }

  /// Reads a field of two or four bytes in one access of that width, and anything else by bytes (virtio 1.4, 4.1.3.1).
  private func copyConfig(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) {
    if count == 2 && offset % 2 == 0 {
      unsafe target.storeBytes(of: device.load16(offset), as: UInt16.self)
    } else if count == 4 && offset % 4 == 0 {
      unsafe target.storeBytes(of: device.load32(offset), as: UInt32.self)
    } else {
      for place in 0..<count {
        unsafe target.storeBytes(of: device.load8(offset + place), toByteOffset: place, as: UInt8.self)
      }
    }
  }

  // MARK: Queues

  /// Announces changes of the configuration by this vector.
  func setConfigVector(_ vector: UInt16) throws(Failure) {
    write16(At.configVector, vector)
    try PCIInterrupts.checkVector(read16(At.configVector), vector, queue: nil)
  }

  /// The ring size to use: `wanted`, halved until it is within the device's limit. A limit of 0 means that there is no such
  /// queue.
  func queueSize(_ index: UInt16, _ wanted: UInt16) throws(Failure) -> UInt16 {
    write16(At.queueSelect, index)
    let limit = read16(At.queueSize)
    if limit == 0 || index >= common.load16(At.queueCount.offset) {
      throw Failure(ENODEV, "the device has no queue ").number(index)
    }
    var size = wanted
    while size > limit { size /= 2 }
    return size
  }

  /// Describes one ring and enables it last (virtio 1.4, 4.1.5.1.3).
  func setUp(_ ring: RingSetUp, vector: UInt16?, _ features: UInt64) throws(Failure) -> Notifier {
    let withData = features & Feature.notificationData != 0
    write16(At.queueSelect, ring.index)
    write16(At.queueSize, ring.size)
    if common.load16(At.queueSize.offset) != ring.size {  // tested by abi-pci-resets
      throw Failure(EIO, "queue ").number(ring.index).text(" does not take ").number(ring.size).text(" descriptors")
    }
    writeAddress(At.descriptors, ring.descriptors)
    writeAddress(At.available, ring.available)
    writeAddress(At.used, ring.used)
    write16(At.queueVector, vector ?? PCIInterrupts.noVector)
    if let vector { try PCIInterrupts.checkVector(read16(At.queueVector), vector, queue: ring.index) }
    let offset = read16(At.queueNotifyOffset)
    guard let place = capabilities.notifyPlace(offset, bytes: withData ? 4 : 2) else {
      throw Failure(EIO, "queue ").number(ring.index).text(": its notify offset ").number(offset)
        .text(" lies outside the notify region")
    }
    // Only the device knows what the number means (virtio 1.4, 4.1.5.2).
    let number = features & Feature.notificationNumber != 0 ? read16(At.queueNotifyData) : ring.index
    write16(At.queueEnable, 1)
    let register = notify.advanced(Int(place))
    return withData ? .memoryWithData(register, number) : .memory(register, number)
  }

  /// True if NOTIF_CONFIG_DATA can be accepted: the register for it exists.
  var givesNotificationNumbers: Bool { (capabilities.common?.length ?? 0) >= UInt32(At.queueNotifyData.offset + 2) }

  /// True if RING_RESET can be accepted: the register for it exists.
  var resetsQueues: Bool { (capabilities.common?.length ?? 0) >= UInt32(At.queueReset.offset + 2) }

  /// Waits until the device has let go of the queue (virtio 1.4, 4.1.4.3.2).
  func resetQueue(_ index: UInt16, by end: Deadline) throws(Failure) {
    write16(At.queueSelect, index)
    write16(At.queueReset, 1)
    let deadline = Deadline(milliseconds: 3000, within: end)
    while common.load16(At.queueReset.offset) != 0 {
      if status == 0xff { throw Failure(ENODEV, "the device is gone: its registers read as all ones") }
      if deadline.hasPassed { throw Failure(ETIMEDOUT, "the device did not reset queue ").number(index) }
      sys_sleep_microseconds(20)
    }
  }

  /// True if NOTIFICATION_DATA can be accepted: a notification has room for 32 bits (virtio 1.4, 4.1.4.4).
  var takesNotificationData: Bool { capabilities.notifyPlace(0, bytes: 4) != nil }
}
