// SPDX-License-Identifier: BSD-2-Clause
//
// The BARs of a function that are mapped, each as a whole: structures of registers often share one.

import CLinux
import Linux

@safe
struct BARMappings {
  private var bases = InlineArray<6, UInt>(repeating: 0)
  private var lengths = InlineArray<6, Int>(repeating: 0)

  /// Where a block lies in memory; its BAR is mapped if it is not yet. The block was checked against the BAR.
  mutating func place(_ block: RegisterBlock, _ hold: PCIHold) throws(Failure) -> Shared {
    if bases[block.bar] == 0 {
      let length = Int(clamping: hold.memoryLength(bar: block.bar))
      let base = try hold.map(bar: block.bar, length: length)
      bases[block.bar] = UInt(base.address)
      lengths[block.bar] = length
    }
    let base = unsafe UnsafeMutableRawPointer(bitPattern: bases[block.bar]).unsafelyUnwrapped
    return unsafe Shared(base + Int(block.offset))
  }

  func unmap() {
    for bar in 0..<6 {
      if let base = unsafe UnsafeMutableRawPointer(bitPattern: bases[bar]) { unsafe _ = sys_unmap(base, lengths[bar]) }
    }
  }
}
