// SPDX-License-Identifier: BSD-2-Clause
//
// The registers of a device before virtio 1.0 (virtio 1.4, 4.1.4.10): a header of I/O ports in BAR 0, the device's
// configuration behind it, at 24 while MSI-X is on and at 20 otherwise. Ports are reached by reads and writes of a
// file, which VFIO and sysfs both offer; none is on a packet's road but the notification.

import CLinux
import Linux

struct LegacyPCI {
  let hold: PCIHold
  private let file: Int32
  private let base: UInt64
  private let length: Int
  let vectors: UInt32
  /// MSI-X is on: the configuration has moved.
  var vectorsAreOn: Bool

  private enum At {
    static let deviceFeatures = 0
    static let driverFeatures = 4
    static let queueAddress = 8
    static let queueSize = 12
    static let queueSelect = 14
    static let queueNotify = 16
    static let status = 18
    static let interruptStatus = 19
    static let queueVector = 22
  }

  init(_ hold: PCIHold, _ capabilities: PCICapabilities) throws(Failure) {
    self.hold = hold
    let ports = try hold.openPorts()
    file = ports.file.number
    base = ports.offset
    length = ports.length
    vectors = capabilities.vectors
    vectorsAreOn = capabilities.vectorsAreOn
    if length < 24 {
      _ = sys_close(file)
      throw Failure(EIO, "BAR 0 has only ").number(length).text(" ports")
    }
  }

  func close() {
    _ = sys_close(file)
    hold.close()
  }

  private func load<Value: FixedWidthInteger>(_ at: Int, _: Value.Type) -> Value {
    // What cannot be read reads as all ones, as from a device that is gone.
    var value = Value.max
    unsafe _ = sys_pread(file, &value, MemoryLayout<Value>.size, base + UInt64(at))
    return value
  }

  private func store<Value: FixedWidthInteger>(_ at: Int, _ value: Value) {
    var value = value
    unsafe _ = sys_pwrite(file, &value, MemoryLayout<Value>.size, base + UInt64(at))
  }

  var offered: UInt64 { UInt64(load(At.deviceFeatures, UInt32.self)) }
  func accept(_ features: UInt64) { store(At.driverFeatures, UInt32(truncatingIfNeeded: features)) }
  var status: UInt8 { load(At.status, UInt8.self) }
  func setStatus(_ status: UInt8) { store(At.status, status) }

  /// Reading clears it.
  func clearInterrupt() { _ = load(At.interruptStatus, UInt8.self) }

  private var configStart: Int { vectorsAreOn ? 24 : 20 }
  var configLength: Int { max(0, length - configStart) }

  /// There is no generation: what is read twice alike is believed (2.5.4).
  func readConfig(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) throws(Failure) {
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

  /// A legacy device says how large its rings are; wishes do not count.
  func queueSize(_ index: UInt16) throws(Failure) -> UInt16 {
    store(At.queueSelect, index)
    let size = load(At.queueSize, UInt16.self)
    if size == 0 || size > 32768 { throw Failure(ENODEV, "the device has no queue ").number(index) }
    if size & (size - 1) != 0 {
      throw Failure(EINVAL, "queue ").number(index).text(" has ").number(size).text(" descriptors, not a power of two")
    }
    return size
  }

  func setUp(_ ring: RingSetUp, vector: UInt16?) throws(Failure) -> Notifier {
    // The page number has 32 bits, the address so 44.
    if ring.descriptors >> 44 != 0 || ring.descriptors & 0xfff != 0 {
      throw Failure(EINVAL, "a legacy device cannot reach a ring at ").hex(ring.descriptors)
    }
    store(At.queueSelect, ring.index)
    if vectorsAreOn {
      store(At.queueVector, vector ?? 0xffff)
      if let vector, load(At.queueVector, UInt16.self) != vector {
        throw Failure(EBUSY, "queue ").number(ring.index).text(" does not take MSI-X vector ").number(vector)
      }
    }
    store(At.queueAddress, UInt32(truncatingIfNeeded: ring.descriptors >> 12))
    return .port(file, base + UInt64(At.queueNotify), ring.index)
  }
}
