// SPDX-License-Identifier: BSD-2-Clause
//
// A modern virtio function's registers (virtio 1.4, 4.1.4): each access is one load or store of the field's own width,
// 64-bit fields in two halves. Select and data registers go in pairs; the port's lock keeps others out between them.

import CLinux
import Linux

struct ModernPCI {
  let hold: PCIHold
  private let capabilities: PCICapabilities
  private let mappings: BARMappings
  private let common: Shared
  private let notify: Shared
  private let device: Shared
  private let interruptStatus: Shared

  /// Offsets in struct virtio_pci_common_cfg.
  private enum At {
    static let deviceFeatureSelect = 0
    static let deviceFeature = 4
    static let driverFeatureSelect = 8
    static let driverFeature = 12
    static let queueCount = 18
    static let status = 20
    static let generation = 21
    static let queueSelect = 22
    static let queueSize = 24
    static let queueVector = 26
    static let queueEnable = 28
    static let queueNotifyOffset = 30
    static let descriptors = 32
    static let available = 40
    static let used = 48
  }

  private static let noVector: UInt16 = 0xffff

  init(_ hold: PCIHold, _ capabilities: PCICapabilities) throws(Failure) {
    guard let commonBlock = capabilities.common, let notifyBlock = capabilities.notify,
      let deviceBlock = capabilities.device, let statusBlock = capabilities.interruptStatus
    else {
      throw Failure(ENOTSUP, "the function has no usable capability ").text(capabilities.missing ?? "of any kind")
    }
    self.hold = hold
    self.capabilities = capabilities
    var mappings = BARMappings()
    do throws(Failure) {
      common = try mappings.place(commonBlock, hold)
      notify = try mappings.place(notifyBlock, hold)
      device = try mappings.place(deviceBlock, hold)
      interruptStatus = try mappings.place(statusBlock, hold)
    } catch {
      mappings.unmap()
      throw error
    }
    self.mappings = mappings
  }

  func close() {
    mappings.unmap()
    hold.close()
  }

  /// Reading clears it.
  func clearInterrupt() { _ = interruptStatus.load8(0) }

  var vectors: UInt32 { capabilities.vectors }
  var configLength: Int { Int(clamping: capabilities.device?.length ?? 0) }

  var offered: UInt64 {
    common.store32(At.deviceFeatureSelect, 0)
    let low = common.load32(At.deviceFeature)
    common.store32(At.deviceFeatureSelect, 1)
    return UInt64(low) | UInt64(common.load32(At.deviceFeature)) << 32
  }

  func accept(_ features: UInt64) {
    common.store32(At.driverFeatureSelect, 0)
    common.store32(At.driverFeature, UInt32(truncatingIfNeeded: features))
    common.store32(At.driverFeatureSelect, 1)
    common.store32(At.driverFeature, UInt32(truncatingIfNeeded: features >> 32))
  }

  var status: UInt8 { common.load8(At.status) }
  func setStatus(_ status: UInt8) { common.store8(At.status, status) }

  /// The same bytes twice with the same generation before and after, or an error: a device that changes its mind for
  /// ever is given up (2.5.1).
  func readConfig(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) throws(Failure) {
    if offset + count > configLength { throw Failure(EIO, "the device's configuration ends at ").number(configLength) }
    for _ in 0..<64 {
      let before = common.load8(At.generation)
      for place in 0..<count {
        unsafe target.storeBytes(of: device.load8(offset + place), toByteOffset: place, as: UInt8.self)
      }
      if common.load8(At.generation) == before { return }
    }
    throw Failure(EIO, "the device's configuration changes faster than it can be read")
  }

  /// The ring size to use: what is wished, or the device's limit if that is less. 0 is refused: no such queue.
  func queueSize(_ index: UInt16, _ wanted: UInt16) throws(Failure) -> UInt16 {
    common.store16(At.queueSelect, index)
    let limit = common.load16(At.queueSize)
    if limit == 0 || index >= common.load16(At.queueCount) {
      throw Failure(ENODEV, "the device has no queue ").number(index)
    }
    var size = wanted
    while size > limit { size /= 2 }
    return size
  }

  /// Everything about one ring, its vector and its enabling last (4.1.5.1.3).
  func setUp(_ ring: RingSetUp, vector: UInt16?) throws(Failure) -> Notifier {
    common.store16(At.queueSelect, ring.index)
    common.store16(At.queueSize, ring.size)
    if common.load16(At.queueSize) != ring.size {
      throw Failure(EIO, "queue ").number(ring.index).text(" does not take ").number(ring.size).text(" descriptors")
    }
    store(At.descriptors, ring.descriptors)
    store(At.available, ring.available)
    store(At.used, ring.used)
    common.store16(At.queueVector, vector ?? ModernPCI.noVector)
    if let vector, common.load16(At.queueVector) != vector {
      throw Failure(EBUSY, "queue ").number(ring.index).text(" does not take MSI-X vector ").number(vector)
    }
    let offset = common.load16(At.queueNotifyOffset)
    guard let place = capabilities.notifyPlace(offset) else {
      throw Failure(EIO, "queue ").number(ring.index).text(": its notify offset ").number(offset)
        .text(" lies outside the notify region")
    }
    common.store16(At.queueEnable, 1)
    return .memory(notify.advanced(Int(place)), ring.index)
  }

  private func store(_ at: Int, _ address: UInt64) {
    common.store32(at, UInt32(truncatingIfNeeded: address))
    common.store32(at + 4, UInt32(truncatingIfNeeded: address >> 32))
  }
}

/// BARs mapped so far, each as a whole: structures often share one.
@safe
struct BARMappings {
  private var bases = InlineArray<6, UInt>(repeating: 0)
  private var lengths = InlineArray<6, Int>(repeating: 0)

  /// Where a block lies in memory; its BAR is mapped if it is not yet. The block was checked against the BAR.
  mutating func place(_ block: RegisterBlock, _ hold: PCIHold) throws(Failure) -> Shared {
    if bases[block.bar] == 0 {
      let length = Int(clamping: hold.memoryLength(bar: block.bar))
      let base = try hold.map(bar: block.bar, length: length)
      bases[block.bar] = UInt(base.address)
      lengths[block.bar] = length
    }
    let base = unsafe UnsafeMutableRawPointer(bitPattern: bases[block.bar]).unsafelyUnwrapped
    return unsafe Shared(base + Int(block.offset))
  }

  func unmap() {
    for bar in 0..<6 {
      if let base = unsafe UnsafeMutableRawPointer(bitPattern: bases[bar]) { unsafe _ = sys_unmap(base, lengths[bar]) }
    }
  }
}
