// SPDX-License-Identifier: BSD-2-Clause
//
// A file's name or another short one, put together piece by piece in a fixed room or copied from a caller's text. A name
// that does not fit is cut, and then names no file.

import CLinux

// Safety: `bytes` has a zero behind its `count` bytes, and outlives each call that it is given to.
@safe
package struct Path {
  private var bytes = InlineArray<256, CChar>(repeating: 0)
  private var count = 0

  package init(_ text: StaticString) { append(Text(text)) }

  package init() {}

  /// Nil if the text is longer than 255 bytes or has a zero inside.
  package init?(exactly text: Text) {
    if text.count > 255 || text.firstIndex(of: 0) != nil { return nil }
    append(text)
  }

  package var isEmpty: Bool { count == 0 }

  package func equals(_ other: borrowing Path) -> Bool {
    if count != other.count { return false }
    for place in 0..<count where bytes[place] != other.bytes[place] { return false }
    return true
  }

  package func adding(_ text: StaticString) -> Path { adding(Text(text)) }

  @inline(never)
  package func adding(_ text: Text) -> Path {
    var longer = self
    longer.append(text)
    return longer
  }

  @inline(never)
  package func adding(_ other: Path) -> Path {
    var longer = self
    for place in 0..<other.count { longer.append(UInt8(bitPattern: other.bytes[place])) }
    return longer
  }

  package func adding(number: UInt32) -> Path {
    var longer = self
    longer.append(number: number, base: 10, width: 1)
    return longer
  }

  @inline(never)
  package mutating func append(_ text: Text) {
    for place in 0..<text.count { append(text[place]) }
  }

  @inline(never)
  package mutating func append(_ byte: UInt8) {
    if count < 255 {
      bytes[count] = CChar(bitPattern: byte)
      count += 1
    }
  }

  /// Cuts the last part of a path off, with the slash before it; false if nothing is left to cut.
  package mutating func dropLast() -> Bool {
    if count == 0 { return false }
    while count > 0 {
      count -= 1
      let isSlash = bytes[count] == 0x2f
      bytes[count] = 0
      if isSlash { break }
    }
    return true
  }

  /// At least `width` lower-case digits.
  @inline(never)
  package mutating func append(number: UInt32, base: UInt32, width: Int) {
    var digits = InlineArray<12, UInt8>(repeating: 0)
    var length = 0
    var rest = number
    repeat {
      let digit = UInt8(truncatingIfNeeded: rest % base)
      digits[length] = digit < 10 ? 0x30 + digit : 0x57 + digit
      rest /= base
      length += 1
    } while length < 10 && (rest > 0 || length < width)
    while length > 0 {
      length -= 1
      append(digits[length])
    }
  }

  /// Calls `body` with the name as a C string.
  package func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    unsafe withUnsafeBytes(of: bytes) { raw in
      unsafe body(raw.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CChar.self))
    }
  }
}

// Safety: the C string outlives the call.
extension Path {
  /// A descriptor of the file, or a negative errno.
  @inline(never)
  package func open(_ flags: Int32) -> Int32 { unsafe withCString { name in unsafe sys_open(name, flags, 0) } }

  /// Negative if this process may not read and write the file, which is not opened.
  @inline(never)
  package func mayUse() -> Int32 { unsafe withCString { name in unsafe sys_may_use(name) } }
}

extension Path {
  /// The address of the socket at this path; nil if the path is longer than 107 bytes.
  // Safety: the text ends with the C string it is a view of.
  package var socketAddress: sockaddr_un? {
    unsafe withCString { name in SocketFile.address(unsafe Text(start: name, count: count)) }
  }

  // Safety: as in socketAddress.
  fileprivate func add(to failure: Failure, isQuoted: Bool) -> Failure {
    unsafe withCString { name in
      let text = unsafe Text(start: name, count: count)
      return isQuoted ? failure.quoting(text) : failure.plain(text)
    }
  }
}

extension Failure {
  /// Adds the name of a file.
  package func plain(_ path: Path) -> Failure { path.add(to: self, isQuoted: false) }

  /// Adds a name in quotation marks.
  package func quoting(_ path: Path) -> Failure { path.add(to: self, isQuoted: true) }
}
