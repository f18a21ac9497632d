// SPDX-License-Identifier: BSD-2-Clause
//
// Frames longer than a buffer from a device that merges none (virtio 1.4, 5.1.6.3.1): each entry of the ring is a
// table of as many buffers as the longest frame takes. Buffers that a frame leaves empty stay in their table for the
// next one. Entries are taken one by one: such frames are long, or such a ring is rare.

import CLinux
import CVionet
import Linux
import Virtio

/// The tables of a receive queue, and what is left of those that the device does not have.
struct ScatterTables {
  let tables: DescriptorTables
  /// The last packets of a table that the device does not have, chained.
  let rest: PacketTable
  /// Number of packets missing before them.
  let missing: Table<UInt16>

  init(_ tables: Shared, deviceAddress: UInt64, buffers: Int, size: Int) throws(Failure) {
    guard let rest = PacketTable(count: size) else { throw ScatterTables.noMemory }
    guard let missing = Table<UInt16>.make(count: size) else {
      rest.destroy()
      throw ScatterTables.noMemory
    }
    self.tables = DescriptorTables(base: tables, deviceAddress: deviceAddress, length: buffers)
    self.rest = rest
    self.missing = missing
    for id in 0..<size { empty(id) }
  }

  private static var noMemory: Failure { Failure(ENOMEM, "no memory for indirect descriptors") }

  /// Records what a table holds.
  @inline(__always)
  func record(_ packets: Packet?, at id: Int, missing count: UInt16) {
    rest[unchecked: id] = packets
    missing[id] = count
  }

  func empty(_ id: Int) { record(nil, at: id, missing: UInt16(truncatingIfNeeded: tables.length)) }

  func destroy() {
    rest.destroy()
    missing.destroy()
  }
}

/// One burst. The device gets fresh buffers, and a notification if it wants one, at its end.
@inline(__always)
func receiveScattered<R: ReceiveRing & ~Copyable>(
  _: R.Type, _ queue: Cell<ReceiveQueue>, _ packets: PacketList, _ limit: UInt16
) -> UInt16 {
  var received = 0
  // One call drops at most a ring's worth of invalid entries.
  var dropsLeft = queue.value.core.ring.size
  while received != Int(limit) && dropsLeft != 0 {
    let result = queue.value.receiveScattered(R.self, packets, at: received)
    if result == .delivered {
      received &+= 1
    } else if result == .dropped {
      dropsLeft &-= 1
    } else {
      break
    }
  }
  if queue.value.core.fault == .none { queue.value.endScattered(R.self, received) }
  return UInt16(truncatingIfNeeded: received)
}

extension ReceiveQueue {
  /// Handles one used entry.
  @inline(never)
  fileprivate mutating func receiveScattered<R: ReceiveRing & ~Copyable>(
    _: R.Type, _ packets: PacketList, at place: Int
  ) -> Outcome {
    var ring = R(core.ring)
    // tested by abi-offloads
    if ring.pending == 0 || !ring.findUsed() { return ring.indexJumped ? fail(.indexJump) : .nothing }
    guard let used = ring.nextUsed(full: bufferLength) else { return fail(.badID) }
    let id = Int(used.id)
    guard let head = core.slots[unchecked: id], ring.isExposed(id) else { return fail(.notOutstanding) }
    R.checkRingOrder(id, &ring, &core.ring)
    if used.length == bufferLength && longestCertain != bufferLength, let buffers = mergedBuffers(head) {
      return dropMerged(R.self, buffers)
    }
    take(id, &ring)
    ring.save(&core.ring)
    if used.length < shortest || used.length > bufferLength {  // tested by fuzz-device-rings
      count(used.length < shortest ? VIONET_DROP_SHORT : VIONET_DROP_LONG)
      scatter?.record(head, at: id, missing: 0)
      return .dropped
    }
    let length = used.length &- headerSize
    spread(length, over: head, id)
    if (reading.isNeeded || asks(head)) && !applyHeader(head) { return .dropped }
    core.counters.packets &+= 1
    core.counters.bytes &+= UInt64(length)
    packets[unchecked: place] = head
    return .delivered
  }

  /// Posts fresh buffers in place of those that were taken.
  @inline(never)
  fileprivate mutating func endScattered<R: ReceiveRing & ~Copyable>(_: R.Type, _ received: Int) {
    if received != 0 && core.armed { core.disarm() }
    if core.ring.idle.count == 0 { return }
    if fill(R.self) { core.notifyDevice() }
    if received != 0 && core.ring.idle.count != 0 { core.counters.noBuffer &+= UInt64(truncatingIfNeeded: received) }
  }

  /// Spreads the frame's bytes over the buffers, one after the other. Empty ones stay in the table.
  private mutating func spread(_ length: UInt32, over head: Packet, _ id: Int) {
    var left = length
    var segments: UInt16 = 0
    var segment: Packet? = head
    while let packet = segment {
      let part = min(left, segmentLength)
      segment = packet.next
      cache.view.deliver(packet, length: UInt64(part), flags: 0, common)
      left &-= part
      segments &+= 1
      if left == 0 { break }
      packet.next = segment
    }
    scatter?.record(segment, at: id, missing: segments)
    head.makeHead(segments: segments, totalLength: length)
  }

  /// Gives the device a table in which fresh packets replace those that were delivered. The cache has enough of them.
  mutating func post<R: ReceiveRing & ~Copyable>(_ scatter: ScatterTables, _ ring: inout R, _ cached: inout Int) {
    let id = ring.nextIdle(after: 0)
    let table = scatter.tables.table(id)
    var next = scatter.rest[unchecked: id]
    var place = Int(scatter.missing[id])
    while place > 0, let packet = cache.table[unchecked: cached &- 1] {
      cached &-= 1
      place &-= 1
      packet.next = next
      next = packet
      let isFirst = place == 0
      DescriptorTables.write(
        R.self, table, place, isLast: place &+ 1 == scatter.tables.length,
        address: cache.view.deviceBuffer(packet) &+ (isFirst ? headerOffset : UInt64(VIONET_HEADROOM)),
        length: segmentLength &+ (isFirst ? headerSize : 0), flags: DescriptorFlag.write)
    }
    core.slots[unchecked: id] = next
    scatter.record(nil, at: id, missing: 0)
    scatter.tables.post(id, count: scatter.tables.length, &ring)
  }
}
