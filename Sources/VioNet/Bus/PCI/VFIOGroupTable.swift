// SPDX-License-Identifier: BSD-2-Clause
//
// The IOMMU groups that this process has open: a list in static storage, and its lock.

import CLinux
import Linux

struct VFIOGroupTable {
  var lock: SpinLock
  /// Address of the first group in the list; 0 if there is none.
  var first: UInt

  // Safety: the block is static and holds nothing else.
  static var shared: Cell<VFIOGroupTable> { unsafe Cell(raw: storage_groups()) }
}
