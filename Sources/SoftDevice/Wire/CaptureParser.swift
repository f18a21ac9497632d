// SPDX-License-Identifier: BSD-2-Clause
//
// What stands in a capture, step by step: in libpcap's format, in either byte order, with whatever time stamps, or in
// pcapng. Time stamps are of no interest: frames are replayed as fast as the driver takes them. Every length is compared
// with what there is before it is used.

import CLinux
import Linux

/// What stands next in a capture.
enum CaptureStep {
  /// A frame of `count` bytes, `at` bytes into a record of `size` bytes.
  case frame(at: Int, count: Int, size: Int)
  /// So many bytes that have no frame.
  case other(Int)
  /// So many bytes with a frame that is not Ethernet's, or that is longer than any.
  case unusable(Int)
  /// So many bytes have to be there to know.
  case needs(Int)
  /// It cannot go on.
  case broken(CaptureFault)
}

enum CaptureFault {
  case noCapture
  case linkType(UInt32)
  /// A record says that its frame has so many bytes.
  case length(UInt32)
  /// A block says that it has so many bytes, which cannot be.
  case block(UInt32)
}

struct CaptureParser {
  private enum Format { case unknown, pcap, pcapng }

  private var format = Format.unknown
  /// Numbers are in the other byte order.
  private var isSwapped = false
  private var checkSequence = 0
  private var interfaces = CaptureInterfaces()
  /// A capture may follow another one where a record is expected.
  private let followsOthers: Bool

  init(followsOthers: Bool) { self.followsOthers = followsOthers }

  /// True until the format is known.
  var isAtBegin: Bool { format == .unknown }

  /// Looks at the beginning of `bytes`. Whoever gets a step other than `needs` goes on behind its bytes.
  mutating func next(_ bytes: Bytes) -> CaptureStep {
    switch format {
    case .unknown: begin(bytes)
    case .pcap: record(bytes)
    case .pcapng: block(bytes)
    }
  }

  private func number(_ bytes: Bytes, _ at: Int) -> UInt32 {
    let word = bytes.load(at, as: UInt32.self)
    return isSwapped ? word.byteSwapped : word
  }

  private func short(_ bytes: Bytes, _ at: Int) -> UInt16 {
    let word = bytes.load(at, as: UInt16.self)
    return isSwapped ? word.byteSwapped : word
  }

  private mutating func begin(_ bytes: Bytes) -> CaptureStep {
    if bytes.count < 4 { return .needs(4) }
    let magic = bytes.load(0, as: UInt32.self)
    if magic == PcapngLayout.section { return block(bytes) }
    isSwapped = PcapLayout.isMagic(magic.byteSwapped)
    if !isSwapped && !PcapLayout.isMagic(magic) { return .broken(.noCapture) }
    if bytes.count < PcapLayout.header { return .needs(PcapLayout.header) }
    let link = number(bytes, 20)
    if link & 0xffff != CaptureFormat.ethernet { return .broken(.linkType(link & 0xffff)) }  // tested by CaptureTests
    checkSequence = PcapLayout.checkSequence(link)
    format = .pcap
    return .other(PcapLayout.header)
  }

  private mutating func record(_ bytes: Bytes) -> CaptureStep {
    if bytes.count < PcapLayout.record { return .needs(PcapLayout.record) }
    // As a time this is a second of 2055 with a version for its fraction.
    if followsOthers && PcapLayout.isBegin(bytes) { return begin(bytes) }
    let captured = number(bytes, 8)
    if captured > CaptureFormat.longest { return .broken(.length(captured)) }  // tested by abi-soft-losses
    let size = PcapLayout.record &+ Int(captured)
    if bytes.count < size { return .needs(size) }
    let count = Self.count(captured, of: number(bytes, 12), without: checkSequence)
    return .frame(at: PcapLayout.record, count: count, size: size)
  }

  /// How many of the captured bytes belong to the frame and not to its check sequence, of which a record that was cut
  /// may lack a part.
  private static func count(_ captured: UInt32, of length: UInt32, without check: Int) -> Int {
    min(Int(captured), max(Int(max(length, captured)) &- check, 0))
  }
}

// pcapng: blocks, each between two copies of its length (draft-ietf-opsawg-pcapng, 3.1).

extension CaptureParser {
  private static let shortest = 12
  /// A block whose parts are looked at is no longer than this.
  private static let longest = CaptureFormat.longest + 65536

