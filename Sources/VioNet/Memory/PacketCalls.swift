// SPDX-License-Identifier: BSD-2-Clause
//
// What a program does with packets outside bursts: allocate, free, share. Any thread may call; a pointer is believed
// only after a pool has said that it is one of its packets.

import CLinux
import CVionet
import Linux

package enum PacketCalls {
  package typealias Pointer = UnsafeMutablePointer<vionet_packet>

  /// All of `count` or none.
  package static func allocate(_ number: UInt16, _ packets: UnsafeMutablePointer<Pointer?>, _ count: UInt16) -> Bool {
    guard let pool = try? PacketPools.find(number) else { return false }
    return unsafe pool.value.allocate(Int(count), to: PacketList(packets))
  }

  package static func free(_ first: Pointer) { unsafe free(Packet(first), assuming: nil) }

  package static func free(_ packets: UnsafeMutablePointer<Pointer?>, _ count: UInt16) {
    let list = unsafe PacketList(packets)
    let count = Int(count)
    var pool: Cell<PacketPool>?
    var index = 0
    while index < count {
      // A run of plain packets of one pool goes home under one lock; whatever ends it is looked at by itself.
      if let home = pool { index = home.value.release(list, from: index, to: count) }
      if index == count { return }
      guard let packet = list[index] else {
        index &+= 1
        continue
      }
      let next = PacketCalls.home(of: packet, likely: pool)
      if pool == nil, let next {
        pool = next
        continue
      }
      pool = free(packet, assuming: next)
      index &+= 1
    }
  }

  private static func home(of packet: Packet, likely pool: Cell<PacketPool>?) -> Cell<PacketPool>? {
    if let pool, PoolView(pool).contains(packet) { return pool }
    return PacketPools.containing(packet)
  }

  /// Frees every segment. Returns the pool of the last one, which is likely that of the next packet too.
  @discardableResult
  static func free(_ head: Packet, assuming: Cell<PacketPool>?) -> Cell<PacketPool>? {
    var pool = assuming
    var segment: Packet? = head
    var left = Int(VIONET_MAX_SEGMENTS)
    while let packet = segment, left > 0 {
      pool = home(of: packet, likely: pool)
      guard let home = pool else {
        PoolTable.shared.value.lock.lock()
        PoolTable.shared.value.foreignFrees &+= 1
        PoolTable.shared.value.lock.unlock()
        return nil
      }
      // Of a packet that is not the caller's the next pointer is not the caller's to follow either.
      segment = packet.owner == Owner.caller ? packet.next : nil
      home.value.release(packet)
      left &-= 1
    }
    return pool
  }

  /// One reference more to every segment, or to none.
  package static func reference(_ first: Pointer) throws(Failure) {
    let head = unsafe Packet(first)
    var segment: Packet? = head
    var done = 0
    while let packet = segment, done < Int(VIONET_MAX_SEGMENTS) {
      guard PacketPools.containing(packet) != nil, packet.owner == Owner.caller else {
        unreference(head, done)
        throw Failure(EINVAL, "this is not a packet that the caller holds")
      }
      if !packet.reference() {
        unreference(head, done)
        throw Failure(EOVERFLOW, "a packet takes at most 65535 references")
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

  /// Number 0 tells of the shared pool, or only of strangers' frees if there is none.
  package static func describe(_ number: UInt16, _ info: inout vionet_pool_info) throws(Failure) {
    if number == 0 { info.refused = PoolTable.shared.value.foreignFrees }
    if number == 0 && PacketPools.currentDefault() == nil { return }
    let pool = try PacketPools.find(number)
    info.packets = UInt32(pool.value.packetCount)
    info.available = UInt32(pool.value.freeCount)
    info.data_size = pool.value.dataSize
    info.hugepages = UInt32(pool.value.region?.hugePage ?? 0)
    info.refused &+= pool.value.refused
    info.memory = UInt64(pool.value.region?.length ?? 0)
  }
}
