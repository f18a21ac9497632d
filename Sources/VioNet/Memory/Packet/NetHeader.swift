// SPDX-License-Identifier: BSD-2-Clause
//
// The virtio-net header (virtio 1.4, 5.1.9), which lies in the headroom before a packet's data. Its four offload
// fields are in the packet as they are in the header, and its first two bytes are the low half of the packet's flags.

import CLinux
import CVionet
import Linux
import Virtio

struct Offloads {
  var headerLength: UInt16
  var segmentSize: UInt16
  var checksumStart: UInt16
  var checksumOffset: UInt16

  /// Takes bytes 2 to 9 of a header.
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

  /// Flags of a packet that ask the device for something: NEEDS_CSUM and the segmentation type.
  static let requests: UInt32 = 0xff01
  /// Flags of a packet to be cut that lies in a UDP tunnel: the kind of tunnel.
  @inline(__always) static var tunnels: UInt32 { UInt32(Segmentation.tunnels) << 8 }
  @inline(__always) static var tunnelChecksum: UInt32 { UInt32(NetHeaderFlag.tunnelChecksum) }
  /// Flags of a packet that ask the device or the driver for something.
  static let work: UInt32 = requests | VIONET_PACKET_VLAN.rawValue
  @inline(__always) static var needsChecksum: UInt32 { UInt32(NetHeaderFlag.needsChecksum) }
  @inline(__always) static var dataValid: UInt32 { UInt32(NetHeaderFlag.dataValid) }
}

// Safety: the offload fields have eight bytes; a packet whose header is written was checked to have the headroom for
// the longest one (PoolView.holds, PoolView.covers).
extension Packet {
  /// Bytes of the longest header, the one with the offsets of a tunnel (virtio 1.4, 5.1.9).
  @inline(__always) static var longestHeader: UInt32 { UInt32(NetHeaderLayout.bytesWithTunnel) }

  var offloads: Offloads {
    @inline(__always) get {
      unsafe Offloads(UnsafeRawPointer(pointer).loadUnaligned(fromByteOffset: Offset.offloads, as: UInt64.self))
    }
    @inline(__always) nonmutating set {
      unsafe UnsafeMutableRawPointer(pointer).storeBytes(
        of: newValue.bits, toByteOffset: Offset.offloads, as: UInt64.self)
    }
  }

  /// Writes a header of `size` bytes at `address`, which lies in the packet's own buffer: what the packet asks for,
  /// num_buffers 0, the rest zero. `tunnel`: its offsets, of a packet that allow() let ask for segments in one.
  @inline(never)
  func writeHeader(_ size: UInt32, at address: UInt, _ tunnel: TunnelOffsets?) {
    let header = unsafe UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped
    unsafe memset(header, 0, Int(size))
    unsafe header.storeBytes(of: UInt16(truncatingIfNeeded: flags & Offloads.requests), as: UInt16.self)
    if flags & Offloads.requests != 0 {
      unsafe header.storeBytes(of: offloads.bits, toByteOffset: NetHeaderLayout.headerLength, as: UInt64.self)
    }
    guard let tunnel, size >= UInt32(NetHeaderLayout.bytesWithTunnel) else { return }
    let bits = flags & (Offloads.requests | Offloads.tunnelChecksum)
    unsafe header.storeBytes(of: UInt16(truncatingIfNeeded: bits), as: UInt16.self)
    unsafe header.storeBytes(of: tunnel.outerTransport, toByteOffset: NetHeaderLayout.outerTransport, as: UInt16.self)
    unsafe header.storeBytes(of: tunnel.innerNetwork, toByteOffset: NetHeaderLayout.innerNetwork, as: UInt16.self)
  }

  /// Zeroes the 24 bytes where any header lies, for a frame that asks for nothing. Bytes that are zero already are not
  /// written, so that the line stays in the device's cache.
  @inline(__always)
  func clearHeader() {
    let header = unsafe UnsafeMutableRawPointer(pointer.pointee.data) - 24
    let words = unsafe header.loadUnaligned(as: UInt64.self) | (header + 8).loadUnaligned(as: UInt64.self)
    let last = unsafe (header + 16).loadUnaligned(as: UInt64.self)
    if words | last == 0 { return }
    unsafe header.storeBytes(of: 0, as: UInt64.self)
    unsafe header.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
    unsafe header.storeBytes(of: 0, toByteOffset: 16, as: UInt64.self)
  }

  /// Zeroes the 12 bytes where a header without a hash lies, as clearHeader() does.
  @inline(__always)
  func clearShortHeader() {
    let header = unsafe UnsafeMutableRawPointer(pointer.pointee.data) - 12
    let words = unsafe header.loadUnaligned(as: UInt64.self) | (header + 4).loadUnaligned(as: UInt64.self)
    if words == 0 { return }
    unsafe header.storeBytes(of: 0, as: UInt64.self)
    unsafe header.storeBytes(of: 0, toByteOffset: 4, as: UInt64.self)
  }
}
