// SPDX-License-Identifier: BSD-2-Clause
//
// A short text that a device remembers: a path, an interface, a pipe. Text is a view of the caller's memory and ends with
// the call.

import CLinux
import Linux

// Safety: `storage` has a zero behind its `count` bytes, and outlives each call that it is given to.
struct Name {
  static let room = 256
  private var storage = InlineArray<256, CChar>(repeating: 0)
  private(set) var count = 0

  init() {}

  /// Nil if the text is longer than 255 bytes or has a zero inside.
  init?(_ text: Text) {
    if text.count >= Self.room || text.firstIndex(of: 0) != nil { return nil }
    count = text.count
    unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      let target = unsafe UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: CChar.self)
      unsafe text.copy(to: target, room: Self.room)
    }
  }

  var isEmpty: Bool { count == 0 }

  /// Calls `body` with the name as a C string.
  func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    unsafe withUnsafePointer(to: storage) { pointer in
      unsafe body(UnsafeRawPointer(pointer).assumingMemoryBound(to: CChar.self))
    }
  }

  /// The address of the socket at this path; nil if the path is longer than 107 bytes.
  var socketAddress: sockaddr_un? {
    unsafe withCString { string in SocketFile.address(unsafe Text(start: string, count: count)) }
  }

  func equals(_ other: borrowing Name) -> Bool {
    if count != other.count { return false }
    var index = 0
    while index < count {
      if storage[index] != other.storage[index] { return false }
      index += 1
    }
    return true
  }
}

extension Failure {
  // Safety: the text ends with the C string it is a view of.
  /// Puts a name in quotation marks.
  func quoting(_ name: Name) -> Failure {
    unsafe name.withCString { string in
      unsafe quoting(Text(start: string, count: name.count))
    }
  }
}
