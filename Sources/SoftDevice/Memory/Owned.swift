// SPDX-License-Identifier: BSD-2-Clause
//
// The owner of a value on the heap, which goes with it unless it was handed over. Like File it belongs to this module:
// Embedded Swift does not run the deinit of a non-copyable type of another one.

import CLinux
import Linux

struct Owned<Value: ~Copyable>: ~Copyable {
  let cell: Cell<Value>
  private var isHandedOver = false

  init(_ value: consuming Value, for purpose: StaticString) throws(Failure) {
    guard let cell = Cell.make(value) else { throw Failure(ENOMEM, "no memory for ").text(purpose) }
    self.cell = cell
  }

  deinit { if !isHandedOver { cell.destroy() } }

  /// Hands the value over to the caller, who destroys it.
  mutating func take() -> Cell<Value> {
    isHandedOver = true
    return cell
  }
}
