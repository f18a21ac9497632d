// SPDX-License-Identifier: BSD-2-Clause
//
// File descriptors that close themselves, and the clock.

import CLinux

/// An open file descriptor; closed at the end of its life.
package struct Descriptor: ~Copyable {
  package private(set) var number: Int32

  package init(owning number: Int32) { self.number = number }

  deinit { if number >= 0 { _ = sys_close(number) } }

  /// Hands the descriptor to somebody else, who closes it.
  package consuming func release() -> Int32 {
    let released = number
    number = -1
    return released
  }

  /// A second descriptor of the same file.
  package func duplicate() throws(Failure) -> Descriptor {
    Descriptor(
      owning: try check(sys_dup(number)) { Failure($0, "no file descriptor left: ").reason($0) })
  }

  package static func event() throws(Failure) -> Descriptor {
    Descriptor(owning: try check(sys_eventfd(0)) { Failure($0, "cannot make an eventfd: ").reason($0) })
  }
}

/// A moment on the monotonic clock after which waiting ends.
package struct Deadline: Sendable {
  let nanoseconds: UInt64

  package init(milliseconds: Int) { nanoseconds = sys_nanoseconds() &+ UInt64(milliseconds) &* 1_000_000 }

  package var hasPassed: Bool { sys_nanoseconds() >= nanoseconds }

  /// Milliseconds left, rounded up, for poll(); 0 when it has passed.
  package var remaining: Int32 {
    let now = sys_nanoseconds()
    return now >= nanoseconds ? 0 : Int32(clamping: (nanoseconds - now + 999_999) / 1_000_000)
  }
}
