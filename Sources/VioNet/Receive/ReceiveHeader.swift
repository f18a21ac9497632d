// SPDX-License-Identifier: BSD-2-Clause
//
// What the header of a received frame says (virtio 1.4, 5.1.9.4): checksums, segmentation, how many buffers, the hash.
// A claim that was not negotiated or does not fit the frame makes the frame nonsense.

import CLinux
import CVionet
import Linux
import Virtio

/// What of a header matters to a queue.
struct HeaderReading {
  /// num_buffers counts; in the upper half, as headerMarks has it.
  private var countMask: UInt32 = 0
  /// What must be so of a header that says no more than plainFlags tells; nothing is if every frame has something to
  /// settle, a hash or a VLAN tag to strip.
  private var ordinaryMask: UInt32 = 0
  private var ordinary: UInt32 = 0
  /// DATA_VALID may be believed.
  private var plainMask: UInt32 = 0
  /// Segmentation types that were negotiated, bit n for type n.
  private(set) var types: UInt8 = 0
  private(set) var hasChecksum = false
  private(set) var hasECN = false
  private(set) var hasHash = false
  private(set) var stripsVLAN = false

  init(_ features: FeatureSet, stripsVLAN: Bool) {
    isMerged = features.has(Feature.mergeable)
    countMask = isMerged ? 0xffff_0000 : 0
    hasChecksum = features.has(Feature.guestChecksum)
    plainMask = hasChecksum ? Offloads.dataValid : 0
    if features.has(Feature.guestTSO4) { types |= 1 << Segmentation.tcp4 }
    if features.has(Feature.guestTSO6) { types |= 1 << Segmentation.tcp6 }
    if features.has(Feature.guestUSO4) || features.has(Feature.guestUSO6) { types |= 1 << Segmentation.udp }
    hasECN = features.has(Feature.guestECN)
    hasHash = features.has(Feature.hashReport)
    self.stripsVLAN = stripsVLAN
    ordinaryMask = countMask | 0xff01
    ordinary = hasHash || stripsVLAN ? UInt32.max : countMask & 0x1_0000
  }

  let isMerged: Bool
  /// Without any of this the header is not read.
  var isNeeded: Bool { isMerged || hasChecksum || ordinary == UInt32.max }

  /// The frame has no more than one buffer.
  @inline(__always) func isAlone(_ marks: UInt32) -> Bool { marks & countMask == countMask & 0x1_0000 }
  /// Flags of a packet whose header says no more than these.
  @inline(__always) func plainFlags(_ marks: UInt32) -> UInt32 { marks & plainMask }
  /// Zero if the header says no more than that: one buffer, nothing to settle.
  @inline(__always) func richness(_ marks: UInt32) -> UInt32 { marks & ordinaryMask ^ ordinary }
}

extension Packet {
  /// The header's flags and segmentation type, and in the upper half num_buffers. Of a packet at home.
  @inline(__always)
  func headerMarks(_ header: UInt32) -> UInt32 {
    let start = unsafe pointer.pointee.data - Int(header)
    return unsafe UInt32(shared_load16(start)) | UInt32(shared_load16(start + 10)) << 16
  }
}

extension ReceiveQueue {
  /// Settles what the headers of delivered packets say; those that are nonsense leave the list. Returns its new end.
  @inline(never)
  mutating func settleRun(_ packets: PacketList, from begin: Int, to end: Int) -> Int {
    var kept = begin
    var place = begin
    while place != end, let packet = packets[place] {
      place &+= 1
      let length = UInt64(packet.length)
      if reading.richness(packet.headerMarks(headerSize)) != 0 && !settle(packet) {
        core.counters.packets &-= 1
        core.counters.bytes &-= length
        continue
      }
      packets[kept] = packet
      kept &+= 1
    }
    return kept
  }

  /// Puts what the header says into a delivered packet; false if it is nonsense: then the packet is gone, and counted.
  @inline(never)
  mutating func settle(_ packet: Packet) -> Bool {
    let header = unsafe packet.pointer.pointee.data - Int(headerSize)
    let isSound = unsafe settleOffloads(packet, header)
    if !isSound {
      core.counters.dropped[Int(VIONET_DROP_OFFLOAD.rawValue)] &+= 1
      PacketCalls.free(packet, assuming: cache.pool)
      return false
    }
    if reading.hasHash { unsafe packet.takeHash(header) }
    if reading.stripsVLAN { packet.stripVLAN() }
    return true
  }

  private mutating func settleOffloads(_ packet: Packet, _ header: UnsafeMutableRawPointer) -> Bool {
    let marks = unsafe UInt32(shared_load16(header))
    let fields = unsafe header.loadUnaligned(fromByteOffset: 2, as: UInt64.self)
    var offloads = Offloads(fields)
    let type = UInt8(truncatingIfNeeded: marks >> 8)
    var flags = marks & 0xff00
    if type != 0 {
      let base = type & ~Segmentation.ecn
      if base > 7 || reading.types >> base & 1 == 0 || offloads.segmentSize == 0 { return false }
      if type & Segmentation.ecn != 0 && !reading.hasECN { return false }
    }
    if marks & Offloads.needsChecksum != 0 {
      let end = UInt32(offloads.checksumStart) + UInt32(offloads.checksumOffset) + 2
      if !reading.hasChecksum || end > packet.totalLength { return false }
      flags |= Offloads.needsChecksum
    } else {
      offloads.checksumStart = 0
      offloads.checksumOffset = 0
    }
    if reading.hasChecksum { flags |= marks & Offloads.dataValid }
    // A hint, and not always a good one (5.1.9.4.2).
    if UInt32(offloads.headerLength) > packet.length { offloads.headerLength = 0 }
    packet.flags = flags
    packet.offloads = offloads
    return true
  }
}

extension Packet {
  /// hash_value and hash_report (5.1.9.4.5), behind the first 12 bytes.
  fileprivate func takeHash(_ header: UnsafeMutableRawPointer) {
    let report = unsafe UInt32(shared_load16(header + NetHeaderLayout.hashReport))
    if report == 0 || report > 9 { return }
    unsafe pointer.pointee.hash = shared_load32(header + NetHeaderLayout.hash)
    flags |= VIONET_PACKET_HASH.rawValue | report << 24
  }

  /// Moves the addresses over the tag, which becomes a field of the packet.
  fileprivate func stripVLAN() {
    if !isTagged || length < 18 { return }
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
    flags |= VIONET_PACKET_VLAN.rawValue
  }
}
