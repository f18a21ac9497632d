// SPDX-License-Identifier: BSD-2-Clause
//
// The driver's view of a public packet, one cache line. The caller owns the fields of a packet it holds and may write
// nonsense into them: what the driver believes of them is what it has checked in PacketPool.
//
// A packet at home in its pool always has: no next, one segment, one reference, no flags, VIONET_HEADROOM of headroom.

import CLinux
import CVionet
import Linux

/// Who holds a packet.
enum Owner {
  static let pool: UInt8 = 0
  static let caller: UInt8 = 1
  static let ring: UInt8 = 2
}

@safe
struct Packet {
  /// A packet struct is one cache line.
  static let bytes = 64

  let pointer: UnsafeMutablePointer<vionet_packet>

  @inline(__always)
  init(_ pointer: UnsafeMutablePointer<vionet_packet>) { unsafe self.pointer = pointer }

  @inline(__always) var address: UInt { unsafe UInt(bitPattern: pointer) }
  @inline(__always) var dataAddress: UInt { unsafe UInt(bitPattern: pointer.pointee.data) }
  /// Where the device finds the buffer, headroom and all.
  @inline(__always) var deviceBuffer: UInt64 { unsafe pointer.pointee.device_address }
  /// Where the device finds the data of a packet at home, whose headroom nobody has changed.
  @inline(__always) var deviceAddressAtHome: UInt64 { deviceBuffer &+ UInt64(VIONET_HEADROOM) }
  @inline(__always) var length: UInt32 { unsafe pointer.pointee.length }
  @inline(__always) var totalLength: UInt32 {
    get { unsafe pointer.pointee.total_length }
    nonmutating set { unsafe pointer.pointee.total_length = newValue }
  }
  @inline(__always) var flags: UInt32 {
    get { unsafe pointer.pointee.flags }
    nonmutating set { unsafe pointer.pointee.flags = newValue }
  }
  @inline(__always) var segments: UInt16 { unsafe pointer.pointee.segments }
  @inline(__always) var references: UInt16 { unsafe pointer.pointee.references }
  @inline(__always) var headroom: UInt16 { unsafe pointer.pointee.headroom }
  @inline(__always) var pool: UInt8 { unsafe pointer.pointee.pool }
  @inline(__always) var next: Packet? {
    get {
      guard let next = unsafe pointer.pointee.next else { return nil }
      return unsafe Packet(next)
    }
    nonmutating set { unsafe pointer.pointee.next = newValue?.pointer }
  }

  @inline(__always) var owner: UInt8 {
    get { unsafe pointer.pointee.owner }
    nonmutating set { unsafe pointer.pointee.owner = newValue }
  }

  /// References, pool and owner, the last four bytes, as one number: what has to be true of all three is one
  /// comparison.
  @inline(__always) var holding: UInt32 {
    unsafe UnsafeRawPointer(pointer).load(fromByteOffset: 60, as: UInt32.self)
  }

  /// What `holding` is of a packet of `pool` that `owner` holds alone.
  @inline(__always)
  static func heldAlone(pool: UInt16, owner: UInt8) -> UInt32 { 1 | UInt32(pool) << 16 | UInt32(owner) << 24 }

  /// One segment that asks for nothing: all three are checked at once, since none of them is likely to differ.
  @inline(__always) var isPlain: Bool {
    let next = unsafe UInt(bitPattern: pointer.pointee.next)
    return next | UInt(flags & Offloads.work) | UInt(segments ^ 1) == 0
  }

  /// The frame carries a VLAN tag, which the MTU does not count. Of a checked packet with a whole Ethernet header.
  var isTagged: Bool {
    unsafe length >= 18
      && UnsafeRawPointer(pointer.pointee.data).loadUnaligned(fromByteOffset: 12, as: UInt16.self) == 0x0081
  }

  @inline(__always) func prefetch() { unsafe cpu_prefetch_write(pointer) }

  /// A received frame of one segment, handed to the caller. Three stores on one line, beside the owner.
  @inline(__always)
  func deliver(length: UInt32, port: UInt16, flags: UInt32) {
    let raw = unsafe UnsafeMutableRawPointer(pointer)
    unsafe raw.storeBytes(of: UInt64(length) | UInt64(length) << 32, toByteOffset: 16, as: UInt64.self)
    unsafe raw.storeBytes(of: UInt64(flags), toByteOffset: 24, as: UInt64.self)
    unsafe raw.storeBytes(of: 1 | UInt32(port) << 16, toByteOffset: 32, as: UInt32.self)
    owner = Owner.caller
  }

  /// A fresh packet without data, for the caller to fill.
  @inline(__always)
  func makeEmpty() {
    let raw = unsafe UnsafeMutableRawPointer(pointer)
    unsafe raw.storeBytes(of: 0, toByteOffset: 16, as: UInt64.self)
    unsafe raw.storeBytes(of: 0, toByteOffset: 24, as: UInt64.self)
    owner = Owner.caller
  }

