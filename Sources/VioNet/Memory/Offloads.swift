// SPDX-License-Identifier: BSD-2-Clause
//
// What a packet asks of a device, or a device has done: four numbers that stand in the packet as they do in the
// virtio-net header (virtio 1.4, 5.1.9), and the first two bytes of the header as the low half of the flags.

import CLinux
import CVionet
import Linux
import Virtio

struct Offloads {
  var headerLength: UInt16
  var segmentSize: UInt16
  var checksumStart: UInt16
  var checksumOffset: UInt16

  /// From bytes 2 to 9 of a header.
  @inline(__always)
  init(_ bits: UInt64) {
    headerLength = UInt16(truncatingIfNeeded: bits)
    segmentSize = UInt16(truncatingIfNeeded: bits >> 16)
    checksumStart = UInt16(truncatingIfNeeded: bits >> 32)
    checksumOffset = UInt16(truncatingIfNeeded: bits >> 48)
  }

  @inline(__always) var bits: UInt64 {
    UInt64(headerLength) | UInt64(segmentSize) << 16 | UInt64(checksumStart) << 32 | UInt64(checksumOffset) << 48
  }
}

extension Packet {
  private static var place: Int { 40 }

  var offloads: Offloads {
    @inline(__always) get {
      unsafe Offloads(UnsafeRawPointer(pointer).loadUnaligned(fromByteOffset: Packet.place, as: UInt64.self))
    }
    @inline(__always) nonmutating set {
      unsafe UnsafeMutableRawPointer(pointer).storeBytes(of: newValue.bits, toByteOffset: Packet.place, as: UInt64.self)
    }
  }

  /// Writes the header before the data: what the packet asks for, num_buffers 0, the rest of `size` bytes zero.
  @inline(never)
  func writeHeader(_ size: UInt32) {
    let header = unsafe UnsafeMutableRawPointer(pointer.pointee.data) - Int(size)
    unsafe memset(header, 0, Int(size))
    unsafe header.storeBytes(of: UInt16(truncatingIfNeeded: flags & Offloads.requests), as: UInt16.self)
    if flags & Offloads.requests != 0 {
      unsafe header.storeBytes(of: offloads.bits, toByteOffset: 2, as: UInt64.self)
    }
  }
}

extension Offloads {
  /// Flags of a packet that ask the device for something: NEEDS_CSUM and the segmentation type.
  static let requests: UInt32 = 0xff01
  /// And those that ask us for work.
  static let work: UInt32 = requests | 1 << 16
  @inline(__always) static var needsChecksum: UInt32 { UInt32(NetHeaderFlag.needsChecksum) }
  @inline(__always) static var dataValid: UInt32 { UInt32(NetHeaderFlag.dataValid) }
}
