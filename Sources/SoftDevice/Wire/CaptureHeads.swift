// SPDX-License-Identifier: BSD-2-Clause
//
// What is written around frames in a capture, in this machine's byte order: the beginning of the file, and before and
// behind each frame its time and lengths.

import CLinux
import Linux

struct CaptureHeads {
  private let format: CaptureFormat
  /// Most bytes that are kept of a frame.
  let snapLength: Int

  init(_ format: CaptureFormat, snapLength: Int) {
    self.format = format
    self.snapLength = snapLength
  }

  /// Fills the beginning of a file into `room`, and returns it.
  func begin(in room: Bytes) -> Bytes {
    if format == .pcapng { return beginSection(room) }
    let bytes = room.first(PcapLayout.header)
    bytes.clear()
    bytes.store(0, format == .pcap ? PcapLayout.microseconds : PcapLayout.nanoseconds)
    bytes.store(4, UInt16(2))
    bytes.store(6, UInt16(4))
    bytes.store(16, UInt32(snapLength))
    bytes.store(20, CaptureFormat.ethernet)
    return bytes
  }

  /// A Section Header Block, of unknown length, and an Interface Description Block whose times are in nanoseconds.
  private func beginSection(_ room: Bytes) -> Bytes {
    let bytes = room.first(60)
    bytes.clear()
    bytes.store(0, PcapngLayout.section)
    bytes.store(4, UInt32(28))
    bytes.store(8, PcapngLayout.byteOrder)
    bytes.store(12, UInt16(1))
    bytes.store(16, UInt64.max)
    bytes.store(24, UInt32(28))
    let interface = bytes.dropping(28)
    interface.store(0, PcapngLayout.interface)
    interface.store(4, UInt32(32))
    interface.store(8, UInt16(CaptureFormat.ethernet))
    interface.store(12, UInt32(snapLength))
    interface.store(16, PcapngLayout.resolution)
    interface.store(18, UInt16(1))
    interface[20] = 9
    interface.store(28, UInt32(32))
    return bytes
  }

  /// Bytes of the record of a frame of which `kept` bytes are kept.
  func size(_ kept: Int) -> Int {
    format.head + (kept + format.alignment - 1) / format.alignment * format.alignment + format.tail
  }

  /// Bytes of the record that begins there.
  func size(of record: Bytes) -> Int {
    format == .pcapng
      ? Int(record.load(4, as: UInt32.self)) : PcapLayout.record + Int(record.load(8, as: UInt32.self))
  }

  /// Fills in all of a record but its data, whose place is returned.
  // Safety: the time lives longer than the call that fills it.
  func write(to record: Bytes, kept: Int, of length: Int) -> Bytes {
    var now = timespec()
    unsafe _ = clock_gettime(CLOCK_REALTIME, &now)
    let seconds = UInt64(truncatingIfNeeded: now.tv_sec)
    let nanoseconds = UInt64(truncatingIfNeeded: now.tv_nsec)
    if format == .pcapng {
      let time = seconds &* 1_000_000_000 &+ nanoseconds
      record.store(0, PcapngLayout.enhancedPacket)
      record.store(4, UInt32(record.count))
      record.store(8, UInt32(0))
      record.store(12, UInt32(truncatingIfNeeded: time >> 32))
      record.store(16, UInt32(truncatingIfNeeded: time))
      record.store(20, UInt32(kept))
      record.store(24, UInt32(truncatingIfNeeded: length))
      record.dropping(format.head + kept).clear()
      record.store(record.count - 4, UInt32(record.count))
    } else {
      record.store(0, UInt32(truncatingIfNeeded: seconds))
      record.store(4, UInt32(truncatingIfNeeded: format == .pcap ? nanoseconds / 1000 : nanoseconds))
      record.store(8, UInt32(kept))
      record.store(12, UInt32(truncatingIfNeeded: length))
    }
    return record.dropping(format.head).first(kept)
  }
}
