// SPDX-License-Identifier: BSD-2-Clause
//
// A capture file in pcapng (draft-ietf-opsawg-pcapng), which libpcap reads and does not write: nanoseconds, an interface for
// each port, the direction of each packet, and a comment where there is something to say.

import Glibc

struct CaptureWriter {
  private enum Block {
    static let section: UInt32 = 0x0a0d_0d0a
    static let interface: UInt32 = 1
    static let statistics: UInt32 = 5
    static let packet: UInt32 = 6
  }
  private static let byteOrder: UInt32 = 0x1a2b_3c4d
  private static let ethernet: UInt16 = 1

  private let file: Int32
  private let snapLength: Int
  /// The interface of each port, in the order of the file.
  private var ports: [Int] = []
  private var pending: [UInt8] = []

  init(_ file: Int32, snapLength: Int) {
    self.file = file
    self.snapLength = snapLength
    var body = Bytes()
    body.add(CaptureWriter.byteOrder)
    body.add(UInt16(1))
    body.add(UInt16(0))
    body.add(UInt64.max)
    body.add(option: 4, text: "vionetctl")
    body.endOptions()
    add(Block.section, body)
  }

  func knows(_ port: Int) -> Bool { ports.contains(port) }

  mutating func add(port: Int, device: String) {
    ports.append(port)
    var body = Bytes()
    body.add(CaptureWriter.ethernet)
    body.add(UInt16(0))
    body.add(UInt32(snapLength))
    body.add(option: 2, text: device)
    body.add(option: 3, text: "vionet port \(port)")
    body.add(option: 9, bytes: [9])  // time stamps in nanoseconds
    body.endOptions()
    add(Block.interface, body)
  }

  mutating func add(_ packet: CapturedPacket) {
    guard let interface = ports.firstIndex(of: packet.port) else { return }
    var body = Bytes()
    body.add(UInt32(interface))
    body.add(time: packet.time)
    body.add(UInt32(packet.bytes.count))
    body.add(UInt32(packet.isUnseen ? 0 : packet.length))
    body.add(padded: packet.bytes)
    for comment in CaptureWriter.comments(packet) { body.add(option: 1, text: comment) }
    // Direction: 1 in, 2 out.
    body.add(option: 2, number: UInt32(packet.isSent ? 2 : 1))
    body.add(option: 6, number: UInt32(packet.queue))
    body.endOptions()
    add(Block.packet, body)
  }

  private static func comments(_ packet: CapturedPacket) -> [String] {
    var comments: [String] = []
    if let drop = packet.drop {
      let way = packet.isSent ? "sending" : "receiving"
      let count = packet.isUnseen && packet.length != 1 ? "\(packet.length) packets " : ""
      comments.append("\(count)dropped while \(way): \(Library.dropName(drop))")
    }
    if packet.isUnseen { comments.append("its bytes cannot be shown") }
    if let vlan = packet.vlan {
      comments.append("VLAN tag beside the packet: ID \(vlan & 0xfff), priority \(vlan >> 13)")
    }
    if let size = packet.segmentSize { comments.append("to be cut into segments of \(size) bytes") }
    if packet.hasPartialChecksum { comments.append("the checksum is left to the device") }
    return comments
  }

  /// What the capture has lost, of each interface; the program counts for all ports together, so the first one has it.
  mutating func end(time: UInt64, captured: [Int: UInt64], lost: UInt64) {
    for (interface, port) in ports.enumerated() {
      var body = Bytes()
      body.add(UInt32(interface))
      body.add(time: time)
      body.add(option: 4, number: (captured[port] ?? 0) + (interface == 0 ? lost : 0))  // isb_ifrecv
      body.add(option: 5, number: interface == 0 ? lost : 0)  // isb_ifdrop
      body.endOptions()
      add(Block.statistics, body)
    }
  }

  private mutating func add(_ type: UInt32, _ body: Bytes) {
    var block = Bytes()
    let length = UInt32(body.bytes.count + 12)
    block.add(type)
    block.add(length)
    pending += block.bytes + body.bytes
    block = Bytes()
    block.add(length)
    pending += block.bytes
  }

  var isLong: Bool { pending.count > 1 << 20 }

  /// Writes what there is. False if nobody reads it any more.
  mutating func flush() throws -> Bool {
    var done = 0
    while done < pending.count {
      let count = unsafe pending.withUnsafeBytes { room in
        unsafe write(file, room.baseAddress?.advanced(by: done), room.count - done)
      }
      if count < 0 && errno == EPIPE { return false }
      if count < 0 && errno != EINTR {
        throw Sentence("writing the capture: \(unsafe String(cString: strerror(errno)))")
      }
      done += max(count, 0)
    }
    pending.removeAll(keepingCapacity: true)
    return true
  }
}

/// The body of a block, in this machine's byte order.
private struct Bytes {
  var bytes: [UInt8] = []

  mutating func add(_ number: some FixedWidthInteger) {
    unsafe withUnsafeBytes(of: number) { raw in unsafe bytes.append(contentsOf: raw) }
  }

  /// A time stamp: the upper half comes first.
  mutating func add(time: UInt64) {
    add(UInt32(truncatingIfNeeded: time >> 32))
    add(UInt32(truncatingIfNeeded: time))
  }

  mutating func add(padded more: [UInt8]) {
    bytes += more
    while bytes.count % 4 != 0 { bytes.append(0) }
  }

  mutating func add(option: UInt16, bytes value: [UInt8]) {
    add(option)
    add(UInt16(value.count))
    add(padded: value)
  }

  mutating func add(option: UInt16, text: String) { add(option: option, bytes: Array(text.utf8.prefix(1000))) }

  mutating func add(option: UInt16, number: some FixedWidthInteger) {
    add(option)
    add(UInt16(number.bitWidth / 8))
    add(number)
  }

  mutating func endOptions() { add(UInt32(0)) }
}
