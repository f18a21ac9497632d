// SPDX-License-Identifier: BSD-2-Clause
//
// Pools: conservation, refusals, caller's memory, the seal.

import CLinux
import CVionet
import Linux
import Testing

@testable import VioNet

@Suite(.serialized) struct PoolTests {
  private func make(_ packets: UInt32, data: UInt32 = 0) throws -> (UInt16, Cell<PacketPool>) {
    var request = PacketPools.Request()
    request.packets = packets
    request.dataSize = data
    request.hugepages = false
    let number = try PacketPools.create(request)
    return (number, try PacketPools.find(number))
  }

  @Test func allOrNone() throws {
    let (number, pool) = try make(32)
    var list = unsafe [UnsafeMutablePointer<vionet_packet>?](repeating: nil, count: 33)
    unsafe #expect(PacketCalls.allocate(number, &list, 33) == false)
    #expect(pool.value.freeCount == 32)
    unsafe #expect(PacketCalls.allocate(number, &list, 32))
    #expect(pool.value.freeCount == 0)
    unsafe #expect(Set(list.prefix(32).map { UInt(bitPattern: $0) }).count == 32)
    let busy = #expect(throws: Failure.self) { try PacketPools.destroy(number) }
    #expect(busy?.code == EBUSY)
    unsafe PacketCalls.free(&list, 33)
    #expect(pool.value.freeCount == 32 && pool.value.refused == 0)
    // Each of them is refused a second time.
    unsafe PacketCalls.free(&list, 32)
    #expect(pool.value.freeCount == 32 && pool.value.refused == 32)
    try PacketPools.destroy(number)
  }

  /// Packets that queues lost, gave back twice or left in a ring are on the stack once when the last port goes.
  @Test func lostPacketsComeBackWithTheLastPort() throws {
    let (number, pool) = try make(64)
    let cache = try #require(PacketTable(count: 64))
    defer { cache.destroy() }
    var list = unsafe [UnsafeMutablePointer<vionet_packet>?](repeating: nil, count: 6)
    unsafe #expect(PacketCalls.allocate(number, &list, 6))
    try PacketPools.acquire(pool, 0)
    try PacketPools.acquire(pool, 0)
    // Ten are lost, and three of another twenty come back for the rest of them.
    #expect(pool.value.take(30, to: cache, at: 0) == 30)
    for _ in 0..<6 { pool.value.give(3, from: cache, at: 10) }
    pool.value.give(2, from: cache, at: 13)
    #expect(pool.value.freeCount == 48)
    // One is in the ring of a queue that is gone, and one there and in the program's hands.
    unsafe try #require(list[0]).pointee.owner = Owner.ring
    unsafe try PacketCalls.reference(try #require(list[1]))
    unsafe try #require(list[1]).pointee.owner = Owner.ring
    PacketPools.release(pool, 0)
    #expect(pool.value.freeCount == 48)
    PacketPools.release(pool, 0)
    #expect(pool.value.freeCount == 59)
    unsafe PacketCalls.free(&list[1], 5)
    #expect(pool.value.freeCount == 64 && pool.value.refused == 0)
    var all = unsafe [UnsafeMutablePointer<vionet_packet>?](repeating: nil, count: 64)
    unsafe #expect(PacketCalls.allocate(number, &all, 64))
    unsafe #expect(Set(all.map { UInt(bitPattern: $0) }).count == 64)
    unsafe PacketCalls.free(&all, 64)
    try PacketPools.destroy(number)
  }

  @Test func foreignPointersAreCountedNotTouched() throws {
    let (number, _) = try make(16)
    let before = PoolTable.shared.value.foreignFrees
    let wild = try #require(unsafe UnsafeMutablePointer<vionet_packet>(bitPattern: 0x1000))
    unsafe PacketCalls.free(wild)
    #expect(PoolTable.shared.value.foreignFrees == before + 1)
    try PacketPools.destroy(number)
  }

  @Test func aCorruptedPacketIsRestored() throws {
    let (number, pool) = try make(16)
    var packet: UnsafeMutablePointer<vionet_packet>?
    unsafe #expect(PacketCalls.allocate(number, &packet, 1))
    let first = try #require(unsafe packet)
    let data = unsafe first.pointee.data
    unsafe first.pointee.data += 5000
    unsafe first.pointee.headroom = 9
    unsafe first.pointee.segments = 77
    unsafe first.pointee.vlan = 5
    unsafe PacketCalls.free(first)
    unsafe #expect(PacketCalls.allocate(number, &packet, 1))
    unsafe #expect(packet == first)
    unsafe #expect(first.pointee.data == data && first.pointee.headroom == 128 && first.pointee.segments == 1)
    unsafe #expect(first.pointee.vlan == 0 && first.pointee.length == 0)
    unsafe PacketCalls.free(first)
    #expect(pool.value.freeCount == 16)
    try PacketPools.destroy(number)
  }

  @Test(arguments: [64, 1984, 9000, 65536] as [UInt32]) func buffersAreAnOddNumberOfLinesApart(data: UInt32) throws {
    let (number, pool) = try make(16, data: data)
    #expect(pool.value.stride % 128 == 64)
    #expect(pool.value.dataSize >= data)
    try PacketPools.destroy(number)
  }

  @Test func theMemoryIsSealed() throws {
    let (number, pool) = try make(16)
    #expect(sys_ftruncate((pool.value.region?.file ?? -1), 0) == -EPERM)
    #expect(sys_ftruncate((pool.value.region?.file ?? -1), 1 << 30) == -EPERM)
    try PacketPools.destroy(number)
  }

  @Test(arguments: [(15, 0), (1 << 24 + 1, 0), (16, 63), (16, 65537)] as [(UInt32, UInt32)]) func wrongSettingsAreNamed(
    packets: UInt32, data: UInt32
  ) {
    let error = #expect(throws: Failure.self) { _ = try make(packets, data: data) }
    #expect(error?.code == EINVAL)
  }

  @Test func manyThreadsLoseNothing() async throws {
    let (number, pool) = try make(1024)
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        group.addTask {
          var list = unsafe [UnsafeMutablePointer<vionet_packet>?](repeating: nil, count: 32)
          for _ in 0..<5000 {
            if unsafe PacketCalls.allocate(number, &list, 32) { unsafe PacketCalls.free(&list, 32) }
          }
        }
      }
    }
    #expect(pool.value.freeCount == 1024 && pool.value.refused == 0)
    try PacketPools.destroy(number)
  }
}

