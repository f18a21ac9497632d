// SPDX-License-Identifier: BSD-2-Clause
//
// A frame in several buffers (virtio 1.4, 5.1.9.4, with MRG_RXBUF): the first has the header, which counts them; the
// others hold data from their first byte on. First all of them are looked at, then taken, so that a device that has not
// finished costs nothing but a second look.

import CLinux
import CVionet
import Linux

extension ReceiveQueue {
  /// The buffers of one frame, in order.
  private struct Found {
    var ids = InlineArray<64, UInt16>(repeating: 0)
    var lengths = InlineArray<64, UInt32>(repeating: 0)
    var count = 0
    /// The buffers come back in the order in which they went out.
    mutating func isStraight(from first: Int, size: Int) -> Bool {
      var place = 0
      while place < count {
        let next = first &+ place
        if Int(ids[place & 63]) != (next >= size ? next &- size : next) { return false }
        place &+= 1
      }
      return true
    }

    mutating func has(_ id: UInt16) -> Bool {
      var place = 0
      while place < count {
        if ids[place & 63] == id { return true }
        place &+= 1
      }
      return false
    }
  }

  private enum Look {
    case whole
    case notYet
    case fault(RingFault)
  }

  @inline(never)
  mutating func receiveMerged<R: Ring & ~Copyable>(_: R.Type, _ packets: PacketList, at place: Int) -> Oddity {
    // Large, and handed on by address alone.
    var found = Found()
    var after = core.ring
    switch find(R.self, &found, &after) {
    case .notYet: return .nothing
    case .fault(let fault): return broken(fault)
    case .whole:
      if !R.isInOrder && core.ring.isStraight
        && !found.isStraight(from: R(core.ring).sentPlace, size: Int(core.ring.size))
      {
        core.ring.bend()
        after.bend()
      }
      var ring = R(after)
      guard let head = join(&found, &ring) else { return finish(&ring, .dropped) }
      let bytes = UInt64(head.totalLength)
      if !settle(head) { return finish(&ring, .dropped) }
      core.counters.packets &+= 1
      core.counters.bytes &+= bytes
      packets[place] = head
      return finish(&ring, .delivered)
    }
  }

  /// Looks at all buffers of the next frame, and takes none; `after` is the ring with all of them left behind.
  private mutating func find<R: Ring & ~Copyable>(_: R.Type, _ found: inout Found, _ after: inout RingState) -> Look {
    var ring = R(core.ring)
    var wanted = 1
    while found.count < wanted {
      // A buffer named twice would be joined to itself: its slot is emptied only later, so it is compared here.
      if found.count == ring.pending || !ring.look() { return .notYet }
      let used = ring.nextOfBatch(full: bufferLength)
      // A batch ends where the device has got to.
      if !ring.accepts(used.id) || ring.batchLeft > ring.pending &- found.count { return .fault(.badID) }
      let id = UInt16(truncatingIfNeeded: used.id)
      guard let packet = core.slots[Int(id)] else { return .fault(.notOutstanding) }
      if found.has(id) { return .fault(.notOutstanding) }
      if found.count == 0 {
        wanted = Int(packet.headerMarks(headerSize) >> 16)
        if wanted == 0 || wanted > min(Int(VIONET_MAX_SEGMENTS), Int(core.ring.size)) { return .fault(.badCount) }
      }
      found.ids[found.count & 63] = id
      found.lengths[found.count & 63] = used.length
      found.count &+= 1
      ring.passUsed(1)
    }
    ring.save(&after)
    return .whole
  }

  /// Takes the buffers and makes one packet of them; nil, all given back and counted, if a length is nonsense.
  private mutating func join<R: Ring & ~Copyable>(_ found: inout Found, _ ring: inout R) -> Packet? {
    var head: Packet?
    var last: Packet?
    var total: UInt32 = 0
    var isSound = true
    var place = 0
    while place < found.count {
      let id = Int(found.ids[place & 63])
      let length = found.lengths[place & 63]
      let isFirst = place == 0
      place &+= 1
      guard let packet = core.slots[id] else { continue }
      core.slots[id] = nil
      ring.giveBack(id)
      if length > bufferLength || length < (isFirst ? shortest : 1) { isSound = false }
      packet.deliver(length: UInt64(isFirst ? length &- headerSize : length), flags: 0, delivery)
      if !isFirst { packet.beginAtHeader(headerSize) }
      total &+= packet.length
      last?.next = packet
      if isFirst { head = packet }
      last = packet
    }
    guard let head else { return nil }
    if isSound {
      head.makeHead(segments: UInt16(truncatingIfNeeded: found.count), totalLength: total)
      return head
    }
    count(VIONET_DROP_LONG)
    PacketCalls.free(head, assuming: cache.pool)
    return nil
  }
}

extension Packet {
  /// The data starts where in the first buffer the header does.
  fileprivate func beginAtHeader(_ header: UInt32) {
    unsafe pointer.pointee.data -= Int(header)
    unsafe pointer.pointee.headroom &-= UInt16(truncatingIfNeeded: header)
  }

  func makeHead(segments: UInt16, totalLength: UInt32) {
    unsafe pointer.pointee.segments = segments
    unsafe pointer.pointee.total_length = totalLength
  }
}
