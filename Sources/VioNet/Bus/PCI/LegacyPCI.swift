// SPDX-License-Identifier: BSD-2-Clause
//
// The registers of a device from before virtio 1.0 (virtio 1.4, 4.1.4.10): a header of I/O ports in BAR 0, followed by the
// device's configuration, which starts at 24 while MSI-X is on and at 20 otherwise. VFIO and sysfs both offer the ports as
// a file to read and write. Bursts use only one of them, the notification.

import CLinux
import Linux

// Safety: each access reads or writes the few bytes of a local value, or of a buffer that its caller sized.
struct LegacyPCI: ~Copyable {
  private let file: File
  private let base: UInt64
  private let length: Int
  let vectors: UInt32
  /// True while MSI-X is on, which moves the configuration.
  var vectorsAreOn: Bool

  static let log: StaticString = "pci-legacy"

  private enum At {
    static var deviceFeature: PCIRegister { PCIRegister(0, "device_feature") }
    static var driverFeature: PCIRegister { PCIRegister(4, "driver_feature") }
    static var queueAddress: PCIRegister { PCIRegister(8, "queue_address") }
    static var queueSize: PCIRegister { PCIRegister(12, "queue_size") }
    static var queueSelect: PCIRegister { PCIRegister(14, "queue_select") }
    static let queueNotify = 16
    static var status: PCIRegister { PCIRegister(18, "device_status") }
    static let interruptStatus = 19
    // These two exist only while MSI-X is on.
    static var configVector: PCIRegister { PCIRegister(20, "config_msix_vector") }
    static var queueVector: PCIRegister { PCIRegister(22, "queue_msix_vector") }
  }

  init(_ ports: consuming PCIPorts, _ capabilities: PCICapabilities) throws(Failure) {
    // tested by LegacyRegisterTests
    if ports.length < 24 { throw Failure(EIO, "BAR 0 has only ").number(ports.length).text(" ports") }
    base = ports.offset
    length = ports.length
    file = ports.file
    vectors = capabilities.vectors
    vectorsAreOn = capabilities.vectorsAreOn
  }

  // MARK: Registers

  private func load<Value: FixedWidthInteger>(_ at: Int, _: Value.Type) -> Value {
    // If the read fails the value stays all ones, which is what a device that is gone reads as.
    var value = Value.max
    unsafe _ = sys_pread(file.number, &value, MemoryLayout<Value>.size, base + UInt64(at))
    return value
  }

  private func read16(_ register: PCIRegister) -> UInt16 {
    let value = load(register.offset, UInt16.self)
    RegisterLog.read(LegacyPCI.log, Text(register.name), UInt64(value))
    return value
  }

  private func write<Value: FixedWidthInteger & UnsignedInteger>(_ register: PCIRegister, _ value: Value) {
    var value = value
    RegisterLog.write(LegacyPCI.log, Text(register.name), UInt64(value))
    unsafe _ = sys_pwrite(file.number, &value, MemoryLayout<Value>.size, base + UInt64(register.offset))
  }

  // MARK: Status, features, configuration

  var offered: UInt32 {
    let value = load(At.deviceFeature.offset, UInt32.self)
    RegisterLog.read(LegacyPCI.log, Text(At.deviceFeature.name), UInt64(value))
    return value
  }

  func accept(_ features: UInt32) { write(At.driverFeature, features) }

  /// The device status. Reading it is not logged, since reset() polls it.
  var status: UInt8 { load(At.status.offset, UInt8.self) }
  func setStatus(_ status: UInt8) { write(At.status, status) }

  /// Reads the interrupt status, which clears it. Bit 0 stands for a queue, bit 1 for the configuration.
  func takeInterruptStatus() -> UInt8 { load(At.interruptStatus, UInt8.self) }

  private var configStart: Int { vectorsAreOn ? 24 : 20 }
  var configLength: Int { max(0, length - configStart) }

  /// Reads until two reads agree: a legacy device has no generation count (virtio 1.4, 2.5.4).
  func readConfig(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) throws(Failure) {
    RegisterLog.read(LegacyPCI.log, Text("config"), UInt64(offset), UInt64(count))
    // tested by PCITests
    if offset + count > configLength { throw Failure(EIO, "the device's configuration ends at ").number(configLength) }
    for _ in 0..<64 {
      var same = true
      for place in 0..<count {
        unsafe target.storeBytes(
          of: load(configStart + offset + place, UInt8.self), toByteOffset: place, as: UInt8.self)
      }
      for place in 0..<count {
        let again = load(configStart + offset + place, UInt8.self)
        if unsafe target.load(fromByteOffset: place, as: UInt8.self) != again { same = false }
      }
      if same { return }
    }
    throw Failure(EIO, "the device's configuration changes faster than it can be read")
  }

  /// Writes byte by byte, as readConfig() reads.
  func writeConfig(_ offset: Int, _ source: UnsafeRawPointer, _ count: Int) {
    for place in 0..<count {
      let byte = unsafe source.load(fromByteOffset: place, as: UInt8.self)
      write(PCIRegister(configStart + offset + place, "config"), byte)
    }
  }

  // MARK: Queues

  /// Announces changes of the configuration by this vector. Call only while MSI-X is on.
  func setConfigVector(_ vector: UInt16) throws(Failure) {
    write(At.configVector, vector)
    try PCIInterrupts.checkVector(read16(At.configVector), vector, queue: nil)
  }

  /// The size of a ring, which a legacy device dictates.
  func queueSize(_ index: UInt16) throws(Failure) -> UInt16 {
    write(At.queueSelect, index)
    let size = read16(At.queueSize)
    if size == 0 || size > 32768 { throw Failure(ENODEV, "the device has no queue ").number(index) }
    if size & (size - 1) != 0 {
      throw Failure(EINVAL, "queue ").number(index).text(" has ").number(size).text(" descriptors, not a power of two")
    }
    return size
  }

  func setUp(_ ring: RingSetUp, vector: UInt16?) throws(Failure) -> Notifier {
    // The register takes a page number of 32 bits, so an address has 44.
    if ring.descriptors >> 44 != 0 || ring.descriptors & 0xfff != 0 {  // tested by PCITests
      throw Failure(EINVAL, "a legacy device cannot reach a ring at ").hex(ring.descriptors)
    }
    write(At.queueSelect, ring.index)
    if vectorsAreOn {
      write(At.queueVector, vector ?? PCIInterrupts.noVector)
      if let vector { try PCIInterrupts.checkVector(read16(At.queueVector), vector, queue: ring.index) }
    }
    write(At.queueAddress, UInt32(truncatingIfNeeded: ring.descriptors >> 12))
    return .port(file.number, base + UInt64(At.queueNotify), ring.index)
  }
}
