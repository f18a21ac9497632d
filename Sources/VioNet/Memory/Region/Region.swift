// SPDX-License-Identifier: BSD-2-Clause
//
// Memory that a device may touch: a sealed memfd of our own, or the caller's memory with a file behind it. The seal
// keeps a back-end from shrinking the file, which would turn our next read into SIGBUS. Only rings and packet data lie
// in regions.
//
// Memory is looked for when a region is made, since there is no error when it is first used: a hugepage that a cgroup or a
// policy keeps from this process is a SIGBUS then, and a page beyond the limit of a memory cgroup ends the process.

import CLinux
import Linux

// Safety: `base` has `length` mapped bytes until destroy(); the caller's memory by the contract of
// vionet_pool_create().
@safe
struct Region {
  let base: UnsafeMutableRawPointer
  let length: Int
  /// The file behind the memory; -1 if no other process may have it.
  let file: Int32
  /// Offset of the memory in its file.
  let offset: UInt64
  /// Bytes of a hugepage if the memory is on hugepages, else 0.
  let hugePage: Int
  /// False for the caller's memory.
  private let mappedHere: Bool

  static let hugePageBytes = 2 << 20

  /// Asks for hugepages of that size. Without it they would have the system's default, which default_hugepagesz=1G changes.
  private static var hugePageFlags: UInt32 { UInt32(MFD_HUGETLB) | UInt32(MFD_HUGE_2MB) }

  /// How often a call is made anew that a signal has interrupted.
  private static let mostTries = 1000

  var address: UInt64 { unsafe UInt64(UInt(bitPattern: base)) }
  /// The whole region, as a bus shares it with a device.
  var asShared: SharedRegion {
    SharedRegion(address: address, length: UInt64(length), file: file, offset: offset)
  }

  /// Maps zeroed memory, within reach of a device if there is room, and at `place` if that is free. Uses hugepages if
  /// enough are free.
  static func make(
    _ length: Int, hugepages: Bool, within reach: AddressRange = AddressRange(), at place: UInt = 0
  ) throws(Failure) -> Region {
    if hugepages,
      let region = Failure.quietly({ () throws(Failure) in
        try map(length, page: hugePageBytes, flags: hugePageFlags, reach, at: place)
      })
    {
      return region
    }
    let room = MemoryRoom()
    try room.mustHold(length)
    let region = try map(length, page: sys_page_size(), flags: 0, reach, at: place)
    // Transparent hugepages, where the system allows them for shared memory.
    unsafe _ = sys_advise(region.base, region.length, MADV_HUGEPAGE)
    // In a cgroup with a limit, so that whoever looks next sees what is left.
    if room.hasLimit && !region.take() {
      region.destroy()
      throw Failure(ENOMEM, "no memory for ").number(length).text(" bytes shared with the device")
    }
    return region
  }

  /// Takes the memory now; false if it is not there. Kernels before 5.14 take it when it is used.
  private func take() -> Bool {
    var tries = 0
    var result = unsafe sys_advise(base, length, MADV_POPULATE_WRITE)
    while (result == -EINTR || result == -EAGAIN) && tries < Region.mostTries {
      tries += 1
      result = unsafe sys_advise(base, length, MADV_POPULATE_WRITE)
    }
    return result >= 0 || result == -EINVAL
  }

  /// Takes hugepages for a file, one after the other.
  private static func takeHugepages(_ file: Int32, _ length: Int, page: Int) throws(Failure) {
    var offset = 0
    while offset < length {
      _ = try check(sys_allocate(file, Int64(offset), Int64(page))) {
        Failure($0, "no hugepages for ").number(length).text(" bytes: ").reason($0)
      }
      offset += page
    }
  }

  /// Takes the caller's memory; its file descriptor is duplicated.
  static func adopt(
    _ memory: UnsafeMutableRawPointer, length: Int, file: Int32, offset: UInt64
  ) throws(Failure) -> Region {
    let page = sys_page_size()
    if UInt(bitPattern: memory) % UInt(page) != 0 || length < page || length % page != 0 {
      throw Failure(EINVAL, "memory: start and memory_length must be multiples of the page size, ").number(page)
    }
    guard file >= 0 else {
      return unsafe Region(base: memory, length: length, file: -1, offset: 0, hugePage: 0, mappedHere: false)
    }
    let size = try check(sys_file_size(file)) { Failure($0, "memory_fd: ").reason($0) }
    if offset % UInt64(page) != 0 || UInt64(size) < offset || UInt64(size) - offset < UInt64(length) {
      throw Failure(EINVAL, "memory_offset and memory_length lie outside the ").number(size).text(" bytes of memory_fd")
    }
    let copy = try check(sys_dup(file)) { Failure($0, "memory_fd cannot be duplicated: ").reason($0) }
    return unsafe Region(base: memory, length: length, file: copy, offset: offset, hugePage: 0, mappedHere: false)
  }

  /// Gets ready for a process that shares the memory and takes hugepages out of its file: to touch what is not there would
  /// end this process, which finds zeroes instead.
  func expectHoles() throws(Failure) {
    if hugePage == 0 { return }
    _ = try check(unsafe memory_guard_share(base, length)) {
      Failure($0, "hugepages cannot be shared with a back-end: ").reason($0)
    }
  }

  func destroy() {
    if hugePage != 0 { unsafe memory_guard_unshare(base) }
    if mappedHere { unsafe _ = sys_unmap(base, length) }
    if file >= 0 { _ = sys_close(file) }
  }

  private static func map(
    _ wanted: Int, page: Int, flags: UInt32, _ reach: AddressRange, at place: UInt
  ) throws(Failure) -> Region {
    let length = (max(wanted, 1) + page - 1) / page * page
    var file = File(
      owning: try check(unsafe sys_memfd("vionet", UInt32(MFD_CLOEXEC) | UInt32(MFD_ALLOW_SEALING) | flags)) {
        Failure($0, "cannot make a memfd: ").reason($0)
      })
    _ = try check(sys_ftruncate(file.number, Int64(length))) {
      Failure($0, "no memory for ").number(length).text(" bytes shared with the device: ").reason($0)
    }
    if flags != 0 { try takeHugepages(file.number, length, page: page) }
    _ = try check(sys_seal(file.number)) { Failure($0, "cannot seal a memfd: ").reason($0) }
    guard
      let base = unsafe LowMapping.map(
        length, alignment: page, file.number, from: reach.first, to: reach.last, at: place)
    else {
      throw Failure(ENOMEM, "cannot map ").number(length).text(" bytes shared with the device")
    }
    return unsafe Region(
      base: base, length: length, file: file.take(), offset: 0, hugePage: flags == 0 ? 0 : page, mappedHere: true)
  }
}