@Suite struct PacketOffsetTests {
  @Test func theOffsetsAreThoseOfTheImportedStruct() {
    #expect(MemoryLayout<vionet_packet>.size == Packet.byteCount)
    #expect(MemoryLayout<vionet_packet>.offset(of: \.data) == Packet.Offset.data)
    #expect(MemoryLayout<vionet_packet>.offset(of: \.next) == Packet.Offset.next)
    #expect(MemoryLayout<vionet_packet>.offset(of: \.length) == Packet.Offset.length)
    #expect(MemoryLayout<vionet_packet>.offset(of: \.total_length) == Packet.Offset.totalLength)
    #expect(MemoryLayout<vionet_packet>.offset(of: \.flags) == Packet.Offset.flags)
    #expect(MemoryLayout<vionet_packet>.offset(of: \.hash) == Packet.Offset.hash)
    #expect(MemoryLayout<vionet_packet>.offset(of: \.port) == Packet.Offset.port)
    #expect(MemoryLayout<vionet_packet>.offset(of: \.segments) == Packet.Offset.segments)
    #expect(MemoryLayout<vionet_packet>.offset(of: \.references) == Packet.Offset.references)
    #expect(MemoryLayout<vionet_packet>.offset(of: \.pool) == Packet.Offset.pool)
    #expect(MemoryLayout<vionet_packet>.offset(of: \.owner) == Packet.Offset.owner)
    #expect(MemoryLayout<vionet_packet>.offset(of: \.header_length) == Packet.Offset.offloads)
    #expect(MemoryLayout<vionet_packet>.offset(of: \.checksum_offset) == Packet.Offset.offloads + 6)
    #expect(MemoryLayout<vionet_packet>.offset(of: \.reserved) == Packet.Offset.reserved)
    #expect(MemoryLayout<vionet_packet>.offset(of: \.size) == Packet.Offset.size)
    #expect(MemoryLayout<vionet_packet>.offset(of: \.vlan) == Packet.Offset.vlan)
    #expect(MemoryLayout<vionet_packet>.offset(of: \.headroom) == Packet.Offset.headroom)
  }
}
