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
  /// The pool it came from, or a queue's cache, or a receive ring.
  static let pool: UInt8 = 0
  static let caller: UInt8 = 1
  /// A transmit ring.
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

  /// References, pool and owner as one number: what has to be true of all three is one comparison.
  @inline(__always) var holding: UInt32 {
    unsafe UnsafeRawPointer(pointer).load(fromByteOffset: 36, as: UInt32.self)
  }

  /// What `holding` is of a packet of `pool` that `owner` holds alone.
  @inline(__always)
  static func heldAlone(pool: UInt16, owner: UInt8) -> UInt32 { 1 | UInt32(pool) << 16 | UInt32(owner) << 24 }

  /// The same behind the port that it was received on and one segment: the eight bytes from 32 on.
  @inline(__always)
  static func holding(pool: UInt16, port: UInt16, owner: UInt8) -> UInt64 {
    UInt64(port) | 1 << 16 | UInt64(heldAlone(pool: pool, owner: owner)) << 32
  }

  /// What the eight bytes from 34 on are of such a packet with one segment, and no length of its headers.
  @inline(__always)
  static func plain(pool: UInt16, owner: UInt8) -> UInt64 { 1 | UInt64(heldAlone(pool: pool, owner: owner)) << 16 }

  /// One segment, held as `plain` says, that asks for nothing.
  @inline(__always)
  func isPlain(_ plain: UInt64) -> Bool {
    let half = unsafe UnsafeRawPointer(pointer).loadUnaligned(fromByteOffset: 34, as: UInt64.self)
    return half == plain && flags & Offloads.work == 0 && next == nil
  }

  /// The frame carries a VLAN tag, which the MTU does not count. Of a checked packet with a whole Ethernet header.
  var isTagged: Bool {
    unsafe length >= 18
      && UnsafeRawPointer(pointer.pointee.data).loadUnaligned(fromByteOffset: 12, as: UInt16.self) == 0x0081
  }

  @inline(__always) func prefetch() { unsafe cpu_prefetch_write(pointer) }

  /// A received frame of one segment, handed to the caller: two stores. `holding` says who the caller is.
  @inline(__always)
  func deliver(length: UInt64, flags: UInt32, _ holding: UInt64) {
    let raw = unsafe UnsafeMutableRawPointer(pointer)
    let lengths = length &* 0x1_0000_0001  // of the segment, and of all
    unsafe raw.storeBytes(of: SIMD2(lengths, UInt64(flags)), toByteOffset: 16, as: SIMD2<UInt64>.self)
    unsafe raw.storeBytes(of: holding, toByteOffset: 32, as: UInt64.self)
  }

  /// The same with the length in the upper half and zero in the lower.
  @inline(__always)
  func deliver(length: UInt64, _ holding: UInt64) {
    let raw = unsafe UnsafeMutableRawPointer(pointer)
    unsafe raw.storeBytes(of: SIMD2(length | length >> 32, 0), toByteOffset: 16, as: SIMD2<UInt64>.self)
    unsafe raw.storeBytes(of: holding, toByteOffset: 32, as: UInt64.self)
  }

  /// A fresh packet without data, for the caller to fill.
  @inline(__always)
  func makeEmpty() {
    let raw = unsafe UnsafeMutableRawPointer(pointer)
    unsafe raw.storeBytes(of: SIMD2.zero, toByteOffset: 16, as: SIMD2<UInt64>.self)
    owner = Owner.caller
  }

  /// Back to how a packet at home looks: all but the lengths and flags, which whoever takes it next writes.
  @inline(__always)
  func comeHome(buffer: UInt, deviceBuffer: UInt64, size: UInt32, pool: UInt16) {
    let raw = unsafe UnsafeMutableRawPointer(pointer)
    let data = UInt64(buffer) &+ UInt64(VIONET_HEADROOM)
    let holding = Packet.holding(pool: pool, port: 0, owner: Owner.pool)
    let sizes = UInt64(size) | UInt64(VIONET_HEADROOM) << 48
    // Data and no next; segments, holder and no offloads; addresses and sizes: three stores of 16 bytes.
    unsafe raw.storeBytes(of: SIMD2(data, 0), toByteOffset: 0, as: SIMD2<UInt64>.self)
    unsafe raw.storeBytes(of: SIMD2(holding, 0), toByteOffset: 32, as: SIMD2<UInt64>.self)
    unsafe raw.storeBytes(of: SIMD2(deviceBuffer, sizes), toByteOffset: 48, as: SIMD2<UInt64>.self)
  }

  /// Bytes of the longest virtio-net header, the one with a hash (virtio 1.4, 5.1.6).
  @inline(__always) static var longestHeader: UInt32 { 20 }

  /// Zeroes the bytes before the data where any header is: of a frame that asks for nothing. They are not written if
  /// they are zero already, so that the line stays in the device's cache.
  @inline(__always)
  func clearHeader() {
    let header = unsafe UnsafeMutableRawPointer(pointer.pointee.data) - 20
    let words = unsafe header.loadUnaligned(as: UInt64.self) | (header + 8).loadUnaligned(as: UInt64.self)
    let last = unsafe (header + 16).loadUnaligned(as: UInt32.self)
    if words | UInt64(last) == 0 { return }
    unsafe header.storeBytes(of: 0, as: UInt64.self)
    unsafe header.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
    unsafe header.storeBytes(of: 0, toByteOffset: 16, as: UInt32.self)
  }

  /// The same where no header is longer than 12 bytes.
  @inline(__always)
  func clearShortHeader() {
    let header = unsafe UnsafeMutableRawPointer(pointer.pointee.data) - 12
    let words = unsafe header.loadUnaligned(as: UInt64.self) | (header + 4).loadUnaligned(as: UInt64.self)
    if words == 0 { return }
    unsafe header.storeBytes(of: 0, as: UInt64.self)
    unsafe header.storeBytes(of: 0, toByteOffset: 4, as: UInt64.self)
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

/// The addresses of four packets in a row.
typealias FourPackets = (UInt, UInt, UInt, UInt)

/// The caller's array of packets, at most `count` long.
@safe
struct PacketList {
  private let base: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>

  @inline(__always)
  init(_ base: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>) { unsafe self.base = base }

  @inline(__always)
  func advanced(_ count: Int) -> PacketList { unsafe PacketList(base + count) }

  @inline(__always)
  subscript(index: Int) -> Packet? {
    get {
      guard let pointer = unsafe base[index] else { return nil }
      return unsafe Packet(pointer)
    }
    nonmutating set { unsafe base[index] = newValue?.pointer }
  }

  @inline(__always)
  func put(_ packets: FourPackets, at index: Int) {
    unsafe UnsafeMutableRawPointer(base + index).storeBytes(of: packets, as: FourPackets.self)
  }

  /// As it stands there, 0 for none.
  @inline(__always)
  subscript(address index: Int) -> UInt { unsafe UInt(bitPattern: base[index]) }
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

  private init(_ base: UnsafeMutablePointer<UInt>) { unsafe self.base = base }

  func destroy() { unsafe free(base) }

  @inline(__always)
  func advanced(_ count: Int) -> PacketTable { unsafe PacketTable(base + count) }

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
  func four(at index: Int) -> FourPackets {
    unsafe (base[index], base[index &+ 1], base[index &+ 2], base[index &+ 3])
  }

  @inline(__always)
  func put(_ packets: FourPackets, at index: Int) {
    unsafe (base[index], base[index &+ 1], base[index &+ 2], base[index &+ 3]) = packets
  }

  @inline(__always)
  func move(from index: Int, to other: PacketTable, at otherIndex: Int, count: Int) {
    unsafe _ = memcpy(other.base + otherIndex, base + index, count &* MemoryLayout<UInt>.stride)
  }
}

extension Packet {
  @inline(__always)
  static func at(_ address: UInt) -> Packet? {
    guard let pointer = unsafe UnsafeMutablePointer<vionet_packet>(bitPattern: address) else { return nil }
    return unsafe Packet(pointer)
  }

  /// Of an address that is not zero.
  @inline(__always)
  static func known(_ address: UInt) -> Packet {
    unsafe Packet(UnsafeMutablePointer(bitPattern: address).unsafelyUnwrapped)
  }
}
