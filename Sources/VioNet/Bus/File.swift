// SPDX-License-Identifier: BSD-2-Clause
//
// Who owns a file descriptor in this module. The owner closes it at the end of its life, so that a thing that fails half
// made undoes itself. The type belongs to this module, because Embedded Swift does not run the deinit of
// another module's type.

import CLinux
import Linux

/// An open file descriptor, or none (-1).
struct File: ~Copyable {
  private(set) var number: Int32

  init(owning number: Int32) { self.number = number }

  deinit { if number >= 0 { _ = sys_close(number) } }

  static var none: File { File(owning: -1) }

  var isOpen: Bool { number >= 0 }

  /// The descriptor for whoever uses it and does not close it.
  var borrowed: Descriptor { Descriptor(owning: number) }

  mutating func close() { self = .none }

  /// Hands the descriptor to somebody else, who closes it.
  mutating func take() -> Int32 {
    let taken = number
    number = -1
    return taken
  }

  static func event() throws(Failure) -> File {
    var made = try Descriptor.event()
    return File(owning: made.take())
  }

  /// None if no eventfd is left, without a sentence about it.
  static func eventIfPossible() -> File {
    var made = Failure.quietly { () throws(Failure) in try Descriptor.event() } ?? .none
    return File(owning: made.take())
  }

  static func watcher() throws(Failure) -> File {
    var made = try Descriptor.watcher()
    return File(owning: made.take())
  }

  /// Opens a path for reading and writing; `explain` makes the sentence of a failure.
  static func open(_ path: Path, _ explain: (Int32) -> Failure) throws(Failure) -> File {
    File(owning: try check(path.open(O_RDWR), explain))
  }
}
