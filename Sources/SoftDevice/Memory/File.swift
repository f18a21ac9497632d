// SPDX-License-Identifier: BSD-2-Clause
//
// A file descriptor that closes itself. Here and not in Linux, because the compiler does not run the deinit of a
// non-copyable type of another module in Embedded Swift; nothing of this type leaves the module.

import CLinux
import Linux

struct File: ~Copyable {
  let number: Int32

  init(owning number: Int32) { self.number = number }

  deinit { if number >= 0 { _ = sys_close(number) } }

  static func event() throws(Failure) -> File {
    File(owning: try check(sys_eventfd(0)) { Failure($0, "cannot make an eventfd: ").reason($0) })
  }
}
