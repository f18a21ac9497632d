// SPDX-License-Identifier: BSD-2-Clause
//
// The driver's view of a public packet, one cache line. Its caller owns the fields and may write anything into them:
// the driver relies only on what it has compared (PoolView).
//
// A packet in its pool has one reference and belongs to the pool; its other fields are what the last caller left. Whoever
// takes it writes all of them, in four stores side by side: giving it back costs one byte.

import CLinux
import CVionet
import Linux
import Virtio

/// Who may touch a packet, in the low bits of its owner field.
enum Owner {
  /// The pool it came from, a queue's cache, or a receive ring.
  static let pool: UInt8 = 0
  static let caller: UInt8 = 1
  /// A transmit ring.
  static let ring: UInt8 = 2
  /// On the pool's stack, while PoolSweep.swift looks for packets that are not.
  static let counted: UInt8 = 3
  /// Bit beside these: the data lies outside the packet's own buffer, where its PacketOrigin says.
  static let external: UInt8 = 0x80
}

// Safety: the pointer is the address of a packet of an open pool, which its maker has compared (PoolView) or has stored
// itself (PacketTable), or one that is only compared. The struct has 64 bytes, and every offset below is inside.
@safe
struct Packet {
  /// Bytes of a packet struct: one cache line.
  static let byteCount = 64

  let pointer: UnsafeMutablePointer<vionet_packet>

  @inline(__always)
  init(_ pointer: UnsafeMutablePointer<vionet_packet>) { unsafe self.pointer = pointer }

  @inline(__always) var address: UInt { unsafe UInt(bitPattern: pointer) }
  @inline(__always) var dataAddress: UInt { unsafe UInt(bitPattern: pointer.pointee.data) }
  @inline(__always) var length: UInt32 {
    get { unsafe pointer.pointee.length }
    nonmutating set { unsafe pointer.pointee.length = newValue }
  }
  @inline(__always) var totalLength: UInt32 {
    get { unsafe pointer.pointee.total_length }
    nonmutating set { unsafe pointer.pointee.total_length = newValue }
  }
  @inline(__always) var flags: UInt32 {
    get { unsafe pointer.pointee.flags }
    nonmutating set { unsafe pointer.pointee.flags = newValue }
  }
  @inline(__always) var segments: UInt16 {
    get { unsafe pointer.pointee.segments }
    nonmutating set { unsafe pointer.pointee.segments = newValue }
  }
  @inline(__always) var references: UInt16 { unsafe pointer.pointee.references }
  @inline(__always) var headroom: UInt16 {
    get { unsafe pointer.pointee.headroom }
    nonmutating set { unsafe pointer.pointee.headroom = newValue }
  }
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

  /// Who may touch the packet, wherever its data lies. The comparisons of `ownership` leave external packets to the code
  /// that handles packets one by one.
  var holder: UInt8 {
    get { owner & ~Owner.external }
    nonmutating set { owner = owner & Owner.external | newValue }
  }
  var isExternal: Bool { owner & Owner.external != 0 }

  @inline(__always) func prefetch() { unsafe cpu_prefetch_write(pointer) }

  @inline(__always)
  static func == (left: Packet, right: Packet) -> Bool { left.address == right.address }
}

// MARK: Ownership in one number

// Safety: as for the struct.
extension Packet {
  /// References, pool and owner as one number, so that one comparison tells all three.
  @inline(__always) var ownership: UInt32 {
    unsafe UnsafeRawPointer(pointer).load(fromByteOffset: Offset.references, as: UInt32.self)
  }

  /// `ownership` of a packet of `pool` with one reference, which is `owner`'s.
  @inline(__always)
  static func soleOwnership(pool: UInt16, owner: UInt8) -> UInt32 { 1 | UInt32(pool) << 16 | UInt32(owner) << 24 }

  /// The eight bytes from `segments` on: one segment, sole ownership, no header length.
  @inline(__always)
  static func plainWord(pool: UInt16, owner: UInt8) -> UInt64 {
    1 | UInt64(soleOwnership(pool: pool, owner: owner)) << 16
  }

  /// True for one segment, owned as `plainWord` says, that asks for nothing.
  @inline(__always)
  func isPlain(_ plainWord: UInt64) -> Bool {
    let word = unsafe UnsafeRawPointer(pointer).loadUnaligned(fromByteOffset: Offset.segments, as: UInt64.self)
    return word == plainWord && flags & Offloads.work == 0 && next == nil
  }
}

