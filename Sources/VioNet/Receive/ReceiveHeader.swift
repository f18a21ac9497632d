// SPDX-License-Identifier: BSD-2-Clause
//
// What the header of a received frame says (virtio 1.4, 5.1.9.4): checksums, segmentation, number of buffers, hash. A
// frame is dropped if its header uses something that was not negotiated or does not fit the frame. Where nothing was
// negotiated that a header could say, one of each run is looked at, and all of them once one asks for something.

import CLinux
import CVionet
import Linux
import Virtio

/// What a queue has to read in a header, as negotiated. A "header word" is what Packet.headerWord() returns.
struct HeaderReading {
  /// Bits of num_buffers in a header word; 0 without merged buffers.
  private var countMask: UInt32 = 0
  /// Bits of a header word that plainFlags() does not tell.
  private var plainMask: UInt32 = 0
  /// What these bits are in a plain header. No header is plain if every frame has a hash or a VLAN tag to look at.
  private var plainWord: UInt32 = 0
  /// DATA_VALID, if it may be believed: it was negotiated, or the user says so.
  private var validMask: UInt32 = 0
  /// Segmentation types that were negotiated, bit n for type n.
  private(set) var types: UInt8 = 0
  private(set) var hasChecksum = false
  private(set) var hasECN = false
  private(set) var hasHash = false
  private(set) var stripsVLAN = false
  /// A packet that was joined may lie in a UDP tunnel, and the tunnel's own checksum be said to be right or incomplete.
  private(set) var hasTunnel = false
  private(set) var hasTunnelChecksum = false
  /// Flags that no header may have beside NEEDS_CSUM and without a tunnel: RSC_INFO, with which the checksum's fields mean
  /// something else, and UDP_TUNNEL_CSUM (5.1.9.4.2).
  private(set) var refused = UInt32(NetHeaderFlag.segmentInformation)
  let isMerged: Bool

  /// `hashes`: packets get a hash here if the device sends none.
  init(_ features: FeatureSet, stripsVLAN: Bool, trustsChecksums: Bool = false, hashes: Bool = false) {
    isMerged = features.has(Feature.mergeable)
    countMask = isMerged ? 0xffff_0000 : 0
    hasChecksum = features.has(Feature.guestChecksum)
    validMask = hasChecksum || trustsChecksums ? Offloads.dataValid : 0
    if features.has(Feature.guestTSO4) { types |= 1 << Segmentation.tcp4 }
    if features.has(Feature.guestTSO6) { types |= 1 << Segmentation.tcp6 }
    if features.has(Feature.guestUSO4) || features.has(Feature.guestUSO6) { types |= 1 << Segmentation.udp }
    hasECN = features.has(Feature.guestECN)
    hasHash = features.has(Feature.hashReport) || hashes
    hasTunnel = features.has(above: HigherFeature.guestTunnel)
    hasTunnelChecksum = features.has(above: HigherFeature.guestTunnelChecksum)
    if hasTunnelChecksum {
      validMask |= Offloads.tunnelChecksum
      refused |= Offloads.tunnelChecksum
    }
    self.stripsVLAN = stripsVLAN
    plainMask = countMask | Offloads.requests
    plainWord = hasHash || stripsVLAN ? UInt32.max : countMask & 0x1_0000
  }

  /// False if no header can say anything.
  var isNeeded: Bool { isMerged || validMask != 0 || isNeverPlain }

  /// True if the frame has one buffer.
  @inline(__always) func isSingleBuffer(_ word: UInt32) -> Bool { word & countMask == countMask & 0x1_0000 }
  /// Flags of a packet with a plain header.
  @inline(__always) func plainFlags(_ word: UInt32) -> UInt32 { word & validMask }
  /// Zero for a plain header: one buffer, and nothing said but what plainFlags() tells.
  @inline(__always) func beyondPlain(_ word: UInt32) -> UInt32 { word & plainMask ^ plainWord }
  /// True if no header is plain.
  @inline(__always) var isNeverPlain: Bool { plainWord == UInt32.max }
  /// Zero if all four headers are plain, where a header may be.
  @inline(__always)
  func beyondPlain(_ words: FourHeaders) -> UInt32 {
    (words.0 ^ plainWord | words.1 ^ plainWord | words.2 ^ plainWord | words.3 ^ plainWord) & plainMask
  }
}

/// The header words of four consecutive packets.
typealias FourHeaders = (UInt32, UInt32, UInt32, UInt32)

extension ReceiveQueue {
  /// The header words of four packets in the ring.
  @inline(__always)
  func headerWords(_ packets: FourPackets) -> FourHeaders {
    (
      Packet.headerWord(at: header(Packet.known(packets.0))), Packet.headerWord(at: header(Packet.known(packets.1))),
      Packet.headerWord(at: header(Packet.known(packets.2))), Packet.headerWord(at: header(Packet.known(packets.3)))
    )
  }
}

extension Packet {
  /// The header word: flags and segmentation type of the header at an address, and num_buffers in the upper half.
  @inline(__always)
  static func headerWord(at address: UInt) -> UInt32 {
    // Safety: the address is one in the headroom of a packet, and the longest header fits there.
    let start = unsafe UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped
    return unsafe UInt32(shared_load16(start)) | UInt32(shared_load16(start + NetHeaderLayout.bufferCount)) << 16
  }
}

extension Packet {
  /// The header word of a packet that was delivered as it came.
  @inline(__always)
  func headerWord(_ header: UInt32) -> UInt32 { Packet.headerWord(at: dataAddress &- UInt(header)) }

