// SPDX-License-Identifier: BSD-2-Clause
//
// Physical addresses, for devices without an IOMMU (UIO). Pages are locked first. A range can be used only if its
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
    let address = try check(unsafe sys_physical_address(base + offset)) {
      let failure = Failure($0, "cannot find the physical address of shared memory: ").reason($0)
      return $0 == EPERM ? failure.text("; a port through uio_pci_generic needs CAP_SYS_ADMIN") : failure
    }
    return UInt64(address)
  }
}
