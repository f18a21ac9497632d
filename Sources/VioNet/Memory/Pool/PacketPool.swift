// SPDX-License-Identifier: BSD-2-Clause
//
// A pool: packet structs in private memory, their data in one region, free packets on a stack, last in first out, so
// that a packet used again is still in the processor's cache. Any thread takes and gives under the pool's lock; queues
// do so in bulk, through a PacketCache.

import CLinux
import CVionet
import Linux

/// The control block of one pool number, in static storage. The lock outlives the pool, so that a thread with a stale
/// number finds an empty pool and not freed memory. All-zero is a number without a pool.
// Safety: `packets` has packetCount structs from open() to shut(), which frees them only when no packet is out.
@safe
struct PacketPool {
  // A cache line that every take and give writes. Threads of other pools read only the lines behind it (gate-cache-lines).
  var lock: BiasedLock
  var freeCount: Int
  /// Number of packets in use: all but those whose buffer a device could not reach.
  private(set) var usable: Int
  /// Number of frees refused, because the packet was free already or in a ring.
  private(set) var refused: UInt64
  /// Number of packets whose data is attached memory of this pool's region.
  var attached: Int
  /// Address of the first packet struct; 0 for no pool.
  private(set) var packetBase: UInt
  private(set) var packetCount: Int
  /// Addresses of what PoolMemory.swift describes: origins, private bytes (0: none), and the region with its length.
  private(set) var originBase: UInt
  private(set) var privateBase: UInt
  private(set) var memoryBase: UInt
  private(set) var memoryLength: UInt
  /// Bytes of each packet that are the program's.
  private(set) var privateSize: Int
  /// Bytes from one buffer to the next: an odd number of cache lines, because at a multiple of 2048 all headers would
  /// share a few sets of the first-level cache.
  private(set) var stride: Int
  private(set) var opened: Parts?
  private(set) var number: UInt16
  var inherited: UInt8  // behind isInherited
  /// Number of ports that use the pool, and of packets reserved for their queue pairs; under PoolTable's lock.
  var users: Int
  var reserved: Int
  private var padding: UInt64  // up to the next cache line, where the next pool begins

  /// Memory of an open pool.
  // Safety: as for the pool.
  @safe
  struct Parts {
    let region: Region
    let packets: UnsafeMutablePointer<vionet_packet>
    let free: PacketTable
    /// Origin of each packet, valid for the external ones.
    let origins: UnsafeMutablePointer<PacketOrigin>
    /// The program's own bytes of each packet, one after another.
    let privates: UnsafeMutableRawPointer?
    /// Physical address of each buffer, once a device without an IOMMU uses the pool.
    var physical: Table<UInt64>?
  }

  /// True if devices are given physical addresses, not our own.
  var isPhysical: Bool { opened?.physical != nil }
  var physicalTable: UInt { unsafe UInt(bitPattern: opened?.physical?.base) }

  /// Most packets that a queue takes or gives at once.
  static let largestBulk = 128
  /// Packets that queues take and give at once: many, but only a small part of a small pool.
  var bulk: Int { min(PacketPool.largestBulk, max(2, packetCount / 32)) }
  /// Packets that a queue pair may hold beyond its receive ring: its two caches, and sent packets not yet taken back.
  var perPair: Int { 6 * bulk }
  static let mostPerPair = 6 * largestBulk

  var isOpen: Bool { packetBase != 0 }
  var region: Region? { opened?.region }
  var dataSize: UInt32 { UInt32(truncatingIfNeeded: stride) &- UInt32(VIONET_HEADROOM) }

  /// Number of buffers of `stride` bytes in the region, which may have no packets.
  private var bufferCount: Int { (region?.length ?? 0) / max(stride, 1) }

  /// Bytes that a packet takes beside its data: its struct, its origin, its place on the stack.
  static let bytesBesideData = Packet.byteCount + MemoryLayout<PacketOrigin>.stride + MemoryLayout<UInt>.stride

