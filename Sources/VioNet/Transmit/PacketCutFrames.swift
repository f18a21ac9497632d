// SPDX-License-Identifier: BSD-2-Clause
//
// The frames of a cut: what they take is counted first, and then each is made, one after another.

import CLinux
import CVionet
import Linux
import Virtio

// MARK: What the frames take

extension PacketCut {
  /// Bytes of VLAN tags in each frame, which the MTU does not count, as Packet.tagBytes says.
  var tagBytes: Int {
    if begin.readable < 18 || !EtherType.isTag(begin.word(12)) { return 0 }
    return EtherType.isTag(begin.word(16)) ? 8 : 4
  }

  /// Bytes of the longest frame.
  var longest: Int { headerBytes &+ min(size, payload) }

  private func payloadBytes(_ index: Int) -> Int { max(0, min(size, payload &- index &* size)) }

  /// Packets and descriptors that the frames of a packet take: in a ring with indirect tables of `table` descriptors, or
  /// without (0). Nil if a frame has more segments than a packet may have, the descriptors are more than `most`, or a
  /// segment has too many references.
  @_optimize(speed)
  func need(_ packet: Packet, table: Int, most: Int) -> (packets: Int, descriptors: Int)? {
    var packets = 0
    var descriptors = 0
    var sources = ViewSources()
    var cursor = cursor(packet)
    var index = 0
    while index < frames {
      var left = payloadBytes(index)
      var segments = 1
      while left > 0, let piece = cursor.next(left) {
        if !sources.hasReferences(piece.segment, frames) { return nil }
        left &-= piece.count
        segments &+= 1
      }
      if segments > Int(VIONET_MAX_SEGMENTS) { return nil }
      packets &+= segments
      descriptors &+= segments <= table ? 1 : segments
      if descriptors > most { return nil }
      index &+= 1
    }
    return (packets, descriptors)
  }

  /// The place of the first frame's payload.
  func cursor(_ packet: Packet) -> DataCursor {
    var cursor = DataCursor(packet)
    cursor.skip(skipped)
    return cursor
  }
}

// MARK: Frames

extension PacketCut {
  /// Makes frame `index`, whose payload begins at the place.
  @_optimize(speed)
  func frame(_ index: Int, _ place: inout CutPlace) -> Packet {
    let head = place.fresh.next()
    let count = payloadBytes(index)
    begin.copy(headerBytes, to: head)
    var sum = WordSum()
    var left = count
    var isOdd = false
    var segments: UInt16 = 1
    var last = head
    // Safety: next() returns pieces of checked segments.
    while left > 0, let piece = place.cursor.next(left) {
      let view = place.fresh.next()
      place.show(piece.segment, piece.offset, piece.count, view)
      if finishesChecksum {
        var part = WordSum()
        unsafe part.add(piece.segment.start(piece.offset), piece.count)
        sum.add(isOdd ? part.swapped : part)
        if piece.count & 1 != 0 { isOdd.toggle() }
      }
      left &-= piece.count
      last.next = view
      last = view
      segments &+= 1
    }
    head.length = UInt32(truncatingIfNeeded: headerBytes)
    head.totalLength = UInt32(truncatingIfNeeded: headerBytes &+ count)
    head.segments = segments
    head.flags = flags
    head.offloads = offloads
    if hasSegments { finish(head, index, count, sum) }
    return head
  }

  /// Stores the fields that are this frame's own.
  @inline(__always)
  private func finish(_ frame: Packet, _ index: Int, _ count: Int, _ payloadSum: WordSum) {
    let network = Int(self.network)
    let transport = Int(self.transport)
    let bytes = UInt16(truncatingIfNeeded: headerBytes &- transport &+ count)
    if isIPv6 {
      frame.set(network &+ 4, UInt16(truncatingIfNeeded: headerBytes &- network &- 40 &+ count))
    } else {
      let length = UInt16(truncatingIfNeeded: headerBytes &- network &+ count)
      let number = identification &+ UInt16(truncatingIfNeeded: index)
      var sum = WordSum()
      sum.add(stored: networkSum)
      sum.add(field: length)
      sum.add(field: number)
      frame.set(network &+ 2, length)
      frame.set(network &+ 4, number)
      frame.set(network &+ 10, UInt16(bigEndian: ~sum.folded))
    }
    var sum = WordSum()
    sum.add(stored: transportSum)
    sum.add(field: bytes)
    if isTCP {
      let place = sequence &+ UInt32(truncatingIfNeeded: index &* size)
      let control = control(index)
      frame.set(transport &+ 4, UInt16(truncatingIfNeeded: place >> 16))
      frame.set(transport &+ 6, UInt16(truncatingIfNeeded: place))
      frame.set(transport &+ 12, control)
      if finishesChecksum {
        sum.add(field: UInt16(truncatingIfNeeded: place >> 16))
        sum.add(field: UInt16(truncatingIfNeeded: place))
        sum.add(field: control)
      }
    } else {
      frame.set(transport &+ 4, bytes)
      if finishesChecksum { sum.add(field: bytes) }
    }
    sum.add(payloadSum)
    let stored = finishesChecksum ? sum.checksum(isUDP: !isTCP) : sum.folded
    frame.set(transport &+ (isTCP ? 16 : 6), UInt16(bigEndian: stored))
  }

  /// TCP's flags of one segment: FIN and PSH are the last one's, CWR the first one's.
  private func control(_ index: Int) -> UInt16 {
    var word = control
    if index != frames &- 1 { word &= ~0x09 }
    if index != 0 { word &= ~0x80 }
    return word
  }
}

// Safety: headers were copied into the packet's data before, and fields lie inside the headers.
extension Packet {
  @inline(__always)
  fileprivate func set(_ at: Int, _ word: UInt16) {
    unsafe pointer.pointee.data.storeBytes(of: word.bigEndian, toByteOffset: at, as: UInt16.self)
  }
}
