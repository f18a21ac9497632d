// SPDX-License-Identifier: BSD-2-Clause
//
// A receive queue: how it is filled, and what is done about everything out of the ordinary, one entry at a time. The
// ordinary is in ReceiveBurst.swift, frames of several buffers in ReceiveMerged.swift.

import CLinux
import CVionet
import Linux
import Virtio

struct ReceiveQueue {
  var core: Virtqueue
  var cache: PacketCache
  /// What one entry of the ring takes, virtio-net header included: a buffer, or several with `scatter`.
  let bufferLength: UInt32
  /// What one buffer takes without the header.
  let segmentLength: UInt32
  let scatter: ScatterTables?
  let headerSize: UInt32
  /// From the beginning of a packet's memory to that of its buffer.
  let toBuffer: UInt64
  let reading: HeaderReading
  /// Fresh buffers after which the device is asked whether it wants to be told of them.
  let lot: UInt16
  /// Readable when the armed queue has packets or the back-end is gone; while started.
  var wake = Descriptor.none

  /// Header and Ethernet header: a device that uses less has received nothing.
  @inline(__always) var shortest: UInt32 { headerSize &+ 14 }
  /// Of a packet that the caller gets from here.
  @inline(__always) var delivery: UInt64 {
    Packet.holding(pool: cache.view.number, port: core.port, owner: Owner.caller)
  }

  init(
    core: Virtqueue, pool: Cell<PacketPool>, headerSize: Int, reading: HeaderReading, scatter: ScatterTables? = nil
  ) throws(Failure) {
    self.core = core
    cache = try PacketCache(pool: pool)
    self.headerSize = UInt32(headerSize)
    toBuffer = UInt64(Int(VIONET_HEADROOM) - headerSize)
    self.reading = reading
    self.scatter = scatter
    lot = max(1, min(64, core.ring.size / 8))
    segmentLength = pool.value.dataSize
    bufferLength = segmentLength &* UInt32(scatter?.buffers ?? 1) &+ UInt32(headerSize)
  }
}

extension ReceiveQueue {
  /// What became of one entry that the burst left alone.
  enum Oddity {
    case delivered
    case dropped
    /// There was none, or not all of it yet.
    case nothing
    /// Nothing more is to be had from this queue.
    case broken
  }

  /// Gives the device a buffer for every idle descriptor, as far as the pool has them; true if it wants a signal.
  mutating func fill<R: Ring & ~Copyable>(_: R.Type) -> Bool {
    var ring = R(core.ring)
    while ring.idleCount > 0 {
      let buffers = scatter?.buffers ?? 1
      if cache.count < buffers { cache.fill(max(buffers, min(ring.idleCount, cache.bulk))) }
      if cache.count < buffers { break }
      if let scatter {
        var cached = cache.count
        post(scatter, &ring, &cached)
        cache.count = cached
        continue
      }
      cache.count &-= 1
      if let packet = cache.table[cache.count] { post(packet, &ring) }
    }
    ring.save(&core.ring)
    return R.publish(&core.ring)
  }

  /// Gives the device a packet of the ring's.
  private mutating func post<R: Ring & ~Copyable>(_ packet: Packet, _ ring: inout R) {
    let id = ring.nextIdle(after: 0)
    core.slots[id] = packet
    ring.post(
      id, address: packet.deviceBuffer &+ toBuffer, length: bufferLength,
      flags: DescriptorFlag.write, next: 0, descriptors: 1)
  }

  /// Before a burst: the time to mend what a dry pool left undone, and to notice a lying device.
  @inline(never)
  mutating func mend<R: Ring & ~Copyable>(_: R.Type, jumped: Bool) {
    if jumped {
      core.giveUp(.indexJump)
    } else if core.ring.idle.count > 0 && fill(R.self) {
      core.notifyDevice()
    }
  }

  /// One used entry in full detail. It is read anew: what the burst saw of it was not used.
  @inline(never)
  mutating func receiveOdd<R: Ring & ~Copyable>(_: R.Type, _ packets: PacketList, at place: Int) -> Oddity {
    var ring = R(core.ring)
    if ring.pending == 0 || !ring.look() { return .nothing }
    let used = ring.nextOfBatch(full: bufferLength)
    if !ring.accepts(used.id) { return broken(.badID) }
    let id = Int(used.id)
    guard let packet = core.slots[id] else { return broken(.notOutstanding) }
    R.letBack(id, &ring, &core.ring)
    if used.length < shortest || used.length > bufferLength {
      count(used.length < shortest ? VIONET_DROP_SHORT : VIONET_DROP_LONG)
      take(id, &ring)
      post(packet, &ring)
      return finish(&ring, .dropped)
    }
    if reading.isMerged && !reading.isAlone(packet.headerMarks(headerSize)) {
      return receiveMerged(R.self, packets, at: place)
    }
    // The pool is empty, or the entry one of a batch, or the burst larger than the cache: the packet goes to the caller,
    // and its descriptor waits.
    take(id, &ring)
    if cache.count == 0 { cache.fill(1) }
    if cache.count == 0 { core.counters.noBuffer &+= 1 }
    packet.deliver(length: UInt64(used.length &- headerSize), flags: 0, delivery)
    if reading.isNeeded && !settle(packet) { return finish(&ring, .dropped) }
    core.counters.packets &+= 1
    core.counters.bytes &+= UInt64(used.length &- headerSize)
    packets[place] = packet
    return finish(&ring, .delivered)
  }

  /// Leaves one used entry behind and its descriptor idle.
  mutating func take<R: Ring & ~Copyable>(_ id: Int, _ ring: inout R) {
    ring.passUsed(1)
    core.slots[id] = nil
    ring.giveBack(id)
  }

  mutating func count(_ reason: vionet_drop) { core.counters.dropped[Int(reason.rawValue) & 7] &+= 1 }

  mutating func finish<R: Ring & ~Copyable>(_ ring: inout R, _ result: Oddity) -> Oddity {
    ring.save(&core.ring)
    if R.publish(&core.ring) { core.notifyDevice() }
    return result
  }

  mutating func broken(_ fault: RingFault) -> Oddity {
    core.giveUp(fault)
    return .broken
  }

  /// Takes every packet back from a ring the device has let go of. Frames that nobody fetched are counted.
  mutating func takeBack<R: Ring & ~Copyable>(_: R.Type) {
    if core.fault == .none {
      var ring = R(core.ring)
      var left = ring.pending
      while left > 0 && ring.look() && ring.accepts(ring.nextOfBatch(full: 0).id) {
        count(VIONET_DROP_STOPPED)
        ring.passUsed(1)
        left -= 1
      }
    }
    for id in 0..<Int(core.ring.size) {
      if let packet = core.slots[id] ?? scatter?.rest[id] { release(packet) }
      core.slots[id] = nil
      scatter?.empty(id)
    }
  }

  /// An entry's buffers that the device has let go of.
  @inline(never)
  private mutating func release(_ head: Packet) {
    var segment: Packet? = head
    while let packet = segment {
      segment = packet.next
      cache.pool.value.release(packet, heldBy: Owner.pool)
    }
  }

  mutating func destroy() {
    wake.close()
    cache.destroy()
    core.destroy()
    scatter?.destroy()
  }
}
