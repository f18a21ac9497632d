// SPDX-License-Identifier: BSD-2-Clause
//
// Arrays of packets: the caller's list, and the driver's own tables.

import CLinux
import CVionet
import Linux

/// The addresses of four consecutive packets.
typealias FourPackets = (UInt, UInt, UInt, UInt)

/// The caller's array of packets.
// Safety: the contract of the public call says how many packets the array has; bursts stay below that count.
@safe
struct PacketList {
  private let base: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>

  @inline(__always)
  init(_ base: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>) { unsafe self.base = base }

  @inline(__always)
  func advanced(_ count: Int) -> PacketList { unsafe PacketList(base + count) }

  @inline(__always)
  subscript(unchecked index: Int) -> Packet? {
    get {
      guard let pointer = unsafe base[index] else { return nil }
      return unsafe Packet(pointer)
    }
    nonmutating set { unsafe base[index] = newValue?.pointer }
  }

  /// The address in a place, 0 for none.
  @inline(__always)
  subscript(uncheckedAddress index: Int) -> UInt { unsafe UInt(bitPattern: base[index]) }

  @inline(__always)
  func put(_ packets: FourPackets, uncheckedAt index: Int) {
    unsafe UnsafeMutableRawPointer(base + index).storeBytes(of: packets, as: FourPackets.self)
  }
}

/// A private array of packet addresses: a pool's free list, a queue's cache, the slots of a ring. 0 is an empty place.
// Safety: only the driver writes it, and only addresses of packets of open pools, with tags in the low six bits.
// Indices are below the count it was made with: ids are compared with the ring's size, and stacks with their own
// counts.
@safe
struct PacketTable {
  private let base: UnsafeMutablePointer<UInt>

  init?(count: Int) {
    guard let table = Table<UInt>.make(count: count) else { return nil }
    unsafe base = table.base
  }

  /// A table that may never be written: Table.onPages(). Ends with giveBackPages().
  init?(onPages count: Int) {
    guard let table = Table<UInt>.onPages(count: count) else { return nil }
    unsafe base = table.base
  }

  func giveBackPages(_ count: Int) { unsafe Table(base: base, count: count).giveBackPages() }

  private init(_ base: UnsafeMutablePointer<UInt>) { unsafe self.base = base }

  func destroy() { unsafe free(base) }

  @inline(__always)
  func advanced(_ count: Int) -> PacketTable { unsafe PacketTable(base + count) }

  @inline(__always)
  subscript(unchecked index: Int) -> Packet? {
    get { unsafe Packet.at(base[index]) }
    nonmutating set { unsafe base[index] = newValue?.address ?? 0 }
  }

  /// An address with its tags.
  @inline(__always)
  subscript(uncheckedTagged index: Int) -> UInt {
    get { unsafe base[index] }
    nonmutating set { unsafe base[index] = newValue }
  }

  /// A place that is known to hold a packet, such as one below the count of a stack.
  @inline(__always)
  subscript(uncheckedPresent index: Int) -> Packet {
    unsafe Packet(UnsafeMutablePointer(bitPattern: base[index]).unsafelyUnwrapped)
  }

  @inline(__always)
  func four(uncheckedAt index: Int) -> FourPackets {
    unsafe (base[index], base[index &+ 1], base[index &+ 2], base[index &+ 3])
  }

  @inline(__always)
  func put(_ packets: FourPackets, uncheckedAt index: Int) {
    unsafe (base[index], base[index &+ 1], base[index &+ 2], base[index &+ 3]) = packets
  }

  @inline(__always)
  func move(from index: Int, to other: PacketTable, at otherIndex: Int, count: Int) {
    unsafe _ = memcpy(other.base + otherIndex, base + index, count &* MemoryLayout<UInt>.stride)
  }
}

// Safety: the addresses come from a PacketTable, or were compared with a pool's packets (PoolView).
extension Packet {
  /// The packet at an address; nil for 0.
  @inline(__always)
  static func at(_ address: UInt) -> Packet? {
    guard let pointer = unsafe UnsafeMutablePointer<vionet_packet>(bitPattern: address) else { return nil }
    return unsafe Packet(pointer)
  }

  /// The packet at an address that is not 0.
  @inline(__always)
  static func known(_ address: UInt) -> Packet {
    unsafe Packet(UnsafeMutablePointer(bitPattern: address).unsafelyUnwrapped)
  }
}