// MARK: Changing hands

// Safety: as for the struct. Each store writes whole fields, of a packet that the driver owns at that moment.
extension Packet {
  /// Writes every field of a packet of one segment: its data at `data`, both lengths and the flags in `lengths`, and what
  /// the packets of a queue have in common.
  @inline(__always)
  func begin(data: UInt, lengths: SIMD2<UInt64>, _ common: CommonFields) {
    let raw = unsafe UnsafeMutableRawPointer(pointer)
    unsafe raw.storeBytes(of: SIMD2(UInt64(data), 0), toByteOffset: Offset.data, as: SIMD2<UInt64>.self)
    unsafe raw.storeBytes(of: lengths, toByteOffset: Offset.length, as: SIMD2<UInt64>.self)
    unsafe raw.storeBytes(of: SIMD2(common.word, 0), toByteOffset: Offset.port, as: SIMD2<UInt64>.self)
    unsafe raw.storeBytes(of: SIMD2(0, common.sizes), toByteOffset: Offset.reserved, as: SIMD2<UInt64>.self)
  }

  /// Makes a packet that the caller was just given show `count` bytes at `data`, which lie outside its buffer. It has no
  /// headroom and no tailroom.
  func show(_ data: UInt, _ count: UInt32) {
    unsafe pointer.pointee.data = UnsafeMutableRawPointer(bitPattern: data).unsafelyUnwrapped
    unsafe pointer.pointee.length = count
    unsafe pointer.pointee.total_length = count
    unsafe pointer.pointee.size = count
    unsafe pointer.pointee.headroom = 0
    owner = Owner.caller | Owner.external
  }

  /// Makes a packet that nobody has used yet its pool's.
  func beginInPool(_ pool: UInt16) {
    unsafe UnsafeMutableRawPointer(pointer).storeBytes(
      of: Packet.soleOwnership(pool: pool, owner: Owner.pool), toByteOffset: Offset.references, as: UInt32.self)
  }
}

/// What begin() writes alike into each packet of a pool that a port hands out.
struct CommonFields {
  /// Port, one segment, sole ownership.
  let word: UInt64
  /// Bytes of the whole buffer, no VLAN tag, the headroom.
  let sizes: UInt64

  @inline(__always)
  init(pool: UInt16, stride: UInt32, port: UInt16) {
    word = UInt64(port) | 1 << 16 | UInt64(Packet.soleOwnership(pool: pool, owner: Owner.caller)) << 32
    sizes = UInt64(stride) | UInt64(VIONET_HEADROOM) << 48
  }
}

// MARK: References

// Safety: as for the struct; the count is changed atomically, since holders of references may be different threads.
extension Packet {
  /// True if the packet has this one reference. What others did before they dropped theirs is over then.
  @inline(__always)
  var isSole: Bool { unsafe shared_is_one(&pointer.pointee.references) }

  /// Adds a reference; false if there are too many.
  func reference() -> Bool {
    if references == UInt16.max { return false }
    unsafe _ = shared_add16(&pointer.pointee.references, 1)
    return true
  }

  /// Drops a reference; true if it was the last. A sole reference needs no atomic operation.
  @inline(__always)
  func dropReference() -> Bool {
    if isSole { return true }
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

extension Packet {
  /// Bytes of the frame's VLAN tags, which the MTU does not count: none, one, or the two of a provider's network (IEEE
  /// 802.1Q, 9.5). The packet was checked.
  var tagBytes: UInt32 {
    // Safety: 18 bytes of data lie in the buffer.
    if length < 18 { return 0 }
    let types = unsafe UnsafeRawPointer(pointer.pointee.data)
    if !EtherType.isTag(UInt16(bigEndian: unsafe types.loadUnaligned(fromByteOffset: 12, as: UInt16.self))) { return 0 }
    return EtherType.isTag(UInt16(bigEndian: unsafe types.loadUnaligned(fromByteOffset: 16, as: UInt16.self))) ? 8 : 4
  }

  /// True if the frame begins with a customer's VLAN tag, which VIONET_RX_VLAN_STRIP takes out. The packet was checked.
  var isTagged: Bool {
    // Safety: 18 bytes of data lie in the buffer.
    if length < 18 { return false }
    let data = unsafe UnsafeRawPointer(pointer.pointee.data)
    return unsafe data.loadUnaligned(fromByteOffset: 12, as: UInt16.self) == EtherType.vlan.bigEndian
  }
}
