// SPDX-License-Identifier: BSD-2-Clause
//
// Reads a capture file in the format of libpcap: either byte order, microseconds or nanoseconds, Ethernet. A record longer
// than the format's own limit ends the replay. The file is read piece by piece: a mapping would end the process if
// another program cut the file.

import CLinux
import Linux

/// The first 24 bytes of a capture.
enum CaptureFormat {
  static let microseconds: UInt32 = 0xa1b2_c3d4
  static let nanoseconds: UInt32 = 0xa1b2_3c4d
  static let nextGeneration: UInt32 = 0x0a0d_0d0a
  static let header = 24
  static let record = 16
  static let ethernet: UInt32 = 1
  /// libpcap's own limit on the length of one captured frame.
  static let longest = 262144
  static let snapLength = 65535
}

// Safety: bytes are read and moved inside `block`, between `start`, `end` and its size.
struct CaptureReader: ~Copyable {
  private static let room = 2 * (CaptureFormat.longest + CaptureFormat.record)

  private let file: File
  private let block: Block
  private let swapped: Bool
  /// What was read and not used yet: from `start` up to `end`.
  private var start = 0
  private var end = 0
  /// The frame at hand, inside the block.
  private var frame: Bytes?
  private var isFinished = false

  init(_ name: Path) throws(Failure) {
    let file = File(
      owning: try check(unsafe name.withCString { unsafe sys_open($0, O_RDONLY | O_NONBLOCK, 0) }) { code in
        Failure(code, "capture ").quoting(name).text(": ").reason(code)
      })
    let block = try Block(Self.room)
    let got = try check(unsafe sys_read(file.number, block.bytes.base, CaptureFormat.header)) { code in
      Failure(code, "capture ").quoting(name).text(": ").reason(code)
    }
    swapped = try Self.readHeader(block.bytes.first(got), name)
    self.file = file
    self.block = block
  }

  /// Whether the file's numbers are in the other byte order.
  private static func readHeader(_ bytes: Bytes, _ name: Path) throws(Failure) -> Bool {
    let magic = bytes.load(0, as: UInt32.self)
    if magic == CaptureFormat.nextGeneration {
      throw Failure(EINVAL, "capture ").quoting(name).text(" is in pcapng format; only pcap is read")
    }
    let swapped = magic.byteSwapped == CaptureFormat.microseconds || magic.byteSwapped == CaptureFormat.nanoseconds
    if bytes.count < CaptureFormat.header
      || !swapped && magic != CaptureFormat.microseconds && magic != CaptureFormat.nanoseconds
    {
      throw Failure(EINVAL, "capture ").quoting(name).text(" is not a pcap file")
    }
    let link = bytes.load(20, as: UInt32.self)
    let type = (swapped ? link.byteSwapped : link) & 0xffff
    if type != CaptureFormat.ethernet {
      throw Failure(EINVAL, "capture ").quoting(name).text(" has link type ").number(type)
        .text(", not Ethernet (1)")
    }
    return swapped
  }

  /// Takes the next record, or finds that there is none.
  private mutating func readRecord() {
    guard let head = bytes(CaptureFormat.record, at: 0) else { return finish() }
    let stored = head.load(8, as: UInt32.self)
    let length = Int(swapped ? stored.byteSwapped : stored)
    if length > CaptureFormat.longest { return finish() }
    guard let data = bytes(length, at: CaptureFormat.record) else { return finish() }
    start += CaptureFormat.record + length
    frame = data
  }

  private mutating func finish() { isFinished = true }

  /// `length` unused bytes, `at` bytes behind the first of them; nil at the end of the file.
  private mutating func bytes(_ length: Int, at: Int) -> Bytes? {
    if end - start < at + length { fill() }
    if end - start < at + length { return nil }
    return block.bytes.dropping(start + at).first(length)
  }

  /// Moves what is unused to the front and reads on until the block is full or the file ends.
  private mutating func fill() {
    let rest = block.bytes.dropping(start).first(end - start)
    unsafe _ = memmove(block.bytes.base, rest.base, rest.count)
    start = 0
    end = rest.count
    while end < Self.room {
      let got = unsafe sys_read(file.number, block.bytes.dropping(end).base, Self.room - end)
      if got <= 0 { return }
      end += got
    }
  }
}

extension CaptureReader {
  mutating func peek() -> Frame? {
    if frame == nil && !isFinished { readRecord() }
    guard let frame else { return nil }
    return Frame(frame)
  }

  mutating func advance() { frame = nil }
}
