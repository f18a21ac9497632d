// SPDX-License-Identifier: BSD-2-Clause
//
// A frame in several buffers (virtio 1.4, 5.1.9.4, with MRG_RXBUF): the header in the first one counts them, the others
// hold data from their first byte on. All of them are found before any is taken, so that a device that has not finished
// costs only a second look.
//
// Some devices merge buffers though that was not negotiated (VPP does as soon as headers have 12 bytes). Behind the
// first buffer such a frame has no header, and what is taken for one would be the frame's own bytes. So it is dropped
// whole. Its count of buffers is not enough to know it by: without MRG_RXBUF the kernel's vhost leaves num_buffers as
// the memory had it. But the device goes on to a second buffer when the first one is full.

import CLinux
import CVionet
import Linux

extension ReceiveQueue {
  /// The buffers of one frame, in order.
  private struct Found {
    var ids = InlineArray<64, UInt16>(repeating: 0)
    var lengths = InlineArray<64, UInt32>(repeating: 0)
    var count = 0

    /// True if the ids follow one another in a ring of that size.
    mutating func areConsecutive(size: Int) -> Bool {
      let first = Int(ids[0])
      var place = 1
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

  private enum Search {
    case whole
    case notYet
    case fault(RingFault)
  }

  @inline(never)
  mutating func receiveMerged<R: ReceiveRing & ~Copyable>(_: R.Type, _ packets: PacketList, at place: Int) -> Outcome {
    // Large, so that it is passed by address only.
    var found = Found()
    var after = core.ring
    switch find(R.self, nil, &found, &after) {
    case .notYet: return wait(found)
    case .fault(let fault): return fail(fault)
    case .whole:
      checkRingOrder(R.self, &found, &after)
      var ring = R(after)
      guard let head = join(&found, &ring) else { return finish(&ring, .dropped) }
      let bytes = UInt64(head.totalLength)
      if !applyHeader(head) { return finish(&ring, .dropped) }
      core.counters.packets &+= 1
      core.counters.bytes &+= bytes
      packets[unchecked: place] = head
      return finish(&ring, .delivered)
    }
  }

  /// How many buffers a frame has of which this is the first, a full one, from a device that should merge none; nil: one.
  @inline(never)
  mutating func mergedBuffers(_ packet: Packet) -> Int? {
    let buffers = Int(Packet.headerWord(at: header(packet)) >> 16)
    // More than a packet or the ring can have is what was in memory.
    return buffers > 1 && buffers <= min(Int(VIONET_MAX_SEGMENTS), Int(core.ring.size)) ? buffers : nil
  }

  /// Drops a frame of at most that many buffers, of which all but the last one are full.
  @inline(never)
  mutating func dropMerged<R: ReceiveRing & ~Copyable>(_: R.Type, _ buffers: Int) -> Outcome {
    var found = Found()
    var after = core.ring
    switch find(R.self, buffers, &found, &after) {
    case .notYet: return wait(found)
    case .fault(let fault): return fail(fault)
    case .whole:
      checkRingOrder(R.self, &found, &after)
      var ring = R(after)
      var place = 0
      while place < found.count {
        let id = Int(found.ids[place & 63])
        place &+= 1
        guard let packet = core.slots[unchecked: id] else { continue }
        core.slots[unchecked: id] = nil
        ring.giveBack(id)
        release(packet)
        scatter?.empty(id)
      }
      count(VIONET_DROP_LONG)
      return finish(&ring, .dropped)
    }
  }

  private mutating func wait(_ found: borrowing Found) -> Outcome {
    core.ring.waitingForMore = UInt16(truncatingIfNeeded: found.count)
    return .nothing
  }

  private mutating func checkRingOrder<R: ReceiveRing & ~Copyable>(
    _: R.Type, _ found: inout Found, _ after: inout RingState
  ) {
    if R.isInOrder || !core.ring.isInRingOrder { return }
    if R(core.ring).isNextBack(Int(found.ids[0])) && found.areConsecutive(size: Int(core.ring.size)) { return }
    core.ring.leaveRingOrder()
    after.leaveRingOrder()
  }

  /// Finds all buffers of the next frame and takes none; `after` becomes the ring with all of them left behind. `most`:
  /// how many there are at most, the last of which is not full; nil: its header says how many there are.
  private mutating func find<R: ReceiveRing & ~Copyable>(
    _: R.Type, _ most: Int?, _ found: inout Found, _ after: inout RingState
  ) -> Search {
    var ring = R(core.ring)
    var wanted = most ?? 1
    while found.count < wanted {
      if found.count == ring.pending || !ring.findUsed() { return .notYet }  // tested by fuzz-device-rings
      // A batch must not reach beyond the used entries.
      // tested by ReceiveMergedTests
      guard let used = ring.nextUsed(full: bufferLength), ring.batchLeft <= ring.pending &- found.count else {
        return .fault(.badID)
      }
      let id = UInt16(truncatingIfNeeded: used.id)
      guard let packet = core.slots[unchecked: Int(id)], ring.isExposed(Int(id)) else { return .fault(.notOutstanding) }
      // Slots are emptied only later, so that a buffer named twice must be found here: it would be joined to itself.
      if found.has(id) { return .fault(.notOutstanding) }  // tested by ReceiveMergedTests
      if found.count == 0 && most == nil {
        wanted = Int(Packet.headerWord(at: header(packet)) >> 16)
        // tested by abi-hostile-packed-rings
        if wanted == 0 || wanted > min(Int(VIONET_MAX_SEGMENTS), Int(core.ring.size)) { return .fault(.badCount) }
      }
      found.ids[found.count & 63] = id
      found.lengths[found.count & 63] = used.length
      found.count &+= 1
      ring.passUsed(1)
      if most != nil && used.length != bufferLength { wanted = found.count }
    }
    ring.save(&after)
    return .whole
  }

  /// Takes the buffers and makes one packet of them. Returns nil if a length is invalid: then all were freed and
  /// counted.
  private mutating func join<R: ReceiveRing & ~Copyable>(_ found: inout Found, _ ring: inout R) -> Packet? {
    var head: Packet?
    var last: Packet?
    var total: UInt32 = 0
    var isValid = true
    var place = 0
    while place < found.count {
      let id = Int(found.ids[place & 63])
      let length = found.lengths[place & 63]
      let isFirst = place == 0
      place &+= 1
      guard let packet = core.slots[unchecked: id] else { continue }
      core.slots[unchecked: id] = nil
      ring.giveBack(id)
      if length > bufferLength || length < (isFirst ? shortest : 1) { isValid = false }  // tested by ReceiveMergedTests
      cache.view.deliver(packet, length: UInt64(isFirst ? length &- headerSize : length), flags: 0, common)
      if !isFirst { packet.beginAtHeader(headerSize) }
      total &+= packet.length
      last?.next = packet
      if isFirst { head = packet }
      last = packet
    }
    guard let head else { return nil }
    if isValid {
      head.makeHead(segments: UInt16(truncatingIfNeeded: found.count), totalLength: total)
      return head
    }
    count(VIONET_DROP_LONG)
    PacketCalls.free(head, assuming: cache.pool)
    return nil
  }
}

// Safety: the caller has taken the packet out of its slot and owns its fields; a header fits into the headroom.
extension Packet {
  /// Begins the data where the first buffer of a frame has its header.
  fileprivate func beginAtHeader(_ header: UInt32) {
    unsafe pointer.pointee.data -= Int(header)
    unsafe pointer.pointee.headroom &-= UInt16(truncatingIfNeeded: header)
  }

  /// Makes the packet the head of that many segments.
  func makeHead(segments: UInt16, totalLength: UInt32) {
    unsafe pointer.pointee.segments = segments
    unsafe pointer.pointee.total_length = totalLength
  }
}
