// SPDX-License-Identifier: BSD-2-Clause
//
// The mapped BARs of a function. Each BAR is mapped as a whole, because several structures of registers often share one.

import CLinux
import Linux

// Safety: every non-zero base is a mapping of `lengths` bytes that only the deinit unmaps.
@safe
struct BARMappings: ~Copyable {
  private var bases = InlineArray<6, UInt>(repeating: 0)
  private var lengths = InlineArray<6, Int>(repeating: 0)

  /// Returns where a block lies in memory, and maps its BAR first if need be. The block was checked against the BAR.
  mutating func place(_ block: RegisterBlock, _ access: borrowing PCIAccess) throws(Failure) -> Shared {
    if bases[block.bar] == 0 {
      let length = Int(clamping: access.memoryLength(bar: block.bar))
      let base = try access.map(bar: block.bar, length: length)
      bases[block.bar] = UInt(base.address)
      lengths[block.bar] = length
    }
    let base = unsafe UnsafeMutableRawPointer(bitPattern: bases[block.bar]).unsafelyUnwrapped
    return unsafe Shared(base + Int(block.offset))
  }

  deinit {
    for bar in 0..<6 {
      if let base = unsafe UnsafeMutableRawPointer(bitPattern: bases[bar]) { unsafe _ = sys_unmap(base, lengths[bar]) }
    }
  }
}
