// SPDX-License-Identifier: BSD-2-Clause
//
// Records frames in a capture file in the format of libpcap, with microseconds, in this machine's byte order. Records
// gather in a buffer that is written when it is full, when the device falls idle, and at its end.

import CLinux
import Linux

// Safety: what is written lies inside `block`; the name and the time outlive the calls that use them.
struct CaptureWriter: ~Copyable {
  private static let room = 4 * 65536

  private let file: File
  private let block: Block
  private var filled = 0
  /// The file cannot be written any more.
  private var isBroken = false

  init(_ name: Path) throws(Failure) {
    let flags = O_WRONLY | O_CREAT | O_TRUNC
    let file = File(
      owning: try check(unsafe name.withCString { unsafe sys_open($0, flags, 0o644) }) { code in
        Failure(code, "capture ").quoting(name).text(": ").reason(code)
      })
    let block = try Block(Self.room)
    let bytes = block.bytes.first(CaptureFormat.header)
    bytes.store(0, CaptureFormat.microseconds)
    bytes.store(4, UInt16(2))
    bytes.store(6, UInt16(4))
    bytes.store(16, UInt32(CaptureFormat.snapLength))
    bytes.store(20, CaptureFormat.ethernet)
    if !Self.write(file.number, bytes) { throw Failure(EIO, "capture ").quoting(name).text(" cannot be written") }
    self.file = file
    self.block = block
  }

  deinit {
    if !isBroken { _ = Self.write(file.number, block.bytes.first(filled)) }
  }

  /// Writes what has gathered; false if the file does not take it.
  @discardableResult
  mutating func flush() -> Bool {
    if isBroken { return false }
    if !Self.write(file.number, block.bytes.first(filled)) { isBroken = true }
    filled = 0
    return !isBroken
  }

  private static func write(_ file: Int32, _ bytes: Bytes) -> Bool {
    var rest = bytes
    while rest.count > 0 {
      let written = unsafe sys_write(file, rest.base, rest.count)
      if written == -Int(EINTR) { continue }
      if written <= 0 { return false }
      rest = rest.dropping(written)
    }
    return true
  }
}

// Safety: the time lives longer than the call that fills it.
extension CaptureWriter {
  mutating func write(_ frame: Frame) -> Bool {
    let kept = min(frame.count, CaptureFormat.snapLength)
    if filled + CaptureFormat.record + kept > Self.room { flush() }
    if isBroken { return false }
    var now = timespec()
    unsafe _ = clock_gettime(CLOCK_REALTIME, &now)
    let record = block.bytes.dropping(filled)
    record.store(0, UInt32(truncatingIfNeeded: now.tv_sec))
    record.store(4, UInt32(truncatingIfNeeded: now.tv_nsec / 1000))
    record.store(8, UInt32(kept))
    record.store(12, UInt32(truncatingIfNeeded: frame.count))
    let bytes = record.dropping(CaptureFormat.record).first(kept)
    frame.copy(to: bytes)
    frame.completeChecksum(in: bytes)
    filled += CaptureFormat.record + kept
    return true
  }
}
