// SPDX-License-Identifier: BSD-2-Clause
//
// A view of bytes that the caller keeps: a C string, or a part of one. Swift's String would bring its Unicode tables and
// its allocations into the library.

import CLinux

// Safety: the maker gives `count` bytes that outlive the text; the subscript, slice() and copy() stay inside them.
@safe
package struct Text {
  let start: UnsafePointer<CChar>
  package let count: Int

  package init(start: UnsafePointer<CChar>, count: Int) {
    unsafe self.start = start
    self.count = count
  }

  /// A zero-terminated string; at most `limit` bytes of it are looked at.
  package init?(_ string: UnsafePointer<CChar>?, limit: Int) {
    guard let string = unsafe string else { return nil }
    unsafe self.init(start: string, count: strnlen(string, limit))
  }

  package init(_ text: StaticString) {
    let start = unsafe UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
    unsafe self.init(start: start, count: text.utf8CodeUnitCount)
  }

  package var isEmpty: Bool { count == 0 }

  /// The byte at `index`, 0 beyond the end.
  package subscript(index: Int) -> UInt8 {
    index >= 0 && index < count ? unsafe UInt8(bitPattern: start[index]) : 0
  }

  /// Bytes from `from` up to, not including, `to`; both are cut to what there is.
  package func slice(_ from: Int, _ to: Int) -> Text {
    let low = min(max(from, 0), count)
    let high = min(max(to, low), count)
    return unsafe Text(start: start + low, count: high - low)
  }

  package func firstIndex(of byte: UInt8) -> Int? {
    var index = 0
    while index < count {
      if self[index] == byte { return index }
      index += 1
    }
    return nil
  }

  /// The texts before and behind the first `separator`; nil if there is none.
  @inline(never)
  package func split(at separator: UInt8) -> (head: Text, tail: Text)? {
    guard let index = firstIndex(of: separator) else { return nil }
    return (slice(0, index), slice(index + 1, count))
  }

  @inline(never)
  package func equals(_ other: Text) -> Bool {
    unsafe count == other.count && memcmp(start, other.start, count) == 0
  }

  package func equals(_ text: StaticString) -> Bool { equals(Text(text)) }

  /// The decimal number that this text is, if it is one and fits.
  package var unsignedNumber: UInt64? {
    if count == 0 || count > 19 { return nil }
    var value: UInt64 = 0
    var index = 0
    while index < count {
      let digit = self[index] &- 0x30
      if digit > 9 { return nil }
      value = value &* 10 &+ UInt64(digit)
      index += 1
    }
    return value
  }

  /// The value of the hexadecimal digit at `index`, if it is one.
  @inline(never)
  private func hexDigit(_ index: Int) -> UInt8? {
    let character = self[index]
    return switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
    default: nil
    }
  }

  /// The hexadecimal number that this text is, with nothing before it, if it is one and fits.
  @inline(never)
  package var hexNumber: UInt64? {
    if count == 0 || count > 16 { return nil }
    var value: UInt64 = 0
    for index in 0..<count {
      guard let digit = hexDigit(index) else { return nil }
      value = value << 4 | UInt64(digit)
    }
    return value
  }

  /// Six bytes like "02:00:00:00:00:01" as a number, the first of them highest.
  @inline(never)
  package var ethernetAddress: UInt64? {
    if count != 17 { return nil }
    var value: UInt64 = 0
    for place in 0..<6 {
      guard let byte = slice(place * 3, place * 3 + 2).hexNumber else { return nil }
      if place < 5 && self[place * 3 + 2] != UInt8(ascii: ":") { return nil }
      value = value << 8 | byte
    }
    return value
  }

  /// Copies the text and a final zero to `target`, cut to fit. True if the whole text fitted.
  @discardableResult
  package func copy(to target: UnsafeMutablePointer<CChar>, room: Int) -> Bool {
    let length = min(count, room - 1)
    unsafe target.update(from: start, count: length)
    unsafe target[length] = 0
    return length == count
  }

  /// Calls `body` with the text as a zero-terminated C string of at most 255 bytes; nil if it is longer or has a
  /// zero inside.
  package func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result? {
    if count > 255 || firstIndex(of: 0) != nil { return nil }
    return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      guard let base = buffer.baseAddress else { return nil }
      unsafe copy(to: base, room: 256)
      return unsafe body(UnsafePointer(base))
    }
  }
}
