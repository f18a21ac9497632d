// SPDX-License-Identifier: BSD-2-Clause
//
// Memory that a device may touch: a sealed memfd of our own, or the caller's memory with a file behind it. The seal
// keeps a back-end from shrinking the file, which would turn our next read into SIGBUS. Only rings and packet data lie
// in regions.

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

  var address: UInt64 { unsafe UInt64(UInt(bitPattern: base)) }
  /// The whole region, as a bus shares it with a device.
  var asShared: SharedRegion {
    SharedRegion(address: address, length: UInt64(length), file: file, offset: offset)
  }

  /// Maps zeroed memory, within reach of a device if there is room. Uses hugepages if enough are free.
  static func make(_ length: Int, hugepages: Bool, within reach: AddressRange = AddressRange()) throws(Failure)
    -> Region
  {
    if hugepages,
      let region = Failure.quietly({ () throws(Failure) in
        try map(length, page: 2 << 20, flags: UInt32(MFD_HUGETLB), reach)
      })
    {
      return region
    }
    let region = try map(length, page: sys_page_size(), flags: 0, reach)
    // Transparent hugepages, where the system allows them for shared memory.
    unsafe _ = sys_advise(region.base, region.length, MADV_HUGEPAGE)
    return region
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

  func destroy() {
    if mappedHere { unsafe _ = sys_unmap(base, length) }
    if file >= 0 { _ = sys_close(file) }
  }

  private static func map(_ wanted: Int, page: Int, flags: UInt32, _ reach: AddressRange) throws(Failure) -> Region {
    let length = (max(wanted, 1) + page - 1) / page * page
    let file = try check(unsafe sys_memfd("vionet", UInt32(MFD_CLOEXEC) | UInt32(MFD_ALLOW_SEALING) | flags)) {
      Failure($0, "cannot make a memfd: ").reason($0)
    }
    do throws(Failure) {
      _ = try check(sys_ftruncate(file, Int64(length))) {
        Failure($0, "no memory for ").number(length).text(" bytes shared with the device: ").reason($0)
      }
      _ = try check(sys_seal(file)) { Failure($0, "cannot seal a memfd: ").reason($0) }
      guard let base = unsafe LowMapping.map(length, alignment: page, file, from: reach.first, to: reach.last) else {
        throw Failure(ENOMEM, "cannot map ").number(length).text(" bytes shared with the device")
      }
      return unsafe Region(
        base: base, length: length, file: file, offset: 0, hugePage: flags == 0 ? 0 : page, mappedHere: true)
    } catch {
      _ = sys_close(file)
      throw error
    }
  }
}
