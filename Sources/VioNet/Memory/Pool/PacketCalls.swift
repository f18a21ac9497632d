// SPDX-License-Identifier: BSD-2-Clause
//
// What a program does with packets outside bursts: allocate, free, share. Any thread may call. A pointer is followed
// only after a pool has found it among its packets.

import CLinux
import CVionet
import Linux

package enum PacketCalls {
  package typealias Pointer = UnsafeMutablePointer<vionet_packet>

  /// Allocates all of `count` packets or none.
  // Safety: by the contract of the public call `packets` has room for `count`.
  package static func allocate(_ number: UInt16, _ packets: UnsafeMutablePointer<Pointer?>, _ count: UInt16) -> Bool {
    guard let pool = try? PacketPools.find(number) else { return false }
    return unsafe pool.value.allocate(Int(count), to: PacketList(packets))
  }

  // Safety: the pointer is only compared until a pool is found for it.
  package static func free(_ first: Pointer) { unsafe free(Packet(first), assuming: nil) }

  package static func free(_ packets: UnsafeMutablePointer<Pointer?>, _ count: UInt16) {
    // Safety: by the contract of the public call `packets` has `count` pointers; none is followed before it was
    // compared.
    let list = unsafe PacketList(packets)
    let count = Int(count)
    var pool: Cell<PacketPool>?
    var index = 0
    while index < count {
      // Consecutive plain packets of one pool go back under one lock; whatever ends them is handled by itself.
      if let pool { index = pool.value.release(list, from: index, to: count) }
      if index == count { return }
      guard let packet = list[unchecked: index] else {
        index &+= 1
        continue
      }
      let next = PacketCalls.pool(of: packet, likely: pool)
      if pool == nil, let next {
        pool = next
        continue
      }
      pool = free(packet, assuming: next)
      index &+= 1
    }
  }

  private static func pool(of packet: Packet, likely pool: Cell<PacketPool>?) -> Cell<PacketPool>? {
    if let pool, PoolView(pool).contains(packet) { return pool }
    return PacketPools.containing(packet)
  }

  /// Frees every segment. Returns the pool of the last one, which is probably that of the next packet too.
  @discardableResult
  static func free(_ head: Packet, assuming: Cell<PacketPool>?) -> Cell<PacketPool>? {
    var pool = assuming
    var segment: Packet? = head
    var left = Int(VIONET_MAX_SEGMENTS)
    while let packet = segment, left > 0 {
      pool = PacketCalls.pool(of: packet, likely: pool)
      guard let found = pool else {
        // Safety: the counter is static.
        unsafe shared_add64(&PoolTable.shared.value.foreignFrees, 1)
        return nil
      }
      // If the packet is not the caller's, neither is the next one.
      segment = packet.holder == Owner.caller ? packet.next : nil
      release(packet, of: found)
      left &-= 1
    }
    return pool
  }

  /// Drops one reference of one segment of `pool`; refused unless `holder` has it.
  static func release(_ packet: Packet, of pool: Cell<PacketPool>, heldBy holder: UInt8 = Owner.caller) {
    // At most once more: the original of a view is no view.
    if let origin = pool.value.release(packet, heldBy: holder) { origin.end() }
  }

  /// Adds a reference to every segment, or to none.
  // Safety: each pointer is compared with the pools' packets before it is followed.
  package static func reference(_ first: Pointer) throws(Failure) {
    let head = unsafe Packet(first)
    var segment: Packet? = head
    var done = 0
    while let packet = segment, done < Int(VIONET_MAX_SEGMENTS) {
      do throws(Failure) {
        _ = try PacketPools.held(packet)
        if !packet.reference() { throw Failure(EOVERFLOW, "a packet takes at most 65535 references") }
      } catch {
        unreference(head, done)
        throw error
      }
      segment = packet.next
      done += 1
    }
  }

  private static func unreference(_ head: Packet, _ count: Int) {
    var segment: Packet? = head
    for _ in 0..<count {
      guard let packet = segment else { return }
      _ = packet.dropReference()
      segment = packet.next
    }
  }

  /// The program's bytes of the packet at an address; nil if there are none.
  // Safety: the address is only compared.
  package static func privateBytes(_ address: UInt) -> UnsafeMutableRawPointer? {
    let end = PoolTable.shared.value.poolsInUse
    var number: UInt16 = 1
    while number < end {
      if let bytes = unsafe PoolTable.pools[number].privateBytes(address) { return unsafe bytes }
      number &+= 1
    }
    return nil
  }

  /// Describes a pool. Number 0 is the shared one and has the frees of foreign pointers too, even if there is no
  /// shared pool.
  package static func describe(_ number: UInt16, _ info: inout vionet_pool_info) throws(Failure) {
    if number == 0 { info.refused = PoolTable.shared.value.foreignFrees }
    if number == 0 && PacketPools.currentDefault() == nil { return }
    let pool = try PacketPools.find(number)
    // Else it could be closed half-way through, and another one opened.
    PoolTable.shared.value.lock.lock()
    defer { PoolTable.shared.value.lock.unlock() }
    if !pool.value.isOpen { throw PacketPools.missing(number) }
    info.packets = UInt32(pool.value.packetCount)
    info.available = UInt32(pool.value.freeCount)
    info.data_size = pool.value.dataSize
    info.hugepages = UInt32(pool.value.region?.hugePage ?? 0)
    info.refused &+= pool.value.refused
    info.memory = UInt64(pool.value.region?.length ?? 0)
    info.private_size = UInt32(pool.value.privateSize)
    info.attached = UInt32(pool.value.attached)
  }
}
