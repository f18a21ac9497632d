// SPDX-License-Identifier: BSD-2-Clause
//
// The ring of a running program (vionet-control.h): records are read, and how far is told. The program writes them, so sizes
// are compared before they are believed.

import CVionet
import Glibc

struct CapturedPacket {
  /// Nanoseconds since 1970.
  let time: UInt64
  let port: Int
  let queue: Int
  let isSent: Bool
  /// enum vionet_drop; nil for a packet that was not dropped.
  let drop: Int?
  /// Bytes of the packet or, if it is not there to be seen, the number of packets.
  let length: Int
  let isUnseen: Bool
  let hasPartialChecksum: Bool
  /// Bytes of payload in each segment of a packet that is to be cut.
  let segmentSize: Int?
  /// What stands in a VLAN tag that the packet has besides its bytes.
  let vlan: Int?
  let bytes: [UInt8]
}

// Safety: both mappings stay as long as the process, and places are compared with their sizes.
@safe
final class CapturedPackets {
  private static let head = 4096
  private static let recordHead = 32

  private let size: Int
  private let records: UnsafeMutableRawPointer
  private let reader: UnsafeMutableRawPointer
  private var position: UInt64 = 0

  init(size: Int, files: [Int32]) throws {
    guard files.count == 2, size >= 65536, size & (size - 1) == 0 else { throw CapturedPackets.broken }
    self.size = size
    unsafe records = try CapturedPackets.map(files[0], CapturedPackets.head + size, PROT_READ)
    unsafe reader = try CapturedPackets.map(files[1], CapturedPackets.head, PROT_READ | PROT_WRITE)
    for file in files { close(file) }
  }

  private static var broken: Sentence { Sentence("the program's ring of packets is not as it should be") }

  private static func map(_ file: Int32, _ length: Int, _ protection: Int32) throws -> UnsafeMutableRawPointer {
    var status = stat()
    guard unsafe fstat(file, &status) == 0, Int(status.st_size) >= length,
      let place = unsafe mmap(nil, length, protection, MAP_SHARED, file, 0), unsafe place != MAP_FAILED
    else { throw broken }
    return unsafe place
  }

  /// Packets that the program could not write because the ring was full, or another thread was writing.
  var lost: UInt64 { unsafe (records + 8).load(as: UInt64.self) }

  /// Calls `body` for each packet that is there, until it returns false.
  func forEach(_ body: (CapturedPacket) throws -> Bool) throws {
    let end = unsafe capture_load(records)
    if end &- position > UInt64(size) { throw CapturedPackets.broken }
    var goesOn = true
    while position != end && goesOn {
      let offset = Int(position & UInt64(size - 1))
      let record = unsafe records + CapturedPackets.head + offset
      let bytes = Int(unsafe record.load(as: UInt32.self))
      if bytes < 8 || bytes % 8 != 0 || bytes > size - offset || UInt64(bytes) > end &- position {
        throw CapturedPackets.broken
      }
      let captured = unsafe record.load(fromByteOffset: 4, as: UInt32.self)
      if captured != UInt32.max {
        if bytes < CapturedPackets.recordHead || Int(captured) > bytes - CapturedPackets.recordHead {
          throw CapturedPackets.broken
        }
        goesOn = try body(unsafe CapturedPackets.packet(record, Int(captured)))
      }
      position &+= UInt64(bytes)
      unsafe capture_store(reader, position)
    }
  }

  private static func packet(_ record: UnsafeMutableRawPointer, _ captured: Int) -> CapturedPacket {
    func byte(_ place: Int) -> UInt8 { unsafe record.load(fromByteOffset: place, as: UInt8.self) }
    func short(_ place: Int) -> Int { Int(unsafe record.load(fromByteOffset: place, as: UInt16.self)) }
    let facts = byte(26)
    return CapturedPacket(
      time: unsafe record.load(fromByteOffset: 8, as: UInt64.self), port: short(20), queue: short(22),
      isSent: byte(24) != 0, drop: byte(25) == 0xff ? nil : Int(byte(25)),
      length: Int(unsafe record.load(fromByteOffset: 16, as: UInt32.self)), isUnseen: facts & 8 != 0,
      hasPartialChecksum: facts & 1 != 0, segmentSize: facts & 2 != 0 ? short(30) : nil,
      vlan: facts & 4 != 0 ? short(28) : nil,
      bytes: unsafe Array(UnsafeRawBufferPointer(start: record + recordHead, count: captured)))
  }
}
