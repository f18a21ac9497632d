// SPDX-License-Identifier: BSD-2-Clause
//
// The capabilities of a virtio function (virtio 1.4, 4.1.4), which say in which BAR its registers are. The bytes come from
// the device: the list may loop, and capabilities may be cut short or point beyond their BAR. The first capability of each
// kind that fits is used, and the others are ignored.

import CLinux
import Linux

/// The 256 bytes of configuration space, as they were read.
struct ConfigurationSpace {
  private var bytes = InlineArray<256, UInt8>(repeating: 0xff)

  /// Fills the bytes by `read`, which returns false if it cannot.
  // Safety: `read` gets the array and its length.
  init(_ read: (UnsafeMutableRawPointer, Int) -> Bool) throws(Failure) {
    let isRead = unsafe withUnsafeMutableBytes(of: &bytes) { room in
      unsafe read(room.baseAddress.unsafelyUnwrapped, room.count)
    }
    if !isRead { throw Failure(EIO, "the PCI configuration space cannot be read") }
    if ConfigurationSpace.isAbsent(status: word(Int(PCI_STATUS))) {  // tested by fuzz-pci-space
      throw Failure(ENODEV, "the PCI function's configuration space is all ones: it is switched off or gone")
    }
  }

  /// True for all ones, which the bus answers if no function does. Two bits of the register are always zero (PCI Express,
  /// Status Register). Vendor and device tell nothing: those of a virtual function are all ones (PCI Express, SR-IOV,
  /// Vendor ID), and VFIO shows a function's own even when it is gone.
  static func isAbsent(status: UInt16) -> Bool { status == .max }

  /// Bytes beyond the end read as all ones, as on a PCI bus.
  func byte(_ at: Int) -> UInt8 { at >= 0 && at < 256 ? bytes[at] : 0xff }
  func word(_ at: Int) -> UInt16 { UInt16(byte(at)) | UInt16(byte(at + 1)) << 8 }
  func long(_ at: Int) -> UInt32 { UInt32(word(at)) | UInt32(word(at + 2)) << 16 }
}

/// The place of a structure of registers.
struct RegisterBlock {
  var bar: Int
  var offset: UInt32
  var length: UInt32
}

struct PCICapabilities {
  var common: RegisterBlock?
  var notify: RegisterBlock?
  var notifyMultiplier: UInt32 = 0
  var interruptStatus: RegisterBlock?
  var device: RegisterBlock?
  /// Vectors in the MSI-X table; 0 if there is no table.
  var vectors: UInt32 = 0
  var vectorsAreOn = false

  // Bytes that each structure has at least.
  private static let commonBytes: UInt32 = 56
  private static let notifyBytes: UInt32 = 2
  private static let statusBytes: UInt32 = 1
  private static let deviceBytes: UInt32 = 6

  /// `lengthOfBAR` says how many bytes of memory a BAR has.
  init(_ space: ConfigurationSpace, lengthOfBAR: (Int) -> UInt64) {
    // Bit 4 of the status register: there is a list at all.
    if space.word(Int(PCI_STATUS)) & UInt16(PCI_STATUS_CAP_LIST) == 0 { return }  // tested by CapabilityTests
    var at = Int(space.byte(Int(PCI_CAPABILITY_LIST)) & 0xfc)
    // 192 bytes hold at most 48 capabilities of 4 bytes, so a longer list loops.
    var left = 48
    while at >= 0x40 && left > 0 {
      switch Int32(space.byte(at)) {
      case PCI_CAP_ID_MSIX: readVectors(space, at)
      case PCI_CAP_ID_VNDR: readVendor(space, at, lengthOfBAR)
      default: break
      }
      at = Int(space.byte(at + 1) & 0xfc)
      left -= 1
    }
  }

  var isModern: Bool { missing == nil }

  /// The first structure that a modern device must have and this one lacks.
  var missing: StaticString? {
    if common == nil { return "COMMON_CFG" }
    if notify == nil { return "NOTIFY_CFG" }
    if interruptStatus == nil { return "ISR_CFG" }
    return device == nil ? "DEVICE_CFG" : nil
  }

  private mutating func readVectors(_ space: ConfigurationSpace, _ at: Int) {
    // The capability has 12 bytes, with the places of its two tables.
    if vectors != 0 || at + 12 > 256 { return }  // tested by CapabilityTests
    let flags = space.word(at + 2)
    vectors = UInt32(flags & 0x7ff) + 1
    vectorsAreOn = flags & UInt16(PCI_MSIX_FLAGS_ENABLE) != 0
  }

  private mutating func readVendor(_ space: ConfigurationSpace, _ at: Int, _ lengthOfBAR: (Int) -> UInt64) {
    // A capability that is too short for its length field, or ends beyond the space, is ignored.
    let size = Int(space.byte(at + 2))
    if size < 16 || at + size > 256 { return }  // tested by fuzz-pci-space
    let block = RegisterBlock(bar: Int(space.byte(at + 4)), offset: space.long(at + 8), length: space.long(at + 12))
    func fits(_ least: UInt32, aligned: UInt32) -> Bool {
      // tested by fuzz-pci-space
      if block.bar > 5 || block.length < least || block.offset % aligned != 0 { return false }
      let bar = lengthOfBAR(block.bar)
      return UInt64(block.offset) <= bar && UInt64(block.length) <= bar - UInt64(block.offset)
    }
    switch Int32(space.byte(at + 3)) {
    case VIRTIO_PCI_CAP_COMMON_CFG where common == nil && fits(PCICapabilities.commonBytes, aligned: 4): common = block
    case VIRTIO_PCI_CAP_NOTIFY_CFG where notify == nil && size >= 20 && fits(PCICapabilities.notifyBytes, aligned: 2):
      notify = block
      notifyMultiplier = space.long(at + 16)
    case VIRTIO_PCI_CAP_ISR_CFG where interruptStatus == nil && fits(PCICapabilities.statusBytes, aligned: 1):
      interruptStatus = block
    case VIRTIO_PCI_CAP_DEVICE_CFG where device == nil && fits(PCICapabilities.deviceBytes, aligned: 4): device = block
    default: break
    }
  }

  /// The place in the notify region of the register that signals a queue with this offset; nil if its `bytes` lie outside or
  /// are not aligned.
  func notifyPlace(_ offset: UInt16, bytes: UInt64 = 2) -> UInt64? {
    guard let notify else { return nil }
    let place = UInt64(offset) * UInt64(notifyMultiplier)
    return place + bytes <= UInt64(notify.length) && (UInt64(notify.offset) + place) % bytes == 0 ? place : nil
  }
}
