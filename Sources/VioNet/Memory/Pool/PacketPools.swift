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
    package var privateSize: UInt32 = 0
    /// Only memory is wanted, and no packets.
    package var isRegion = false
    package init() {}
  }

  package static func create(_ request: Request) throws(Failure) -> UInt16 {
    try create(request, within: AddressRange())
  }

  private static func create(_ request: Request, within reach: AddressRange) throws(Failure) -> UInt16 {
    let (packets, stride) = try geometry(request)
    if request.isRegion { throw Failure(EINVAL, "VIONET_POOL_REGION is for the caller's memory, and memory is NULL") }
    let region = try Region.make(packets * stride, hugepages: request.hugepages, within: reach)
    return try register(region, packets: packets, stride: stride, request)
  }

  /// Makes a pool in the caller's memory, with the packets that were asked for, or else with as many as fit.
  // Safety: the caller keeps `memory` mapped until the pool is destroyed, by the contract of vionet_pool_create().
  package static func create(
    _ request: Request, in memory: UnsafeMutableRawPointer, length: Int, file: Int32, offset: UInt64
  ) throws(Failure) -> UInt16 {
    var (packets, stride) = try geometry(request)
    let region = try unsafe Region.adopt(memory, length: length, file: file, offset: offset)
    if request.isRegion {
      // A device without an IOMMU reaches what lies within one page.
      return try register(region, packets: 0, stride: sys_page_size(), request)
    }
    if request.packets == 0 { packets = min(length / stride, 1 << 24) }
    if packets < 16 || packets > length / stride {
      region.destroy()
      throw Failure(EINVAL, "memory_length: ").number(length).text(" bytes hold ").number(length / stride)
        .text(" packets of ").number(stride).text(" bytes; at least 16 and all that are asked for must fit")
    }
    return try register(region, packets: packets, stride: stride, request)
  }

  /// Number of packets and bytes from one buffer to the next.
  private static func geometry(_ request: Request) throws(Failure) -> (Int, Int) {
    if request.privateSize > 65536 {
      throw Failure(EINVAL, "private_size must be 0 to 65536, not ").number(request.privateSize)
    }
    if request.isRegion {
      if request.packets | request.dataSize | request.privateSize != 0 {
        throw Failure(
          EINVAL, "packets, data_size and private_size must be 0 with VIONET_POOL_REGION, which has no packets")
      }
      return (0, 0)
    }
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

  private static func register(
    _ region: Region, packets: Int, stride: Int, _ request: Request
  ) throws(Failure) -> UInt16 {
    // So that every packet's bytes are aligned for any type of C.
    let privateSize = (Int(request.privateSize) + 15) & ~15
    do throws(Failure) {
      try MemoryRoom().mustHold(packets * (PacketPool.bytesBesideData + privateSize))
    } catch {
      region.destroy()
      throw error
    }
    PoolTable.leaveToParentInChild()
    PoolTable.shared.value.lock.lock()
    defer { PoolTable.shared.value.lock.unlock() }
    let number: UInt16
    do throws(Failure) {
      guard let free = PoolTable.free else {
        throw Failure(ENFILE, "there are ").number(VIONET_MAX_POOLS - 1).text(" pools already, which is the limit")
      }
      number = free
      try PoolTable.pools[number].open(
        number: number, region: region, packetCount: packets, stride: stride, privateSize: privateSize)
    } catch {
      region.destroy()
      throw error
    }
    PoolTable.shared.value.poolsInUse = max(PoolTable.shared.value.poolsInUse, number + 1)
    return number
  }

  // MARK: Finding

  /// The pool of that number. 0 stands for the shared pool, which is made if there is none yet: with `packets`,
  /// within reach of the device that is the first to need it.
  static func find(_ number: UInt16, making packets: Int = defaultPackets, within reach: AddressRange = AddressRange())
    throws(Failure)
    -> Cell<PacketPool>
  {
    if number == 0 { return try defaultPool(packets, reach) }
    if let pool = existing(number) { return pool }
    throw missing(number)
  }

  @inline(never)
  static func missing(_ number: UInt16) -> Failure {
    isInherited(number) ? .isOfParent("pool", number) : Failure(EBADF, "there is no pool ").number(number)
  }

  private static func isInherited(_ number: UInt16) -> Bool {
    Int(number) < PoolTable.pools.count && PoolTable.pools[number].isInherited
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
    request.packets = UInt32(packets)
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

  /// The pool in whose memory `length` bytes at `address` lie.
  static func holding(_ address: UInt, _ length: UInt32) -> Cell<PacketPool>? {
    for number in 1..<max(PoolTable.shared.value.poolsInUse, 1) {
      if let pool = existing(number), pool.value.hasMemory(at: address, length) { return pool }
    }
    return nil
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

  /// The pool of a packet that the caller holds; throws for any other pointer.
  static func held(_ packet: Packet) throws(Failure) -> Cell<PacketPool> {
    guard let pool = containing(packet), packet.holder == Owner.caller else {
      throw Failure(EINVAL, "this is not a packet that the caller holds")
    }
    return pool
  }

  // MARK: Reserving and destroying

  package static func destroy(_ number: UInt16) throws(Failure) {
    PoolTable.shared.value.lock.lock()
    defer { PoolTable.shared.value.lock.unlock() }
    if isInherited(number) { throw Failure.isOfParent("pool", number) }
    guard number != 0, number != PoolTable.shared.value.defaultPool, let pool = existing(number) else {
      throw Failure(EBADF, "there is no pool ").number(number).text(" that could be destroyed")
    }
    if pool.value.users > 0 {
      throw Failure(EBUSY, "pool ").number(number).text(" is used by open ports: close them first")
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
      if number == PoolTable.shared.value.defaultPool {
        throw Failure(ENOBUFS, "the pool that ports share has ").number(pool.value.usable)
          .text(" packets, and its ports need ").number(reserved).text(": open the first of them with pool_packets=")
          .number(reserved).text(", or give this one a pool of its own (vionet_config.pool)")
      }
      throw Failure(ENOBUFS, "pool ").number(number).text(" has ").number(pool.value.usable)
        .text(" packets, and its ports need ").number(reserved).text(": make it with so many, or a pool for each port")
    }
    pool.value.reserved = reserved
    pool.value.users += users
  }

  /// Packets of a pool that no port has reserved.
  static func unreserved(_ pool: Cell<PacketPool>) -> Int {
    PoolTable.shared.value.lock.lock()
    defer { PoolTable.shared.value.lock.unlock() }
    return pool.value.usable - pool.value.reserved
  }

  /// Gives up packets that were reserved for a port that goes on using the pool.
  static func unreserve(_ pool: Cell<PacketPool>, _ packets: Int) {
    PoolTable.shared.value.lock.lock()
    pool.value.reserved -= packets
    PoolTable.shared.value.lock.unlock()
  }

  /// Destroys the shared pool if all its packets are back. Called when the library is unloaded and no port is open.
  static func forgetDefault() {
    if let pool = currentDefault(), pool.value.shut() == 0 { PoolTable.shared.value.defaultPool = 0 }
  }
}