  private mutating func block(_ bytes: Bytes) -> CaptureStep {
    if bytes.count < Self.shortest { return .needs(Self.shortest) }
    let isSection = bytes.load(0, as: UInt32.self) == PcapngLayout.section
    if isSection, !takeByteOrder(bytes) { return .broken(.noCapture) }
    let type = number(bytes, 0)
    let length = number(bytes, 4)
    let size = Int(length)
    if length % 4 != 0 || size < Self.shortest { return .broken(.block(length)) }  // tested by CaptureTests
    if isSection {
      interfaces = CaptureInterfaces()
      format = .pcapng
      return .other(size)
    }
    let isPacket =
      type == PcapngLayout.enhancedPacket || type == PcapngLayout.oldPacket || type == PcapngLayout.simplePacket
    if !isPacket && type != PcapngLayout.interface { return .other(size) }
    if size > Self.longest { return isPacket ? .unusable(size) : .broken(.block(length)) }
    if bytes.count < size { return .needs(size) }
    let whole = bytes.first(size)
    if number(whole, size &- 4) != length { return .broken(.block(length)) }
    if type == PcapngLayout.interface { return describe(whole) }
    return type == PcapngLayout.simplePacket ? simple(whole) : packet(whole, isOld: type == PcapngLayout.oldPacket)
  }

  private mutating func takeByteOrder(_ bytes: Bytes) -> Bool {
    let order = bytes.load(8, as: UInt32.self)
    isSwapped = order.byteSwapped == PcapngLayout.byteOrder
    return isSwapped || order == PcapngLayout.byteOrder
  }

  private mutating func describe(_ block: Bytes) -> CaptureStep {
    if block.count < 20 { return .broken(.block(UInt32(truncatingIfNeeded: block.count))) }
    var interface = CaptureInterface(
      isEthernet: UInt32(short(block, 8)) == CaptureFormat.ethernet, snapLength: number(block, 12))
    // Some count its bits and some its bytes.
    let check = option(PcapngLayout.checkSequence, in: block, from: 16).map { block[$0] } ?? 0
    interface.checkSequence = check < 8 ? check : check / 8
    interfaces.add(interface)
    return .other(block.count)
  }

  private func packet(_ block: Bytes, isOld: Bool) -> CaptureStep {
    let captured = number(block, 20)
    let data = PcapngLayout.packet
    if block.count < data &+ 4 || Int(captured) > block.count &- data &- 4 {
      return .broken(.length(captured))
    }
    guard let interface = interfaces[isOld ? UInt32(short(block, 8)) : number(block, 8)], interface.isEthernet else {
      return .unusable(block.count)
    }
    var check = Int(interface.checkSequence)
    let behind = data &+ (Int(captured) &+ 3) & ~3
    if let flags = option(PcapngLayout.packetFlags, in: block, from: behind) {
      let own = Int(number(block, flags) >> 5 & 15)
      if own != 0 { check = own }
    }
    return .frame(
      at: data, count: Self.count(captured, of: number(block, 24), without: check), size: block.count)
  }

  /// A frame of the first interface, without a time, and cut at the interface's limit.
  private func simple(_ block: Bytes) -> CaptureStep {
    guard block.count >= 16, let interface = interfaces[0], interface.isEthernet else { return .unusable(block.count) }
    let length = number(block, 8)
    let limit = interface.snapLength == 0 ? length : min(length, interface.snapLength)
    if Int(limit) > block.count &- 16 { return .broken(.length(limit)) }
    return .frame(
      at: 12, count: Self.count(limit, of: length, without: Int(interface.checkSequence)), size: block.count)
  }

  /// Where the value of an option stands, of those that begin at `from` and end before the block's second length.
  private func option(_ code: UInt16, in block: Bytes, from: Int) -> Int? {
    var at = from
    while at &+ 4 <= block.count &- 4 {
      let found = short(block, at)
      if found == 0 { return nil }
      if found == code { return at &+ 4 }
      at &+= 4 &+ (Int(short(block, at &+ 2)) &+ 3) & ~3
    }
    return nil
  }
}

/// An interface of a pcapng capture.
private struct CaptureInterface {
  var isEthernet = false
  /// Bytes of check sequence behind each frame.
  var checkSequence: UInt8 = 0
  var snapLength: UInt32 = 0

  init() {}

  init(isEthernet: Bool, snapLength: UInt32) {
    self.isEthernet = isEthernet
    self.snapLength = snapLength
  }
}

/// The interfaces of a section, by their numbers. Packets of those for which there is no room are of no use.
private struct CaptureInterfaces {
  private static let room = 64
  private var all = InlineArray<64, CaptureInterface>(repeating: CaptureInterface())
  private var count = 0

  mutating func add(_ interface: CaptureInterface) {
    if count < Self.room { all[count] = interface }
    count &+= 1
  }

  subscript(number: UInt32) -> CaptureInterface? {
    Int(number) < min(count, Self.room) ? all[Int(number)] : nil
  }
}
