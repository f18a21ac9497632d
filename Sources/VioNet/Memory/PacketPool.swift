// SPDX-License-Identifier: BSD-2-Clause
//
// A pool: packet structs in private memory, their data in one region, free ones on a stack, last in first out, so that
// what is used again is still in the cache. Any thread takes and gives under the pool's lock; queues do so in bulk,
// through a cache of their own.

import CLinux
import CVionet
import Linux

@safe
struct PacketPool {
  let number: UInt16
  let region: Region
  let packetCount: Int
  /// Bytes from one buffer to the next: an odd number of cache lines, since at a multiple of 2048 all headers fall into
  /// the same few sets of the first-level cache.
  let stride: Int
  let packets: UnsafeMutablePointer<vionet_packet>
  private let free: PacketTable
  private var lock = SpinLock()
  private(set) var freeCount: Int
  /// Frees refused: of packets already free or in a ring.
  private(set) var refused: UInt64 = 0
  /// Packets that are in use: all but those whose buffer a device could not reach.
  private(set) var usable: Int
  /// Devices are told physical addresses, not our own.
  private(set) var isPhysical = false
  /// Ports that it is shared with.
  var users: Int = 0
  /// Packets that their queue pairs may hold.
  var promised: Int = 0

  /// Packets that queues take and give at once: many, but no great part of a small pool.
  static let largestBulk = 128
  var bulk: Int { min(PacketPool.largestBulk, max(2, packetCount / 32)) }
  /// What a queue pair may hold beside its receive ring: its two caches, and sent packets not yet collected.
  var perPair: Int { 6 * bulk }

  var dataSize: UInt32 { UInt32(truncatingIfNeeded: stride) &- UInt32(VIONET_HEADROOM) }
  @inline(__always) var packetBase: UInt { unsafe UInt(bitPattern: packets) }
  @inline(__always) var packetBytes: UInt { UInt(truncatingIfNeeded: packetCount &* Packet.bytes) }

  init(number: UInt16, region: Region, packetCount: Int, stride: Int) throws(Failure) {
    let bytes = packetCount * Packet.bytes
    guard let free = PacketTable(count: packetCount), let raw = unsafe Heap.zeroed(bytes) else {
      throw Failure(ENOMEM, "no memory for ").number(packetCount).text(" packets")
    }
    self.number = number
    self.region = region
    self.packetCount = packetCount
    self.stride = stride
    unsafe self.packets = raw.bindMemory(to: vionet_packet.self, capacity: packetCount)
    self.free = free
    freeCount = packetCount
    usable = packetCount
    for index in 0..<packetCount {
      let packet = unsafe Packet(packets + index)
      unsafe packet.pointer.pointee.size = UInt32(stride)
      unsafe packet.pointer.pointee.pool = UInt8(number)
      unsafe packet.pointer.pointee.references = 1
      // Devices are told our own addresses.
      unsafe packet.pointer.pointee.device_address = region.address + UInt64(index * stride)
      unsafe packet.comeHome(data: region.base + (index * stride + Int(VIONET_HEADROOM)))
      free[packetCount - 1 - index] = packet
    }
  }

  var allAreHome: Bool { freeCount == usable }

  /// Changes every packet's device address to where it is physically, for a device without an IOMMU. A buffer that is
  /// not in one piece is taken out of use.
  mutating func makePhysical() throws(Failure) {
    if isPhysical { return }
    if !allAreHome {
      throw Failure(EBUSY, "pool ").number(number).text(
        " has packets in use with other addresses; give this port its own")
    }
    try region.lock()
    freeCount = 0
    for index in 0..<packetCount {
      let packet = unsafe Packet(packets + index)
      if let address = try region.physicalAddress(index * stride, stride) {
        unsafe packet.pointer.pointee.device_address = address
        free[freeCount] = packet
        freeCount += 1
      }
    }
    usable = freeCount
    isPhysical = true
  }

  func destroy() {
    free.destroy()
    unsafe CLinux.free(packets)
    region.destroy()
  }

  /// True for a packet of this pool, whatever its fields say. Nothing is read through the pointer.
  @inline(__always)
  func contains(_ packet: Packet) -> Bool { PoolView(self).contains(packet) }

  /// True if the data of a packet of this pool, and `header` bytes before it, lie inside the pool's memory and the
  /// packet's own buffer.
  func covers(_ packet: Packet, header: UInt32) -> Bool { PoolView(self).covers(packet, header: header) }

