// SPDX-License-Identifier: BSD-2-Clause
//
// Numbers of the two formats of capture files: libpcap's own (draft-ietf-opsawg-pcap) and pcapng
// (draft-ietf-opsawg-pcapng).

/// A format that is written, by the key "format".
enum CaptureFormat {
  /// libpcap's format with microseconds or with nanoseconds; pcapng with nanoseconds.
  case pcap, pcapNanoseconds, pcapng

  /// libpcap's own limit on the length of one captured frame.
  static let longest = 262144
  static let ethernet: UInt32 = 1

  /// Bytes before and behind each frame, which begins at a multiple of as many bytes.
  var head: Int { self == .pcapng ? PcapngLayout.packet : PcapLayout.record }
  var tail: Int { self == .pcapng ? 4 : 0 }
  var alignment: Int { self == .pcapng ? 4 : 1 }
}

enum PcapLayout {
  static let microseconds: UInt32 = 0xa1b2_c3d4
  static let nanoseconds: UInt32 = 0xa1b2_3c4d
  static func isMagic(_ word: UInt32) -> Bool { word == microseconds || word == nanoseconds }

  /// True for the beginning of a file of version 2.4, in either byte order.
  static func isBegin(_ bytes: Bytes) -> Bool {
    let magic = bytes.load(0, as: UInt32.self)
    let version = (bytes.load(4, as: UInt16.self), bytes.load(6, as: UInt16.self))
    if isMagic(magic) { return version == (2, 4) }
    return isMagic(magic.byteSwapped) && version == (UInt16(2).byteSwapped, UInt16(4).byteSwapped)
  }

  /// Bytes of the file's header, and of a record's.
  static let header = 24
  static let record = 16

  /// Bytes of frame check sequence behind each frame, by the word with the link type: its upper four bits count 16-bit
  /// words if bit 26 is set. Ethernet's has four bytes, which some programs write as 4.
  static func checkSequence(_ word: UInt32) -> Int {
    if word & 0x0400_0000 == 0 { return 0 }
    let count = Int(word >> 28)
    return count == 4 ? 4 : 2 * count
  }
}

enum PcapngLayout {
  /// Block types: Section Header, Interface Description, the obsolete Packet, Simple Packet, Enhanced Packet.
  static let section: UInt32 = 0x0a0d_0d0a
  static let interface: UInt32 = 1
  static let oldPacket: UInt32 = 2
  static let simplePacket: UInt32 = 3
  static let enhancedPacket: UInt32 = 6
  static let byteOrder: UInt32 = 0x1a2b_3c4d
  /// Options: the resolution of time stamps and the length of check sequences of an interface, the flags of a packet.
  static let resolution: UInt16 = 9
  static let checkSequence: UInt16 = 13
  static let packetFlags: UInt16 = 2
  /// Bytes of an Enhanced Packet Block before its data.
  static let packet = 28
}