  /// Back to how a packet at home looks: all but the lengths and flags, which whoever takes it next writes.
  @inline(__always)
  func comeHome(buffer: UInt, deviceBuffer: UInt64, size: UInt32, pool: UInt16) {
    let raw = unsafe UnsafeMutableRawPointer(pointer)
    unsafe raw.storeBytes(of: buffer &+ UInt(VIONET_HEADROOM), toByteOffset: 0, as: UInt.self)
    unsafe raw.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
    unsafe raw.storeBytes(of: 1, toByteOffset: 32, as: UInt64.self)
    unsafe raw.storeBytes(of: UInt64(VIONET_HEADROOM) << 48, toByteOffset: 40, as: UInt64.self)
    unsafe raw.storeBytes(of: deviceBuffer, toByteOffset: 48, as: UInt64.self)
    let holding = Packet.heldAlone(pool: pool, owner: Owner.pool)
    unsafe raw.storeBytes(of: UInt64(size) | UInt64(holding) << 32, toByteOffset: 56, as: UInt64.self)
  }

  /// Zeroes the bytes before the data: the header of a frame that asks for nothing, 12 of them, or 20 for one with a hash.
  /// The 12 are not written if they are zero already, so that the line stays in the device's cache.
  @inline(__always)
  func clearHeader(_ size: UInt32) {
    if size > 12 {
      unsafe (UnsafeMutableRawPointer(pointer.pointee.data) - 20).storeBytes(of: 0, as: UInt64.self)
    }
    let header = unsafe UnsafeMutableRawPointer(pointer.pointee.data) - 12
    let low = unsafe header.loadUnaligned(as: UInt64.self)
    let high = unsafe (header + 8).loadUnaligned(as: UInt32.self)
    if low | UInt64(high) == 0 { return }
    unsafe header.storeBytes(of: 0, as: UInt64.self)
    unsafe header.storeBytes(of: 0, toByteOffset: 8, as: UInt32.self)
  }

  @inline(__always)
  static func == (left: Packet, right: Packet) -> Bool { left.address == right.address }

  /// One reference more: false if there are too many.
  func reference() -> Bool {
    if references == UInt16.max { return false }
    unsafe _ = shared_add16(&pointer.pointee.references, 1)
    return true
  }

  /// One reference less: true if that was the last. A sole reference needs no atomic operation.
  @inline(__always)
  func dropReference() -> Bool {
    if references == 1 { return true }
    return dropShared()
  }

  @inline(never)
  private func dropShared() -> Bool {
    let left = unsafe shared_add16(&pointer.pointee.references, UInt16.max)
    if left != 0 { return false }
    unsafe pointer.pointee.references = 1
    return true
  }
}

/// The caller's array of packets, at most `count` long.
@safe
struct PacketList {
  private let base: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>

  @inline(__always)
  init(_ base: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>) { unsafe self.base = base }

  @inline(__always)
  subscript(index: Int) -> Packet? {
    get {
      guard let pointer = unsafe base[index] else { return nil }
      return unsafe Packet(pointer)
    }
    nonmutating set { unsafe base[index] = newValue?.pointer }
  }
}

/// A private array of packets: a pool's free list, a queue's cache, the packets of a ring's slots. An empty place
/// holds zero.
@safe
struct PacketTable {
  private let base: UnsafeMutablePointer<UInt>

  init?(count: Int) {
    guard let table = Table<UInt>.make(count: count) else { return nil }
    unsafe base = table.base
  }

  func destroy() { unsafe free(base) }

  @inline(__always)
  subscript(index: Int) -> Packet? {
    get { unsafe Packet.at(base[index]) }
    nonmutating set { unsafe base[index] = newValue?.address ?? 0 }
  }

  /// The place as it is: an address whose low six bits are free for marks.
  @inline(__always)
  subscript(marked index: Int) -> UInt {
    get { unsafe base[index] }
    nonmutating set { unsafe base[index] = newValue }
  }

  /// A place that is known to hold a packet: one below the count of a stack of them.
  @inline(__always)
  subscript(known index: Int) -> Packet {
    unsafe Packet(UnsafeMutablePointer(bitPattern: base[index]).unsafelyUnwrapped)
  }

  @inline(__always)
  func move(from index: Int, to other: PacketTable, at otherIndex: Int, count: Int) {
    unsafe (other.base + otherIndex).update(from: base + index, count: count)
  }
}

extension Packet {
  @inline(__always)
  static func at(_ address: UInt) -> Packet? {
    guard let pointer = unsafe UnsafeMutablePointer<vionet_packet>(bitPattern: address) else { return nil }
    return unsafe Packet(pointer)
  }
}
