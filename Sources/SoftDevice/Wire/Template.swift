// SPDX-License-Identifier: BSD-2-Clause
//
// The frame that the generator sends, made once: virtio-net header, Ethernet, IPv4, UDP, payload. Only the UDP source
// port, the sequence number and the checksum over both differ from frame to frame, and they are stored into the copy.
//
// Addresses are of the ranges set aside for benchmarks and documentation (RFC 2544, RFC 7042).

import CLinux
import Linux
import Virtio

struct Template {
  /// Positions in the frame.
  static let sourcePort = 34
  static let checksum = 40
  static let sequence = 42
  private static let ip = 14
  private static let udp = 34

  /// Whether frames have their whole checksum, the part that stands for the pseudo-header (NEEDS_CSUM), or are said to
  /// have been checked (DATA_VALID).
  enum Checksums { case complete, partial, valid }

  /// `header` bytes and then the frame.
  let bytes: Bytes
  let header: Int
  let length: Int
  let checksums: Checksums
  /// Sum of all that the UDP checksum covers but the source port and the sequence number, in the byte order of memory.
  let sum: UInt64

  /// Fills `room`, which must hold header and frame.
  init(_ room: Bytes, header: Int, length: Int, _ checksums: Checksums) {
    bytes = room.first(header + length)
    self.header = header
    self.length = length
    self.checksums = checksums
    bytes.clear()
    if header >= NetHeaderLayout.bytes { bytes.store(NetHeaderLayout.bufferCount, UInt16(1).littleEndian) }
    let frame = bytes.dropping(header)
    Self.fillEthernet(frame)
    Self.fillNetwork(frame, length)
    let pseudo = Self.pseudoHeader(frame, length)
    sum = pseudo &+ Checksum.sum(frame.dropping(Self.udp))
    asks.store(to: bytes)
    if checksums == .partial { frame.store(Self.checksum, Checksum.fold(pseudo)) }
  }

  var frame: Bytes { bytes.dropping(header) }

  /// What the net header says.
  var asks: NetHeader {
    switch checksums {
    case .complete: NetHeader()
    case .partial: NetHeader(checksumFrom: Self.udp, at: Self.checksum - Self.udp)
    case .valid: NetHeader(isValid: true)
    }
  }

  private static func fillEthernet(_ frame: Bytes) {
    frame.store(0, UInt64(0x0200_5e00_5301_0200).bigEndian)
    frame.store(8, UInt32(0x5e00_5302).bigEndian)
    frame.store(12, UInt16(0x0800).bigEndian)
  }

  private static func fillNetwork(_ frame: Bytes, _ length: Int) {
    frame.store(ip, UInt8(0x45))
    frame.store(ip + 2, UInt16(length - ip).bigEndian)
    frame.store(ip + 6, UInt16(0x4000).bigEndian)
    frame.store(ip + 8, UInt8(64))
    frame.store(ip + 9, UInt8(17))
    frame.store(ip + 12, UInt32(0xc612_0001).bigEndian)
    frame.store(ip + 16, UInt32(0xc613_0001).bigEndian)
    frame.store(ip + 10, ~Checksum.fold(Checksum.sum(frame.dropping(ip).first(udp - ip))))
    frame.store(udp + 2, UInt16(9).bigEndian)
    frame.store(udp + 4, UInt16(length - udp).bigEndian)
    var index = sequence + 8
    while index < length {
      frame[index] = UInt8(truncatingIfNeeded: index)
      index += 1
    }
  }

  private static func pseudoHeader(_ frame: Bytes, _ length: Int) -> UInt64 {
    Checksum.sum(frame.dropping(ip + 12).first(8)) &+ UInt64(UInt16(17).bigEndian)
      &+ UInt64(UInt16(length - udp).bigEndian)
  }

  /// The header and the frame, where there is room for them.
  @inline(__always)
  func write(to target: Bytes, port: UInt16, sequence: UInt64) {
    bytes.copy(to: target)
    finish(target.dropping(header), port: port, sequence: sequence)
  }

  /// Stores what is this frame's own into a copy of the template's frame.
  @inline(__always)
  func finish(_ frame: Bytes, port: UInt16, sequence: UInt64) {
    let port = port.bigEndian
    let number = sequence.bigEndian
    let words = (number & 0xffff_ffff) &+ (number >> 32) &+ UInt64(port) &+ sum
    frame.store(Self.sourcePort, port)
    if checksums != .partial { frame.store(Self.checksum, Checksum.finish(words)) }
    frame.store(Self.sequence, number)
  }
}
