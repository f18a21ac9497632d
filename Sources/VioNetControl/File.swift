// SPDX-License-Identifier: BSD-2-Clause
//
// The owner of a file descriptor. Each module has one of its own, because Embedded Swift does not run the deinit of a
// non-copyable type of another module.

import CLinux

/// An open file descriptor, which closes itself.
struct File: ~Copyable {
  let number: Int32

  init(owning number: Int32) { self.number = number }

  deinit { _ = sys_close(number) }
}
