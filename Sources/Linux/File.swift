// SPDX-License-Identifier: BSD-2-Clause
//
// Who owns a file descriptor while a function of this module uses it. The owner closes it when the function ends, on every
// way out.

import CLinux

/// An open file descriptor, or a negative errno.
struct File: ~Copyable {
  private(set) var number: Int32

  init(owning number: Int32) { self.number = number }

  deinit { if number >= 0 { _ = sys_close(number) } }

  var isOpen: Bool { number >= 0 }

  mutating func close() { self = File(owning: -1) }

  /// Hands the descriptor to somebody else, who closes it.
  consuming func take() -> Int32 {
    let taken = number
    number = -1
    return taken
  }
}
