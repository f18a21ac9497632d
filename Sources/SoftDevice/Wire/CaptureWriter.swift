// SPDX-License-Identifier: BSD-2-Clause
//
// Records frames in a capture file. Records gather in a buffer that is written when it is full, when the device falls
// idle, and at its end, by the device's own thread: that blocks the signals of a reader that has left (SIGPIPE) and of a
// file that is too large (SIGXFSZ).
//
// A FIFO takes what it has room for and never blocks: frames that find the buffer full are lost and counted. While nobody
// reads it the wire is down; each reader gets a capture with a header of its own.

import CLinux
import Linux

// Safety: what is written lies inside `block`; names and poll()'s structure outlive the calls that use them.
struct CaptureWriter: ~Copyable {
  private enum State { case open, unread, broken }

  private static let room = 8 * 65536
  /// Nanoseconds between two looks for a reader, and milliseconds that one has to take the last frames.
  private static let interval: UInt64 = 50_000_000
  private static let patience = 500

  private let name: Path
  private let heads: CaptureHeads
  private let block: Block
  private let report: WireReport
  private let isFIFO: Bool
  private let isRegular: Bool
  private var file: File
  private var state = State.open
  /// Bytes in the buffer, and those of them that were written. The buffer begins with a record, behind `lead` bytes of
  /// the file's header.
  private var filled = 0
  private var written = 0
  private var lead = 0
  /// Bytes written before those in the buffer.
  private var position: Int64 = 0
  private var nextTry: UInt64 = 0

  init(_ name: Path, _ heads: CaptureHeads, _ report: WireReport) throws(Failure) {
    let number = Self.open(name)
    let isFIFO = unsafe name.withCString { unsafe sys_is_fifo_path($0) } == 1
    let isUnread = isFIFO && number == -ENXIO
    if !isUnread {
      _ = try check(number) { code in Failure(code, "capture ").quoting(name).text(": ").reason(code) }
    }
    let file = File(owning: number)
    let block = try Block(Self.room)
    if isUnread {
      state = .unread
    } else {
      filled = heads.begin(in: block.bytes).count
      lead = filled
      written = try Self.begin(file.number, block.bytes.first(filled), name)
    }
    isRegular = number >= 0 && sys_is_regular(number) == 1
    self.file = file
    self.block = block
    self.isFIFO = isFIFO
    self.name = name
    self.heads = heads
    self.report = report
  }

  private static func open(_ name: Path) -> Int32 {
    let flags = O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK
    return unsafe name.withCString { unsafe sys_open($0, flags, 0o644) }
  }

  /// Writes the file's header, on whatever thread opens it, and returns how much of it the file took.
  private static func begin(_ file: Int32, _ header: Bytes, _ name: Path) throws(Failure) -> Int {
    let wrote = unsafe sys_write_quietly(file, header.base, header.count)
    if wrote == -Int(EAGAIN) { return 0 }
    _ = try check(wrote < 0 ? Int32(truncatingIfNeeded: wrote) : 0) { unwritable(name, $0) }
    return wrote
  }

  mutating func write(_ frame: Frame) -> Taking {
    let kept = min(frame.count, heads.snapLength)
    let size = heads.size(kept)
    if filled + size > Self.room {
      flush()
      makeRoom()
    }
    if state != .open || filled + size > Self.room { return .refused }
    let record = block.bytes.dropping(filled).first(size)
    let data = heads.write(to: record, kept: kept, of: frame.count)
    frame.copy(to: data)
    frame.completeChecksum(in: data)
    filled += size
    return .taken
  }

  /// Writes what has gathered, as much as the file takes.
  mutating func flush() {
    while state == .open && written < filled {
      let rest = block.bytes.dropping(written).first(filled - written)
      let wrote = unsafe sys_write(file.number, rest.base, rest.count)
      if wrote == -Int(EINTR) { continue }
      if wrote == -Int(EAGAIN) { return }
      if wrote <= 0 { return fail(wrote == 0 ? EIO : Int32(truncatingIfNeeded: 0 - wrote)) }
      written += wrote
    }
    if state == .open { forget(filled) }
  }

  /// Takes records that were written whole out of the buffer.
  private mutating func makeRoom() {
    if state == .open { forget(walk(upTo: written).bytes) }
  }

  private mutating func forget(_ bytes: Int) {
    if bytes == 0 { return }
    let rest = block.bytes.dropping(bytes).first(filled - bytes)
    unsafe _ = memmove(block.bytes.base, rest.base, rest.count)
    position += Int64(bytes)
    filled -= bytes
    written -= bytes
    lead = 0
  }

  /// Records of the buffer that end in its first `limit` bytes, and the bytes up to the end of the last.
  private func walk(upTo limit: Int) -> (records: Int, bytes: Int) {
    var at = lead <= limit ? lead : 0
    var records = 0
    while at < filled && at >= lead {
      let next = at + heads.size(of: block.bytes.dropping(at))
      if next > limit { break }
      at = next
      records += 1
    }
    return (records, at)
  }
}

// Ends, and readers of a FIFO.

extension CaptureWriter {
  private static func unwritable(_ name: Path, _ code: Int32) -> Failure {
    Failure(code, "capture ").quoting(name).text(" cannot be written: ").reason(code)
  }

  /// What is in the buffer is lost. A file keeps its whole records.
  private mutating func fail(_ code: Int32) {
    let isUnread = code == EPIPE && isFIFO
    let whole = walk(upTo: written)
    if isRegular { _ = sys_ftruncate(file.number, position + Int64(whole.bytes)) }
    report.counters.add(.fromDriverWire, walk(upTo: filled).records - whole.records)
    state = isUnread ? .unread : .broken
    if isUnread { file = File(owning: -1) }
    if !isUnread { report.reason.keep(Self.unwritable(name, code)) }
    filled = 0
    written = 0
    lead = 0
    position = 0
  }

  var whyDown: Failure { Failure(EPIPE, "capture ").quoting(name).text(" is a FIFO that nobody reads") }

  /// Looks whether a FIFO has a reader, and whether the file takes more.
  mutating func look() -> WireState {
    if state == .open && isFIFO && pollEvents(0) & POLLERR != 0 { fail(EPIPE) }
    if state == .unread { findReader() }
    return state == .open ? .up : state == .unread ? .down : .gone
  }

  private mutating func findReader() {
    let now = sys_nanoseconds()
    if now < nextTry { return }
    nextTry = now &+ Self.interval
    let number = Self.open(name)
    if number < 0 { return }
    file = File(owning: number)
    state = .open
    filled = heads.begin(in: block.bytes).count
    lead = filled
    flush()
  }

  // Safety: poll() is given the one structure it is told of.
  private func pollEvents(_ milliseconds: Int32) -> Int32 {
    var request = pollfd(fd: file.number, events: Int16(POLLOUT), revents: 0)
    unsafe _ = sys_poll(&request, 1, milliseconds)
    return Int32(request.revents)
  }

  /// Writes the last frames. A reader of a FIFO that is slow has half a second for them.
  mutating func finish() {
    let deadline = Deadline(milliseconds: Self.patience)
    flush()
    while state == .open && written < filled && !deadline.hasPassed {
      _ = pollEvents(deadline.remaining)
      flush()
    }
  }

  /// Nanoseconds until it is worth a look by itself; nil if it never is.
  var wait: UInt64? { isFIFO && state != .broken ? Self.interval : nil }
}
