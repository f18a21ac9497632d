// SPDX-License-Identifier: BSD-2-Clause
//
// The front-end's memory, mapped: SET_MEM_TABLE gives up to eight files at once, ADD_MEM_REG one more. Guest
// addresses stand in descriptors, user addresses in SET_VRING_ADDR; both are translated with start and length checked
// inside one region.
//
// A file is mapped from its start, not from the region's offset, because a file of huge pages takes no other offset.
// Its size is checked first, and what a front-end may do to an unsealed file later is watched (MemoryGuard); this library's
// own front-end seals its memory.

import CLinux
import Linux

/// One mapped region.
struct Region {
  let guestAddress: UInt64
  let userAddress: UInt64
  let size: UInt64
  let memory: Bytes
  /// The whole mapping, of which `memory` is the end.
  let mapping: Bytes
}

// Safety: a region's mapping is what mmap() gave and is unmapped once, when it leaves the table; no ring or translation
// that could still use it outlives that, since both are looked up anew after each change.
struct MemoryMap {
  /// Regions at one time.
  static let limit = 128
  /// Bytes that all mappings of a device take at most, since a sparse file costs a front-end nothing: 64 devices leave half
  /// of a process's addresses to others.
  static let mostBytes: UInt64 = 1 << 40

  private let regions: Table<Region>
  /// Nil if the front-end is this process.
  private let memoryGuard: MemoryGuard?
  private let counters: Counters
  private(set) var count = 0

  init(_ regions: Table<Region>, _ memoryGuard: MemoryGuard?, _ counters: Counters) {
    self.regions = regions
    self.counters = counters
    self.memoryGuard = memoryGuard
  }

  /// Maps `size` bytes at `offset` of a file. False: the numbers or the file are not what they should be.
  mutating func add(guest: UInt64, user: UInt64, size: UInt64, offset: UInt64, file: Int32) -> Bool {
    let (end, overflow) = offset.addingReportingOverflow(size)
    // tested by HostileTests
    if size == 0 || overflow || end > UInt64(Int.max) / 2 || count >= Self.limit { return false }
    // tested by HostileRequestTests
    if guest.addingReportingOverflow(size).overflow || user.addingReportingOverflow(size).overflow { return false }
    // tested by SharedFileTests
    guard end <= Self.mostBytes &- mapped, let mapping = map(file, end) else { return false }
    let memory = mapping.dropping(Int(truncatingIfNeeded: offset)).first(Int(truncatingIfNeeded: size))
    regions[count] = Region(guestAddress: guest, userAddress: user, size: size, memory: memory, mapping: mapping)
    count += 1
    return true
  }

  /// Bytes that are mapped. Each mapping was compared with what was left.
  private var mapped: UInt64 {
    var (sum, index) = (UInt64(0), 0)
    while index < count {
      sum &+= UInt64(regions[index].mapping.count)
      index += 1
    }
    return min(sum, Self.mostBytes)
  }

  /// Maps the first `length` bytes of a file; nil if the file is shorter, or not to be trusted.
  func map(_ file: Int32, _ length: UInt64) -> Bytes? {
    if let memoryGuard, !memoryGuard.accepts(file) {  // tested by abi-memory-taken-away
      if Log.wanted(.info) { Log.line("soft device: sealed=1, and a file is not sealed against shrinking").send(.info) }
      return nil
    }
    var status = stat()
    // tested by InflightTests
    if unsafe fstat(file, &status) < 0 || status.st_size < 0 || UInt64(status.st_size) < length { return nil }
    // munmap() of huge pages wants whole ones.
    let page = UInt64(max(Int(status.st_blksize), Int(sys_page_size())))
    if page & (page &- 1) != 0 || page > 1 << 32 { return nil }
    let whole = Int((length &+ page &- 1) & ~(page &- 1))
    guard let raw = unsafe sys_map(nil, whole, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) else {
      counters.shortage = ENOMEM
      return nil
    }
    let mapping = unsafe Bytes(raw, whole)
    if let memoryGuard, !memoryGuard.watch(mapping, of: file) {
      unsafe _ = sys_unmap(raw, whole)
      return nil
    }
    return mapping
  }

  func unmap(_ mapping: Bytes) {
    memoryGuard?.forget(mapping)
    unsafe _ = sys_unmap(mapping.base, mapping.count)
  }

  /// Some of the memory is gone, and zeroes are there.
  var isLost: Bool { memoryGuard?.isHit ?? false }

  /// The session that has lost memory is over.
  func forgetLoss() { memoryGuard?.isHit = false }

  /// Lets go of the guard, in the device's thread.
  func end() { memoryGuard?.end() }

  mutating func clear() {
    var index = 0
    while index < count {
      unmap(regions[index].mapping)
      index += 1
    }
    count = 0
  }

  /// Unmaps one region; false if there is none with all three numbers.
  mutating func remove(guest: UInt64, user: UInt64, size: UInt64) -> Bool {
    for index in 0..<count {
      let region = regions[index]
      if region.guestAddress != guest || region.userAddress != user || region.size != size { continue }
      unmap(region.mapping)
      count -= 1
      regions[index] = regions[count]
      return true
    }
    return false
  }

  /// Memory at a user address, for rings.
  func user(_ address: UInt64, _ length: Int) -> Bytes? {
    var index = 0
    while index < count {
      let region = regions[index]
      let offset = address &- region.userAddress
      if offset < region.size, UInt64(length) <= region.size &- offset {  // tested by abi-device-abilities
        return region.memory.dropping(Int(truncatingIfNeeded: offset)).first(length)
      }
      index += 1
    }
    return nil
  }

  /// The region a guest address lies in; nil if none.
  func region(of address: UInt64) -> Region? {
    var index = 0
    while index < count {
      if address &- regions[index].guestAddress < regions[index].size { return regions[index] }
      index += 1
    }
    return nil
  }
}

/// Translation for the length of one batch: remembers the region of the last address.
// Safety: `base` is the start of `size` mapped bytes of one region; the map's owner makes a new translation whenever a
// region goes.
@safe
struct Translation {
  private let map: MemoryMap
  private var start: UInt64 = 0
  private var size: UInt64 = 0
  private var base: UnsafeMutableRawPointer?

  init(_ map: MemoryMap) {
    self.map = map
    unsafe base = nil
  }

  /// `length` bytes at a guest address; nil unless all of them lie in one region.
  @inline(__always)
  mutating func guest(_ address: UInt64, _ length: UInt32) -> Bytes? {
    if address &- start >= size, !move(address) { return nil }  // tested by HostileRingTests
    let offset = address &- start
    if UInt64(length) > size &- offset { return nil }  // tested by HostileRingTests
    guard let base = unsafe base else { return nil }
    return unsafe Bytes(base + Int(truncatingIfNeeded: offset), Int(length))
  }

  @inline(never)
  private mutating func move(_ address: UInt64) -> Bool {
    guard let region = map.region(of: address) else { return false }
    start = region.guestAddress
    size = region.size
    unsafe base = region.memory.base
    return true
  }
}
