// SPDX-License-Identifier: BSD-2-Clause
//
// A table that grows while it is filled.

import CLinux
import Linux

extension Table {
  /// Makes room for `more` elements behind the first `used`, by copying these to a table at least twice as long. False if
  /// there is no memory; the table is then as it was.
  // Safety: both tables have at least `used` elements, which are trivial.
  static func reserve(_ more: Int, behind used: Int, in table: inout Table?) -> Bool {
    let room = table?.count ?? 0
    if used + more <= room { return true }
    guard let longer = Table.make(count: max(2 * room, used + more)) else { return false }
    if let table { unsafe memcpy(longer.base, table.base, used * MemoryLayout<Element>.stride) }
    table?.destroy()
    table = longer
    return true
  }
}