  /// Allocates what a pool of `packetCount` packets has beside its region; nil when there is no memory. Pages of origins
  /// and private bytes come into being when they are first used.
  private static func makeParts(_ region: Region, _ packetCount: Int, _ privateSize: Int) -> Parts? {
    guard let free = PacketTable(count: packetCount) else { return nil }
    let packets = unsafe Heap.zeroed(packetCount * Packet.byteCount)
    let origins = unsafe calloc(max(packetCount, 1), MemoryLayout<PacketOrigin>.stride)
    let privates = unsafe privateSize == 0 ? nil : calloc(max(packetCount, 1), privateSize)
    guard let packets = unsafe packets, let origins = unsafe origins, unsafe privateSize == 0 || privates != nil else {
      free.destroy()
      unsafe CLinux.free(packets)
      unsafe CLinux.free(origins)
      unsafe CLinux.free(privates)
      return nil
    }
    return unsafe Parts(
      region: region, packets: packets.bindMemory(to: vionet_packet.self, capacity: packetCount), free: free,
      origins: origins.bindMemory(to: PacketOrigin.self, capacity: packetCount), privates: privates)
  }

  /// Opens a pool in a region, which then belongs to the pool unless this fails. Without packets it only makes the region
  /// known to devices.
  mutating func open(number: UInt16, region: Region, packetCount: Int, stride: Int, privateSize: Int) throws(Failure) {
    guard let parts = PacketPool.makeParts(region, packetCount, privateSize) else {
      throw Failure(ENOMEM, "no memory for ").number(packetCount).text(" packets")
    }
    let hold = lock.lock()
    self.number = number
    isInherited = false
    self.stride = stride
    self.privateSize = privateSize
    packetBase = unsafe UInt(bitPattern: parts.packets)
    originBase = unsafe UInt(bitPattern: parts.origins)
    privateBase = unsafe UInt(bitPattern: parts.privates)
    memoryBase = UInt(truncatingIfNeeded: region.address)
    memoryLength = UInt(region.length)
    opened = parts
    self.packetCount = packetCount
    refused = 0
    users = 0
    reserved = 0
    attached = 0
    for index in 0..<packetCount {
      let packet = unsafe Packet(parts.packets + index)
      packet.beginInPool(number)
      parts.free[unchecked: packetCount - 1 - index] = packet
    }
    freeCount = packetCount
    usable = packetCount
    lock.unlock(hold)
  }

  /// Makes devices be given physical addresses from now on. A buffer that is not in one piece is taken out of use.
  mutating func makePhysical() throws(Failure) {
    guard let region, !isPhysical else { return }
    guard let table = Table<UInt64>.make(count: bufferCount) else { throw Failure(ENOMEM, "no memory for a pool") }
    do throws(Failure) {
      try region.lock()
      for index in 0..<table.count { table[index] = try region.physicalAddress(index * stride, stride) ?? 0 }
    } catch {
      table.destroy()
      throw error
    }
    let hold = lock.lock()
    defer { lock.unlock(hold) }
    // A port that is given our own addresses may use the pool without having a packet of it now.
    if freeCount != packetCount || users > 1 {
      table.destroy()
      throw Failure(EBUSY, "pool ").number(number)
        .text(" has packets in use with other addresses: give this port a pool of its own")
    }
    opened?.physical = table
    refill()
  }

  /// Puts every packet that a device can reach on the stack, the first on top.
  private mutating func refill() {
    guard let parts = opened, let table = parts.physical else { return }
    freeCount = 0
    var index = packetCount  // at most the table's count
    while index > 0 {
      index -= 1
      if table[index] == 0 { continue }
      let packet = unsafe Packet(parts.packets + index)
      parts.free[unchecked: freeCount] = packet
      freeCount += 1
    }
    usable = freeCount
  }

