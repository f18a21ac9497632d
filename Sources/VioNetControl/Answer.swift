// SPDX-License-Identifier: BSD-2-Clause
//
// Text on its way to a connection. It grows as it is written, up to a limit, and leaves as the connection reads it.

import CLinux
import Linux

struct Answer: ~Copyable {
  /// Bytes of the longest answer.
  private static let limit = 64 << 20

  private var bytes: Table<CChar>?
  private(set) var count = 0
  private var sent = 0
  /// True if there was no memory for all of it.
  private(set) var isIncomplete = false

  deinit { bytes?.destroy() }

  var isEmpty: Bool { count == 0 }

  var hasUnsent: Bool { sent < count }

  /// Gives the memory back.
  mutating func clear() {
    bytes?.destroy()
    bytes = nil
    count = 0
    sent = 0
    isIncomplete = false
  }

  /// Marks the answer as one that lacks something.
  mutating func setIncomplete() { isIncomplete = true }
}

// MARK: Writing

extension Answer {
  @inline(never)
  mutating func add(_ text: StaticString) { add(Text(text)) }

  @inline(never)
  // Safety: reserve() made room for the whole text and a zero behind the `count` bytes in use.
  mutating func add(_ text: Text) {
    guard let end = unsafe reserve(text.count + 1) else { return }
    unsafe text.copy(to: end, room: text.count + 1)
    count += text.count
  }

  /// Adds a string of the program or its user. Bytes that are not printable ASCII become '?', so that it stays on its
  /// line; with `escaping`, quotation marks and backslashes are escaped as in a label of Prometheus.
  @inline(never)
  mutating func add(printable text: Text, escaping: Bool = false) {
    for place in 0..<text.count {
      let byte = text[place]
      if escaping && (byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")) { add(byte: UInt8(ascii: "\\")) }
      add(byte: byte < 0x20 || byte > 0x7e ? UInt8(ascii: "?") : byte)
    }
  }

  /// Adds the C string in an array of `char`, which is imported as a tuple.
  // Safety: the text is bounded by the tuple and used before the closure ends.
  mutating func add<Room>(string room: inout Room, escaping: Bool = false) {
    unsafe withUnsafeBytes(of: &room) { bytes in
      let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
      if let text = unsafe Text(start, limit: bytes.count) { add(printable: text, escaping: escaping) }
    }
  }

  mutating func add(number: some FixedWidthInteger & UnsignedInteger) { add(UInt64(number), base: 10, width: 1) }

  /// Adds at least `width` lower-case digits.
  mutating func add(hex number: some FixedWidthInteger & UnsignedInteger, width: Int) {
    add(UInt64(number), base: 16, width: width)
  }

  /// Adds the number with at least `width` digits, 20 at most.
  @inline(never)
  mutating func add(_ number: UInt64, base: UInt64, width: Int) {
    var digits = InlineArray<20, UInt8>(repeating: UInt8(ascii: "0"))
    var first = digits.count
    var rest = number
    repeat {
      first -= 1
      let digit = UInt8(truncatingIfNeeded: rest % base)
      digits[first] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
      rest /= base
    } while rest > 0
    for place in min(first, digits.count - width)..<digits.count { add(byte: digits[place]) }
  }

  /// Adds "error CODE SENTENCE" with this thread's sentence.
  // Safety: the sentence is a C string that stays until this thread's next failure.
  mutating func add(_ failure: Failure) {
    add("error ")
    add(number: failure.code.magnitude)
    add(" ")
    if let sentence = unsafe Text(sentence_get(Int32(SENTENCE_ERROR)), limit: 400) { add(printable: sentence) }
    add("\n")
  }

  /// Adds another answer as it is.
  // Safety: `other` cannot change while it is borrowed, and `count` of its bytes are in use.
  mutating func add(_ other: borrowing Answer) {
    if let bytes = other.bytes { add(unsafe Text(start: bytes.base, count: other.count)) }
  }

  @inline(never)
  // Safety: reserve() made room for one byte behind the `count` bytes in use.
  private mutating func add(byte: UInt8) {
    guard let end = unsafe reserve(1) else { return }
    unsafe end.pointee = CChar(bitPattern: byte)
    count += 1
  }

  /// Where the next `more` bytes go; nil if the answer would become too long or there is no memory.
  @inline(never)
  // Safety: the table has at least `count + more` bytes then.
  private mutating func reserve(_ more: Int) -> UnsafeMutablePointer<CChar>? {
    if let bytes, count + more <= bytes.count, !isIncomplete { return unsafe bytes.base + count }
    if isIncomplete || count + more > Answer.limit || !Table.reserve(max(more, 512), behind: count, in: &bytes) {
      isIncomplete = true
    }
    guard let bytes, !isIncomplete else { return nil }
    return unsafe bytes.base + count
  }
}

// MARK: Sending

extension Answer {
  /// Sends all of it with two files. False if the socket does not take it at once.
  // Safety: the `count` bytes are in use, and the call reads two descriptors.
  func send(to socket: Int32, files: InlineArray<2, Int32>) -> Bool {
    guard let bytes else { return false }
    var files = files
    return unsafe withUnsafeBytes(of: &files) { files in
      unsafe sys_send(socket, bytes.base, count, files.baseAddress?.assumingMemoryBound(to: Int32.self), 2) == count
    }
  }

  enum Sending {
    case finished, blocked
    /// The other side is gone.
    case failed
  }

  /// Sends what the socket takes without waiting; a finished answer is empty afterwards.
  // Safety: the bytes from `sent` to `count` are in use.
  mutating func send(to socket: Int32) -> Sending {
    while let bytes, hasUnsent {
      let taken = unsafe sys_send(socket, bytes.base + sent, count - sent, nil, 0)
      if taken == -Int(EAGAIN) || taken == -Int(EINTR) { return .blocked }
      if taken < 0 { return .failed }
      sent += taken
    }
    clear()
    return .finished
  }
}
