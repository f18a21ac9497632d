// SPDX-License-Identifier: BSD-2-Clause
//
// A request taken apart: words between blanks, numbers, lists.

import CLinux
import Linux

/// The words of a request from left to right, as views of its line.
struct Words {
  private var rest: Text

  init(_ line: Text) { rest = line }

  /// Nil behind the last word.
  @inline(never)
  mutating func next() -> Text? {
    var start = 0
    while start < rest.count && Words.isBlank(rest[start]) { start += 1 }
    var end = start
    while end < rest.count && !Words.isBlank(rest[end]) { end += 1 }
    let word = rest.slice(start, end)
    rest = rest.slice(end, rest.count)
    return word.isEmpty ? nil : word
  }

  /// Throws if a word is left: "KEY: "WORD" is too much", without "KEY: " if there is no key.
  @inline(never)
  mutating func end(of key: StaticString? = nil) throws(Failure) {
    guard let word = next() else { return }
    var failure = Failure(EINVAL, key ?? "")
    if key != nil { failure = failure.text(": ") }
    throw failure.quoting(word.prefix(32)).text(" is too much")
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
}

/// Lets `switch` compare a word with literals.
@inline(never)
func ~= (literal: StaticString, word: Text) -> Bool { word.equals(literal) }

extension Text {
  /// Bytes that an error quotes of a word that may be long.
  func prefix(_ count: Int) -> Text { slice(0, count) }

  @inline(never)
  func hasPrefix(_ text: StaticString) -> Bool { slice(0, text.utf8CodeUnitCount).equals(text) }

  /// The whole decimal number that this text is; nil if it is none or larger than `most`.
  @inline(never)
  func number(upTo most: UInt64) -> UInt64? {
    var value: UInt64 = 0
    for place in 0..<count {
      let digit = self[place] &- UInt8(ascii: "0")
      if digit > 9 || value > most { return nil }
      value = value &* 10 &+ UInt64(digit)
    }
    return isEmpty || value > most ? nil : value
  }

  /// Calls `body` for each part between commas, empty ones too, until it is false; then false.
  func forEachListed(_ body: (Text) -> Bool) -> Bool {
    var rest = self
    while let (head, tail) = rest.split(at: UInt8(ascii: ",")) {
      if !body(head) { return false }
      rest = tail
    }
    return body(rest)
  }
}
