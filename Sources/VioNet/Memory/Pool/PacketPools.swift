// SPDX-License-Identifier: BSD-2-Clause
//
// The pools of the process: made, found by number or by the address of a packet, destroyed. Number 0 means the pool
// that all ports share by default; it is made when first needed and stays.

import CLinux
import CVionet
import Linux

package enum PacketPools {
  static let defaultPackets = 16384
  static let defaultStride = 2112

  /// What vionet_pool_create() was asked for.
  package struct Request {
    package var packets: UInt32 = 0
    package var dataSize: UInt32 = 0
    package var hugepages = true
    package init() {}
  }

  package static func create(_ request: Request) throws(Failure) -> UInt16 {
    try create(request, within: AddressRange())
  }

  private static func create(_ request: Request, within reach: AddressRange) throws(Failure) -> UInt16 {
    let (packets, stride) = try geometry(request)
    let region = try Region.make(packets * stride, hugepages: request.hugepages, within: reach)
    return try register(region, packets: packets, stride: stride)
  }

  /// Makes a pool in the caller's memory, with the packets that were asked for, or else with as many as fit.
  // Safety: the caller keeps `memory` mapped until the pool is destroyed, by the contract of vionet_pool_create().
  package static func create(
    _ request: Request, in memory: UnsafeMutableRawPointer, length: Int, file: Int32, offset: UInt64
  ) throws(Failure) -> UInt16 {
    var (packets, stride) = try geometry(request)
    let region = try unsafe Region.adopt(memory, length: length, file: file, offset: offset)
    if request.packets == 0 { packets = min(length / stride, 1 << 24) }
    if packets < 16 || packets > length / stride {
      region.destroy()
      throw Failure(EINVAL, "memory_length: ").number(length).text(" bytes hold ").number(length / stride)
        .text(" packets of ").number(stride).text(" bytes; at least 16 and all that are asked for must fit")
    }
    return try register(region, packets: packets, stride: stride)
  }

  /// Number of packets and bytes from one buffer to the next.
  private static func geometry(_ request: Request) throws(Failure) -> (Int, Int) {
    let packets = request.packets == 0 ? defaultPackets : Int(request.packets)
    if packets < 16 || packets > 1 << 24 {
      throw Failure(EINVAL, "packets must be 16 to 16777216, not ").number(packets)
    }
    if request.dataSize == 0 { return (packets, defaultStride) }
    if request.dataSize < 64 || request.dataSize > 65536 {
      throw Failure(EINVAL, "data_size must be 64 to 65536, not ").number(request.dataSize)
    }
    let lines = (Int(request.dataSize) + Int(VIONET_HEADROOM) + 63) / 64
    return (packets, (lines | 1) * 64)
  }

  private static func register(_ region: Region, packets: Int, stride: Int) throws(Failure) -> UInt16 {
    PoolTable.shared.value.lock.lock()
    defer { PoolTable.shared.value.lock.unlock() }
    var number: UInt16 = 1
    while Int(number) < PoolTable.pools.count && PoolTable.pools[number].isOpen { number += 1 }
    do throws(Failure) {
      if Int(number) == PoolTable.pools.count {
        throw Failure(ENFILE, "there are ").number(number - 1).text(" pools already, which is the limit")
      }
      try PoolTable.pools[number].open(number: number, region: region, packetCount: packets, stride: stride)
    } catch {
      region.destroy()
      throw error
    }
    PoolTable.shared.value.poolsInUse = max(PoolTable.shared.value.poolsInUse, number + 1)
    return number
  }

  // MARK: Finding

  /// The pool of that number. 0 stands for the shared pool, which is made if there is none yet: with `packets` if
  /// those are more than the default, within reach of the device that is the first to need it.
  static func find(_ number: UInt16, making packets: Int = 0, within reach: AddressRange = AddressRange())
    throws(Failure)
    -> Cell<PacketPool>
  {
    if number == 0 { return try defaultPool(packets, reach) }
    if let pool = existing(number) { return pool }
    throw Failure(EBADF, "there is no pool ").number(number)
  }

  /// The pool of that number, if it is open.
  // Safety: the number was compared with the table's count.
  @inline(__always)
  static func existing(_ number: UInt16) -> Cell<PacketPool>? {
    guard Int(number) < PoolTable.pools.count, PoolTable.pools[number].isOpen else { return nil }
    return unsafe Cell(PoolTable.pools.base + Int(number))
  }

  private static func defaultPool(_ packets: Int, _ reach: AddressRange) throws(Failure) -> Cell<PacketPool> {
    if let pool = currentDefault() { return pool }
    var request = Request()
    request.packets = UInt32(max(packets, defaultPackets))
    let number = try create(request, within: reach)
    PoolTable.shared.value.lock.lock()
    let raced = PoolTable.shared.value.defaultPool
    if raced == 0 { PoolTable.shared.value.defaultPool = number }
    PoolTable.shared.value.lock.unlock()
    storage_on_unload { PacketPools.forgetDefault() }
    if raced != 0 { Failure.quietly { () throws(Failure) in try destroy(number) } }
    return try find(raced == 0 ? number : raced)
  }

  /// The shared pool if there is one.
  @inline(__always)
  static func currentDefault() -> Cell<PacketPool>? {
    let number = PoolTable.shared.value.defaultPool
    return number == 0 ? nil : existing(number)
  }

  /// The pool that `packet` belongs to, found by its address alone.
  @inline(never)
  static func containing(_ packet: Packet) -> Cell<PacketPool>? {
    let end = PoolTable.shared.value.poolsInUse
    var number: UInt16 = 1
    while number < end {
      if PoolView(PoolTable.pools[number]).contains(packet) { return existing(number) }
      number &+= 1
    }
    return nil
  }

  // MARK: Reserving and destroying

  package static func destroy(_ number: UInt16) throws(Failure) {
    PoolTable.shared.value.lock.lock()
    defer { PoolTable.shared.value.lock.unlock() }
    guard number != 0, number != PoolTable.shared.value.defaultPool, let pool = existing(number) else {
      throw Failure(EBADF, "there is no pool ").number(number).text(" that could be destroyed")
    }
    if pool.value.users > 0 {
      throw Failure(EBUSY, "pool ").number(number).text(" is used by ").number(pool.value.users).text(" ports")
    }
    let missing = pool.value.shut()
    if missing != 0 {
      throw Failure(EBUSY, "pool ").number(number).text(": ").number(missing).text(" packets are not back")
    }
  }

  /// Adds a port to a pool's users and reserves `packets` for its queues. Refused if the pool is gone or has too few.
  static func acquire(_ pool: Cell<PacketPool>, _ packets: Int) throws(Failure) {
    try reserve(pool, packets, users: 1)
  }

  /// Reserves more packets for a port that uses the pool, so that ports cannot starve each other.
  static func reserve(_ pool: Cell<PacketPool>, _ packets: Int, users: Int = 0) throws(Failure) {
    PoolTable.shared.value.lock.lock()
    defer { PoolTable.shared.value.lock.unlock() }
    let number = pool.value.number
    if !pool.value.isOpen { throw Failure(EBADF, "there is no pool ").number(number) }
    let reserved = pool.value.reserved + packets
    if reserved > pool.value.usable {
      throw Failure(ENOBUFS, "pool ").number(number).text(" has ").number(pool.value.usable)
        .text(" packets, its ports need ").number(reserved).text(": make a larger one with vionet_pool_create")
    }
    pool.value.reserved = reserved
    pool.value.users += users
  }

  /// Removes a port from a pool's users, with the packets reserved for it.
  static func release(_ pool: Cell<PacketPool>, _ packets: Int) {
    PoolTable.shared.value.lock.lock()
    pool.value.reserved -= packets
    pool.value.users -= 1
    PoolTable.shared.value.lock.unlock()
  }

  /// Destroys the shared pool if all its packets are back. Called when the library is unloaded and no port is open.
  static func forgetDefault() {
    if let pool = currentDefault(), pool.value.shut() == 0 { PoolTable.shared.value.defaultPool = 0 }
  }
}