  /// What the header asks for: NEEDS_CSUM and the segmentation type.
  @inline(__always)
  func request(_ header: UInt32) -> UInt32 {
    // Safety: as in headerWord(); the driver has just written where the data is.
    unsafe UInt32(shared_load16(pointer.pointee.data - Int(header))) & Offloads.requests
  }
}

extension ReceiveQueue {
  /// True if the header asks for something, where nothing was agreed that it could say.
  mutating func asks(_ packet: Packet) -> Bool {
    if packet.request(headerSize) == 0 { return false }
    wary = 1
    return true
  }

  /// Does what applyHeaders() does, where nothing was agreed that a header could say; from now on for every run.
  @inline(never)
  mutating func applyUnasked(_ packets: PacketList, from begin: Int, to end: Int) -> Int {
    wary = 1
    return applyHeaders(packets, from: begin, to: end)
  }

  /// Applies the headers of delivered packets; packets with an invalid one leave the list. Returns its new end.
  @inline(never)
  mutating func applyHeaders(_ packets: PacketList, from begin: Int, to end: Int) -> Int {
    var valid = begin
    var place = begin
    while place != end, let packet = packets[unchecked: place] {
      place &+= 1
      let length = UInt64(packet.length)
      if reading.beyondPlain(packet.headerWord(headerSize)) != 0 && !applyHeader(packet) {
        core.counters.packets &-= 1
        core.counters.bytes &-= length
        continue
      }
      packets[unchecked: valid] = packet
      valid &+= 1
    }
    return valid
  }

  /// Puts what the header says into a delivered packet. Returns false if the header is invalid: then the packet was
  /// freed and counted.
  @inline(never)
  mutating func applyHeader(_ packet: Packet) -> Bool {
    // Safety: the header lies in the packet's headroom; it is copied out field by field, and each copy is checked.
    let header = unsafe packet.pointer.pointee.data - Int(headerSize)
    let isValid = unsafe applyOffloads(packet, header) || applyTunnel(packet, header)
    if !isValid {
      count(VIONET_DROP_OFFLOAD)
      PacketCalls.free(packet, assuming: cache.pool)
      return false
    }
    if reading.hasHash { unsafe takeHash(packet, header) }
    if reading.stripsVLAN { packet.stripVLAN() }
    return true
  }

  private mutating func applyOffloads(_ packet: Packet, _ header: UnsafeMutableRawPointer) -> Bool {
    // Safety: as in applyHeader().
    let word = unsafe UInt32(shared_load16(header))
    let fields = unsafe header.loadUnaligned(fromByteOffset: NetHeaderLayout.headerLength, as: UInt64.self)
    var offloads = Offloads(fields)
    let type = UInt8(truncatingIfNeeded: word >> 8)
    var flags = word & 0xff00
    if type != 0 {
      let base = type & ~Segmentation.ecn
      // tested by abi-offloads
      if base > 7 || reading.types >> base & 1 == 0 || offloads.segmentSize == 0 { return false }
      if type & Segmentation.ecn != 0 && !reading.hasECN { return false }  // tested by abi-offloads
    }
    if word & Offloads.needsChecksum != 0 {
      if word & reading.refused != 0 { return false }  // tested by ReceiveHeaderTests
      let end = UInt32(offloads.checksumStart) + UInt32(offloads.checksumOffset) + 2
      if !reading.hasChecksum || end > packet.totalLength { return false }  // tested by abi-offloads
      flags |= Offloads.needsChecksum
    } else {
      offloads.checksumStart = 0
      offloads.checksumOffset = 0
    }
    flags |= reading.plainFlags(word)
    // The header length is a hint that may be wrong (virtio 1.4, 5.1.9.4.2).
    if UInt32(offloads.headerLength) > packet.length { offloads.headerLength = 0 }  // tested by ReceiveHeaderTests
    packet.flags = flags
    packet.offloads = offloads
    return true
  }
}

extension Packet {
  /// Takes hash_value and hash_report (virtio 1.4, 5.1.9.4.5) from behind the header's first 12 bytes.
  func takeHash(_ header: UnsafeMutableRawPointer) {
    // Safety: with HASH_REPORT the header has 20 bytes.
    let report = unsafe UInt32(shared_load16(header + NetHeaderLayout.hashReport))
    if report == 0 || report > 9 { return }  // tested by abi-hashing
    unsafe pointer.pointee.hash = shared_load32(header + NetHeaderLayout.hash)
    flags |= VIONET_PACKET_HASH.rawValue | report << 24
  }

  /// Moves the addresses over the VLAN tag, which becomes a field of the packet.
  fileprivate func stripVLAN() {
    // Safety: at least 18 bytes of data are in the first segment, so that 4 less leave an Ethernet header.
    if !isTagged || length < 18 { return }  // tested by VLANTests
    unsafe pointer.pointee.vlan = UInt16(
      bigEndian: UnsafeRawPointer(pointer.pointee.data).loadUnaligned(fromByteOffset: 14, as: UInt16.self))
    unsafe memmove(pointer.pointee.data + 4, pointer.pointee.data, 12)
    unsafe pointer.pointee.data += 4
    unsafe pointer.pointee.headroom &+= 4
    unsafe pointer.pointee.length &-= 4
    unsafe pointer.pointee.total_length &-= 4
    var offloads = self.offloads
    if flags & Offloads.needsChecksum != 0 && offloads.checksumStart >= 18 { offloads.checksumStart &-= 4 }
    if offloads.headerLength >= 18 { offloads.headerLength &-= 4 }
    self.offloads = offloads
    if flags & Offloads.tunnels != 0 { moveTunnel(by: -4) }
    flags |= VIONET_PACKET_VLAN.rawValue
  }
}
