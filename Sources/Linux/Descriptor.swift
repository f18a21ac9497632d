// SPDX-License-Identifier: BSD-2-Clause
//
// File descriptors, and the clock.
//
// A Descriptor is closed by its owner, by name: Embedded Swift does not run the deinit of a non-copyable type of another
// module. Each module therefore has an owner of its own, `File`.

import CLinux

/// An open file descriptor, or none (-1).
package struct Descriptor {
  package private(set) var number: Int32

  package init(owning number: Int32) { self.number = number }

  package static var none: Descriptor { Descriptor(owning: -1) }

  package var isOpen: Bool { number >= 0 }

  package mutating func close() {
    if number >= 0 { _ = sys_close(number) }
    number = -1
  }

  /// Hands the descriptor over to the caller, who closes it. This one is empty from then on.
  package mutating func take() -> Int32 {
    let taken = number
    number = -1
    return taken
  }

  /// A second descriptor of the same file.
  package func duplicate() throws(Failure) -> Descriptor {
    Descriptor(owning: try check(sys_dup(number)) { Failure($0, "no file descriptor left: ").reason($0) })
  }

  package static func event() throws(Failure) -> Descriptor {
    Descriptor(owning: try check(sys_eventfd(0)) { Failure($0, "cannot make an eventfd: ").reason($0) })
  }
}

// An epoll descriptor, which is readable when any of the files is that it watches.
extension Descriptor {
  package static func watcher() throws(Failure) -> Descriptor {
    Descriptor(owning: try check(sys_epoll_create()) { Failure($0, "cannot make an epoll descriptor: ").reason($0) })
  }

  /// Watches a file, if there is one. The end of a connection makes it readable too.
  @inline(never)
  package func watch(_ file: Int32) throws(Failure) {
    if file < 0 { return }
    _ = try check(sys_epoll_add(number, file, EPOLLIN.rawValue, 0)) { Failure($0, "epoll: ").reason($0) }
  }

  /// Watches a file under a token of its own, for marks(). `once`: each signal shows once, and need not be read. `endOnly`:
  /// only the end of a connection shows.
  @inline(never)
  package func watch(_ file: Int32, mark: Int32, once: Bool = false, endOnly: Bool = false) throws(Failure) {
    if file < 0 { return }
    let events = endOnly ? EPOLLRDHUP.rawValue : EPOLLIN.rawValue | (once ? EPOLLET.rawValue : 0)
    _ = try check(sys_epoll_add(number, file, events, UInt64(mark))) { Failure($0, "epoll: ").reason($0) }
  }

  /// Tokens of the files that are readable, or become so in that time, or'ed. 0 also if a signal comes first.
  @inline(never)
  package func marks(within milliseconds: Int32) throws(Failure) -> Int32 {
    let marks = sys_epoll_marks(number, milliseconds)
    return marks == -EINTR ? 0 : try check(marks) { Failure($0, "epoll: ").reason($0) }
  }

  // Safety: poll() is given the one structure it is told of.
  @inline(never)
  package var isReadable: Bool {
    if number < 0 { return false }
    var file = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
    return unsafe sys_poll(&file, 1, 0) > 0
  }

  package func unwatch(_ file: Int32) { if file >= 0 { _ = sys_epoll_remove(number, file) } }
}

/// A moment on the monotonic clock after which waiting ends.
package struct Deadline: Sendable {
  let nanoseconds: UInt64

  private init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  package init(milliseconds: Int) { nanoseconds = sys_nanoseconds() &+ UInt64(milliseconds) &* 1_000_000 }

  /// So many milliseconds from now, or the other moment if that comes first.
  @inline(never)
  package init(milliseconds: Int, within other: Deadline) {
    nanoseconds = min(Deadline(milliseconds: milliseconds).nanoseconds, other.nanoseconds)
  }

  package static var never: Deadline { Deadline(nanoseconds: .max / 2) }

  package func earlier(by milliseconds: Int) -> Deadline {
    let time = UInt64(milliseconds) &* 1_000_000
    return Deadline(nanoseconds: nanoseconds > time ? nanoseconds &- time : 0)
  }

  package var hasPassed: Bool { sys_nanoseconds() >= nanoseconds }

  /// Milliseconds left, rounded up, for poll(); 0 when it has passed.
  package var remaining: Int32 {
    let now = sys_nanoseconds()
    return now >= nanoseconds ? 0 : Int32(clamping: (nanoseconds - now + 999_999) / 1_000_000)
  }
}
