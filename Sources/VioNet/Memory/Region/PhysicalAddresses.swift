// SPDX-License-Identifier: BSD-2-Clause
//
// Physical addresses, for devices without an IOMMU. Pages are locked first. A range can be used only if its
// pages follow one another in memory, as they do inside a hugepage.

import CLinux
import Linux

// Safety: the system calls only take addresses inside the region, which is mapped.
extension Region {
  /// Locks the region's pages in memory.
  func lock() throws(Failure) {
    _ = try check(unsafe sys_lock_memory(base, length)) {
      Failure($0, "cannot lock ").number(length).text(" bytes in memory: ").reason($0).lockedMemory()
    }
  }

  /// Physical address of `count` bytes from `offset` on; nil if they are not in one piece.
  func physicalAddress(_ offset: Int, _ count: Int) throws(Failure) -> UInt64? {
    let first = try physicalAddress(offset)
    let page = sys_page_size()
    var next = (offset / page + 1) * page
    while next < offset + count {
      if try physicalAddress(next) != first + UInt64(next - offset) { return nil }
      next += page
    }
    return first
  }

  private func physicalAddress(_ offset: Int) throws(Failure) -> UInt64 {
    let address = try check(unsafe Pagemap.physicalAddress(UInt64(UInt(bitPattern: base + offset)))) {
      let failure = Failure($0, "cannot find the physical address of shared memory: ").reason($0)
      return $0 == EPERM ? failure.text("; a port without an IOMMU needs CAP_SYS_ADMIN") : failure
    }
    return UInt64(address)
  }
}

/// /proc/self/pagemap, which has eight bytes for each page: the frame's number in bits 0 to 54, and bit 63 if the page is
/// in memory (Linux, Documentation/admin-guide/mm/pagemap.rst).
private enum Pagemap {
  /// Where a byte lies physically, or a negative errno: EPERM without CAP_SYS_ADMIN, ENOENT if its page is not in memory.
  // Safety: eight bytes are read into an eight-byte number.
  static func physicalAddress(_ address: UInt64) -> Int64 {
    let page = UInt64(sys_page_size())
    let file = File(owning: Path("/proc/self/pagemap").open(O_RDONLY))
    if !file.isOpen { return Int64(file.number) }
    var entry: UInt64 = 0
    if unsafe sys_pread(file.number, &entry, 8, address / page * 8) != 8 { return -Int64(EIO) }
    if entry >> 63 == 0 { return -Int64(ENOENT) }
    let frame = entry & ((1 << 55) - 1)
    // The number that a process without CAP_SYS_ADMIN is shown is zero.
    return frame == 0 ? -Int64(EPERM) : Int64(frame * page + address % page)
  }
}
