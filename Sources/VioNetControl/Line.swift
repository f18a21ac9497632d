// SPDX-License-Identifier: BSD-2-Clause
//
// One line from a connection. Bytes behind its end stay in the socket, so a client that sends more than it is served
// fills its own socket and not our memory.

import CLinux
import Linux

struct Line: ~Copyable {
  /// Bytes of the longest request, its newline included.
  static let room = 4096

  enum Progress {
    case complete, partial
    /// No more bytes will come.
    case ended
  }

  private let bytes: Table<CChar>
  private(set) var count = 0

  /// Nil if there is no memory.
  init?() {
    guard let bytes = Table<CChar>.make(count: Line.room) else { return nil }
    self.bytes = bytes
  }

  deinit { bytes.destroy() }

  var isFull: Bool { count == Line.room }

  mutating func clear() { count = 0 }

  /// Receives what has arrived, but nothing behind the first newline.
  // Safety: the two calls write at most `room - count` bytes behind the `count` that are in use.
  mutating func receive(from socket: Int32) -> Progress {
    let end = unsafe bytes.base + count
    let arrived = unsafe sys_peek(socket, end, Line.room - count)
    if arrived == -Int(EAGAIN) || arrived == -Int(EINTR) { return .partial }
    if arrived <= 0 { return .ended }
    let newline = unsafe Text(start: end, count: arrived).firstIndex(of: UInt8(ascii: "\n"))
    let received = unsafe sys_read(socket, end, newline.map { $0 + 1 } ?? arrived)
    if received <= 0 { return .ended }
    count += received
    return newline == nil ? .partial : .complete
  }

  /// The complete line without its newline or CR LF; nil if a byte of it is zero, so that it is no text. Valid until the
  /// next receive().
  // Safety: the text is within the `count` bytes that were received.
  mutating func take() -> Text? {
    let line = unsafe Text(start: bytes.base, count: count - 1)
    count = 0
    if line.firstIndex(of: 0) != nil { return nil }
    return line[line.count - 1] == UInt8(ascii: "\r") ? line.slice(0, line.count - 1) : line
  }
}
