// SPDX-License-Identifier: BSD-2-Clause
//
// The IOMMU groups that this process has open, in static storage: a list, and the lock of whoever works on it.

import CLinux
import Linux

struct VFIOGroupTable {
  var lock: SpinLock
  /// Address of the first group in the list, 0 for none; each leads to the next.
  var first: UInt

  // Safety: the block is static and holds nothing else.
  static var shared: Cell<VFIOGroupTable> { unsafe Cell(raw: storage_groups()) }
}