  /// Closes the pool if all its packets are back, and those that show its memory. Returns how many are not.
  mutating func shut() -> Int {
    let hold = lock.lock()
    let missing = usable - freeCount + attached
    let parts = opened
    if missing == 0 {
      packetCount = 0
      freeCount = 0
      usable = 0
      packetBase = 0
      memoryLength = 0
      opened = nil
    }
    lock.unlock(hold)
    if missing == 0, let parts {
      parts.free.destroy()
      parts.physical?.destroy()
      unsafe CLinux.free(parts.packets)
      unsafe CLinux.free(parts.origins)
      unsafe CLinux.free(parts.privates)
      parts.region.destroy()
    }
    return missing
  }

  /// Moves up to `count` free packets to `table`, from `at` on; returns how many.
  mutating func take(_ count: Int, to table: PacketTable, at index: Int) -> Int {
    let hold = lock.lock()
    let taken = min(count, freeCount)
    freeCount &-= taken
    opened?.free.move(from: freeCount, to: table, at: index, count: taken)
    lock.unlock(hold)
    return taken
  }

  /// Takes back `count` packets from `table`, whose owner is the pool already. More than are missing can come only from
  /// frees too many; those are refused.
  mutating func give(_ count: Int, from table: PacketTable, at index: Int) {
    let hold = lock.lock()
    let taken = min(count, usable &- freeCount)
    if let free = opened?.free { table.move(from: index, to: free, at: freeCount, count: taken) }
    freeCount &+= taken
    refused &+= UInt64(truncatingIfNeeded: count &- taken)
    lock.unlock(hold)
  }

  /// All of `count` packets or none, ready for the caller.
  mutating func allocate(_ count: Int, to list: PacketList) -> Bool {
    let hold = lock.lock()
    var done = false
    if freeCount >= count, let free = opened?.free {
      freeCount &-= count
      let view = PoolView(self)
      let common = view.common(port: 0)
      var index = 0
      while index < count {
        let packet = free[uncheckedPresent: freeCount &+ index]
        view.makeEmpty(packet, common)
        list[unchecked: index] = packet
        index &+= 1
      }
      done = true
    }
    lock.unlock(hold)
    return done
  }

  /// Drops one reference of a packet of this pool; refused unless `holder` is its owner. Returns the origin that has lost
  /// its packet by that, for the caller to end (PacketCalls.release).
  mutating func release(_ packet: Packet, heldBy holder: UInt8) -> PacketOrigin? {
    var origin: PacketOrigin?
    let hold = lock.lock()
    if packet.holder != holder || freeCount >= usable {
      refused &+= 1
    } else if !packet.dropReference() {
      packet.holder = Owner.caller
    } else if let free = opened?.free {
      origin = self.origin(packet)
      packet.owner = Owner.pool
      free[unchecked: freeCount] = packet
      freeCount &+= 1
    }
    lock.unlock(hold)
    return origin
  }

  /// Releases packets of this pool that are the caller's alone, from `begin` on. Returns the place of the first other
  /// one.
  @inline(never)
  @_optimize(speed)
  mutating func release(_ list: PacketList, from begin: Int, to end: Int) -> Int {
    let hold = lock.lock()
    let view = PoolView(self)
    let index = takeBack(view, list, from: begin, to: min(end, begin &+ usable &- freeCount))
    freeCount &+= index &- begin
    lock.unlock(hold)
    return index
  }

  @inline(__always)
  private mutating func takeBack(_ view: PoolView, _ list: PacketList, from begin: Int, to end: Int) -> Int {
    guard let table = opened?.free else { return begin }
    let free = table.advanced(freeCount &- begin)
    let held = Packet.soleOwnership(pool: number, owner: Owner.caller)
    var index = begin
    while index != end, let packet = view.packet(at: list[uncheckedAddress: index]), packet.ownership == held,
      packet.next == nil
    {
      packet.owner = Owner.pool
      free[unchecked: index] = packet
      index &+= 1
    }
    return index
  }

  /// Counts a free that was refused.
  mutating func refuse() {
    let hold = lock.lock()
    refused &+= 1
    lock.unlock(hold)
  }
}
