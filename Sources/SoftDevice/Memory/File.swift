// SPDX-License-Identifier: BSD-2-Clause
//
// The owner of a file descriptor. Each module has one of its own, because Embedded Swift does not run the deinit of a
// non-copyable type of another module. No value of this type leaves the module.

import CLinux
import Linux

/// An open file descriptor, which closes itself.
struct File: ~Copyable {
  private(set) var number: Int32

  init(owning number: Int32) { self.number = number }

  deinit { if number >= 0 { _ = sys_close(number) } }

  /// Hands the descriptor over to the caller, who closes it.
  mutating func take() -> Int32 {
    let taken = number
    number = -1
    return taken
  }

  static func event() throws(Failure) -> File {
    File(owning: try check(sys_eventfd(0)) { Failure($0, "cannot make an eventfd: ").reason($0) })
  }
}
