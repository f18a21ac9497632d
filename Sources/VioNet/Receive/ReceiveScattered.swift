// SPDX-License-Identifier: BSD-2-Clause
//
// Frames longer than a buffer from a device that merges none (virtio 1.4, 5.1.6.3.1): each entry of the ring is a table
// of as many buffers as the longest frame takes. What a frame leaves empty stays in its table for the next. Such frames
// are long, or their ring is a rare one: they go one by one.

import CLinux
import CVionet
import Linux
import Virtio

/// Tables of descriptors outside the ring, one for each that is in it (2.7.5.3, 2.8.7).
struct ScatterTables {
  let tables: Shared
  /// Where the device finds them.
  let deviceAddress: UInt64
  /// Descriptors in each.
  let buffers: Int
  /// Of a table that the device does not have: its last packets, and how many are missing before them.
  let rest: PacketTable
  let missing: Table<UInt16>

  init(_ tables: Shared, deviceAddress: UInt64, buffers: Int, size: Int) throws(Failure) {
    guard let rest = PacketTable(count: size) else { throw ScatterTables.noMemory }
    guard let missing = Table<UInt16>.make(count: size) else {
      rest.destroy()
      throw ScatterTables.noMemory
    }
    self.tables = tables
    self.deviceAddress = deviceAddress
    self.buffers = buffers
    self.rest = rest
    self.missing = missing
    for id in 0..<size { empty(id) }
  }

  private static var noMemory: Failure { Failure(ENOMEM, "no memory for indirect descriptors") }

  @inline(__always) var bytes: Int { buffers &* RingFormat.descriptorBytes }

  @inline(__always)
  func keep(_ packets: Packet?, at id: Int, missing count: UInt16) {
    rest[id] = packets
    missing[id] = count
  }

  func empty(_ id: Int) { keep(nil, at: id, missing: UInt16(truncatingIfNeeded: buffers)) }

  func destroy() {
    rest.destroy()
    missing.destroy()
  }
}

/// A burst; the device gets fresh buffers, and is told, at its end.
@inline(__always)
func receiveScattered<R: Ring & ~Copyable>(
  _: R.Type, _ queue: Cell<ReceiveQueue>, _ packets: PacketList, _ limit: UInt16
) -> UInt16 {
  var received = 0
  // A device that floods us with nonsense gets one ring of it per call.
  var nonsense = queue.value.core.ring.size
  while received != Int(limit) && nonsense != 0 {
    let result = queue.value.receiveScattered(R.self, packets, at: received)
    if result == .delivered {
      received &+= 1
    } else if result == .dropped {
      nonsense &-= 1
    } else {
      break
    }
  }
  if queue.value.core.fault == .none { queue.value.endScattered(R.self, received) }
  return UInt16(truncatingIfNeeded: received)
}

extension ReceiveQueue {
  /// One used entry.
  @inline(never)
  fileprivate mutating func receiveScattered<R: Ring & ~Copyable>(
    _: R.Type, _ packets: PacketList, at place: Int
  ) -> Oddity {
    var ring = R(core.ring)
    if ring.pending == 0 || !ring.look() { return ring.jumped ? broken(.indexJump) : .nothing }
    let used = ring.nextOfBatch(full: bufferLength)
    if !ring.accepts(used.id) { return broken(.badID) }
    let id = Int(used.id)
    guard let head = core.slots[id] else { return broken(.notOutstanding) }
    R.letBack(id, &ring, &core.ring)
    take(id, &ring)
    ring.save(&core.ring)
    if used.length < shortest || used.length > bufferLength {
      count(used.length < shortest ? VIONET_DROP_SHORT : VIONET_DROP_LONG)
      scatter?.keep(head, at: id, missing: 0)
      return .dropped
    }
    let length = used.length &- headerSize
    spread(length, over: head, id)
    if reading.isNeeded && !settle(head) { return .dropped }
    core.counters.packets &+= 1
    core.counters.bytes &+= UInt64(length)
    packets[place] = head
    return .delivered
  }

  /// Fresh buffers for what was taken.
  @inline(never)
  fileprivate mutating func endScattered<R: Ring & ~Copyable>(_: R.Type, _ received: Int) {
    if received != 0 && core.armed { core.disarm() }
    if core.ring.idle.count == 0 { return }
    if fill(R.self) { core.notifyDevice() }
    if received != 0 && core.ring.idle.count != 0 { core.counters.noBuffer &+= UInt64(truncatingIfNeeded: received) }
  }

  /// The frame's bytes fill one buffer after the other; those that have none stay in the table.
  private mutating func spread(_ length: UInt32, over head: Packet, _ id: Int) {
    var left = length
    var segments: UInt16 = 0
    var segment: Packet? = head
    while let packet = segment {
      let part = min(left, segmentLength)
      packet.deliver(length: UInt64(part), flags: 0, delivery)
      left &-= part
      segments &+= 1
      segment = packet.next
      if left != 0 { continue }
      packet.next = nil
      break
    }
    scatter?.keep(segment, at: id, missing: segments)
    head.makeHead(segments: segments, totalLength: length)
  }

  /// Gives the device a table, in which fresh packets take the places of those that were delivered. The cache has
  /// enough of them.
  mutating func post<R: Ring & ~Copyable>(_ scatter: ScatterTables, _ ring: inout R, _ cached: inout Int) {
    let id = ring.nextIdle(after: 0)
    let table = scatter.tables.advanced(id &* scatter.bytes)
    var next = scatter.rest[id]
    var place = Int(scatter.missing[id])
    while place > 0, let packet = cache.table[cached &- 1] {
      cached &-= 1
      place &-= 1
      packet.next = next
      next = packet
      let isFirst = place == 0
      let start = packet.deviceBuffer &+ (isFirst ? toBuffer : UInt64(VIONET_HEADROOM))
      let length = segmentLength &+ (isFirst ? headerSize : 0)
      // A split ring's table is a chain; a packed one's is read in order, and its flags come last (2.8.7).
      var marks = UInt64(DescriptorFlag.write) << 48
      if !core.ring.shape.isPacked {
        let isLast = place &+ 1 == scatter.buffers
        marks >>= 16
        if !isLast { marks |= UInt64(DescriptorFlag.next) << 32 | UInt64(truncatingIfNeeded: place &+ 1) << 48 }
      }
      table.store64(place &* RingFormat.descriptorBytes, start)
      table.store64(place &* RingFormat.descriptorBytes &+ 8, UInt64(length) | marks)
    }
    core.slots[id] = next
    scatter.keep(nil, at: id, missing: 0)
    ring.post(
      id, address: scatter.deviceAddress &+ UInt64(truncatingIfNeeded: id &* scatter.bytes),
      length: UInt32(truncatingIfNeeded: scatter.bytes), flags: DescriptorFlag.indirect, next: 0, descriptors: 1)
  }
}
