// SPDX-License-Identifier: BSD-2-Clause
//
// The front-end's memory, mapped: SET_MEM_TABLE gives up to eight files at once, ADD_MEM_REG one more. Guest
// addresses stand in descriptors, user addresses in SET_VRING_ADDR; both are translated with start and length checked
// inside one region.
//
// A file is mapped from its start, not from the region's offset, because a file of huge pages takes no other offset.
// Its size is checked first: touching a page beyond the end would end the process. A front-end that shrinks an
// unsealed file later still could; this library's own front-end seals its memory.

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

  private let regions: Table<Region>
  private(set) var count = 0

  init(_ regions: Table<Region>) { self.regions = regions }

  /// Maps `size` bytes at `offset` of a file. False: the numbers or the file are not what they should be.
  mutating func add(guest: UInt64, user: UInt64, size: UInt64, offset: UInt64, file: Int32) -> Bool {
    let (end, overflow) = offset.addingReportingOverflow(size)
    if size == 0 || overflow || end > UInt64(Int.max) / 2 || count >= Self.limit { return false }
    if guest.addingReportingOverflow(size).overflow || user.addingReportingOverflow(size).overflow { return false }
    guard let mapping = Self.map(file, end) else { return false }
    let memory = mapping.dropping(Int(truncatingIfNeeded: offset)).first(Int(truncatingIfNeeded: size))
    regions[count] = Region(guestAddress: guest, userAddress: user, size: size, memory: memory, mapping: mapping)
    count += 1
    return true
  }

  /// Maps the first `length` bytes of a file; nil if the file is shorter.
  static func map(_ file: Int32, _ length: UInt64) -> Bytes? {
    var status = stat()
    if unsafe fstat(file, &status) < 0 || status.st_size < 0 || UInt64(status.st_size) < length { return nil }
    // munmap() of huge pages wants whole ones.
    let page = UInt64(max(Int(status.st_blksize), Int(sys_page_size())))
    if page & (page &- 1) != 0 || page > 1 << 32 { return nil }
    let whole = Int((length &+ page &- 1) & ~(page &- 1))
    guard let raw = unsafe sys_map(nil, whole, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) else { return nil }
    return unsafe Bytes(raw, whole)
  }

  mutating func clear() {
    var index = 0
    while index < count {
      let mapping = regions[index].mapping
      unsafe _ = sys_unmap(mapping.base, mapping.count)
      index += 1
    }
    count = 0
  }

  /// Unmaps one region; false if there is none with all three numbers.
  mutating func remove(guest: UInt64, user: UInt64, size: UInt64) -> Bool {
    for index in 0..<count {
      let region = regions[index]
      if region.guestAddress != guest || region.userAddress != user || region.size != size { continue }
      unsafe _ = sys_unmap(region.mapping.base, region.mapping.count)
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
      if offset < region.size, UInt64(length) <= region.size &- offset {
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
    if address &- start >= size, !move(address) { return nil }
    let offset = address &- start
    if UInt64(length) > size &- offset { return nil }
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