  @inline(__always)
  func restore(_ packet: Packet) { PoolView(self).restore(packet) }

  /// Moves up to `count` free packets to `table`, from `at` on; returns how many.
  mutating func take(_ count: Int, to table: PacketTable, at index: Int) -> Int {
    lock.lock()
    let taken = min(count, freeCount)
    freeCount &-= taken
    free.move(from: freeCount, to: table, at: index, count: taken)
    lock.unlock()
    return taken
  }

  /// Takes back `count` restored packets from `table`.
  mutating func give(_ count: Int, from table: PacketTable, at index: Int) {
    lock.lock()
    table.move(from: index, to: free, at: freeCount, count: count)
    freeCount &+= count
    lock.unlock()
  }

  /// All of `count` packets or none, ready for the caller.
  mutating func allocate(_ count: Int, to list: PacketList) -> Bool {
    lock.lock()
    let enough = freeCount >= count
    if enough {
      freeCount &-= count
      var index = 0
      while index < count {
        let packet = free[freeCount &+ index]
        list[index] = packet
        packet?.makeEmpty()
        index &+= 1
      }
    }
    lock.unlock()
    return enough
  }

  /// Takes one reference from a packet of this pool that the caller says to hold; refused if the caller cannot.
  mutating func release(_ packet: Packet) {
    lock.lock()
    if packet.owner != Owner.caller {
      refused &+= 1
    } else if packet.dropReference() {
      restore(packet)
      free[freeCount] = packet
      freeCount &+= 1
    }
    lock.unlock()
  }

  /// Releases packets of this pool that the caller holds alone, from `begin` on. Returns where the first other one is.
  @inline(never)
  mutating func release(_ list: PacketList, from begin: Int, to end: Int) -> Int {
    let view = PoolView(self)
    lock.lock()
    var count = freeCount
    var index = begin
    let held = Packet.heldAlone(pool: number, owner: Owner.caller)
    while index != end, let packet = list[index], view.contains(packet), packet.holding == held, packet.next == nil {
      view.restore(packet)
      free[count] = packet
      count &+= 1
      index &+= 1
    }
    freeCount = count
    lock.unlock()
    return index
  }

  mutating func refuse() {
    lock.lock()
    refused &+= 1
    lock.unlock()
  }
}

/// What a burst needs to know of a pool, in registers.
@safe
struct PoolView {
  private let packets: UInt
  private let packetCount: UInt
  private let memory: UnsafeMutableRawPointer
  private let stride: UInt32
  let number: UInt16

  @inline(__always)
  init(_ pool: borrowing PacketPool) {
    packets = pool.packetBase
    packetCount = UInt(truncatingIfNeeded: pool.packetCount)
    unsafe memory = pool.region.base
    stride = UInt32(truncatingIfNeeded: pool.stride)
    number = pool.number
  }

  @inline(__always)
  init(_ pool: Cell<PacketPool>) { self.init(pool.value) }

  /// The place in the pool's table of a packet at that address; packetCount or more if there is none. Rotated, an
  /// address between two packets becomes a large number, so that one comparison finds it too.
  @inline(__always)
  private func place(_ address: UInt) -> UInt {
    let offset = address &- packets
    return offset >> 6 | offset << 58
  }

  @inline(__always)
  func contains(_ packet: Packet) -> Bool { place(packet.address) < packetCount }

  /// The packet at an address, if there is one of this pool.
  @inline(__always)
  func packet(at address: UInt) -> Packet? {
    if place(address) >= packetCount { return nil }
    return Packet.at(address)
  }

  /// True if the data, and `header` bytes before it, lie inside the packet's own buffer.
  @inline(__always)
  func covers(_ packet: Packet, header: UInt32) -> Bool {
    let room = UInt32(packet.headroom)
    let length = packet.length
    // Both are at most stride, so that their sum does not wrap.
    if room < header || length > stride || room &+ length > stride { return false }
    let start = place(packet.address) &* UInt(stride) &+ UInt(room)
    return unsafe packet.dataAddress &- UInt(bitPattern: memory) == start
  }

  /// Puts a packet into the state of one at home. Its buffer follows from its place in the table, so that nothing the
  /// caller wrote into it matters.
  @inline(__always)
  func restore(_ packet: Packet) {
    let index = Int(truncatingIfNeeded: place(packet.address))
    unsafe packet.comeHome(data: memory + (index &* Int(stride) &+ Int(VIONET_HEADROOM)))
  }
}
