// SPDX-License-Identifier: BSD-2-Clause
//
// A receive queue: how its ring is filled and emptied, and receiveOne(), which does all that a run leaves alone. Runs
// are in ReceiveBurst.swift, frames of several buffers in ReceiveMerged.swift.

import CLinux
import CVionet
import Linux
import Virtio

struct ReceiveQueue {
  var core: Virtqueue
  var cache: PacketCache
  /// Bytes that one ring entry takes, virtio-net header included: one buffer, or several with `scatter`.
  let bufferLength: UInt32
  /// Bytes that one buffer takes without the header.
  let segmentLength: UInt32
  let scatter: ScatterTables?
  let headerSize: UInt32
  /// Longest entry that holds a frame for certain. One that is full may be the first of several (dropMerged()).
  let longestCertain: UInt32
  /// How much longer than the shortest one such an entry may be.
  @inline(__always) var span: UInt64 { UInt64(longestCertain &- shortest) }
  /// Whether headers are read though nothing was agreed that they could say, because one asked for something; 0: no.
  var wary: UInt32 = 0
  /// Offset of the header in a packet's memory.
  let headerOffset: UInt64
  let reading: HeaderReading
  /// Number of fresh buffers after which a burst asks whether the device wants a notification.
  let notifyThreshold: UInt16
  /// What packets are hashed with here (Toeplitz.fill); nil: the device hashes them, or nobody.
  let hashTable: Table<UInt32>?
  /// Readable when the armed queue has packets or the back-end is gone; open while started.
  var wake = Descriptor.none

  /// Header and Ethernet header: shorter entries hold no frame.
  @inline(__always) var shortest: UInt32 { headerSize &+ 14 }
  /// What the packets that go to the caller have in common.
  @inline(__always) var common: CommonFields { cache.view.common(port: core.port) }

  /// Address of the header of a packet in the ring, whose fields say nothing yet.
  @inline(__always)
  func header(_ packet: Packet) -> UInt { cache.view.data(packet) &- UInt(headerSize) }

  init(
    core: Virtqueue, pool: Cell<PacketPool>, headerSize: Int, reading: HeaderReading, scatter: ScatterTables? = nil,
    hashTable: Table<UInt32>? = nil
  ) throws(Failure) {
    self.hashTable = hashTable
    self.core = core
    cache = try PacketCache(pool: pool)
    self.headerSize = UInt32(headerSize)
    headerOffset = UInt64(Int(VIONET_HEADROOM) - headerSize)
    self.reading = reading
    self.scatter = scatter
    notifyThreshold = max(1, min(64, core.ring.size / 8))
    segmentLength = pool.value.dataSize
    bufferLength = segmentLength &* UInt32(scatter?.tables.length ?? 1) &+ UInt32(headerSize)
    let mayMerge = !reading.isMerged && headerSize >= NetHeaderLayout.bytes
    longestCertain = bufferLength &- (mayMerge ? 1 : 0)
  }

  mutating func destroy() {
    wake.close()
    cache.destroy()
    core.destroy()
    scatter?.destroy()
    hashTable?.destroy()
  }
}

// MARK: Filling and emptying

extension ReceiveQueue {
  /// Gives the device a buffer for every idle descriptor, as far as the pool has them; true if it wants a notification.
  mutating func fill<R: ReceiveRing & ~Copyable>(_: R.Type) -> Bool {
    var ring = R(core.ring)
    while ring.idleCount > 0 {
      let buffers = scatter?.tables.length ?? 1
      if cache.count < buffers { cache.fill(max(buffers, min(ring.idleCount, cache.bulk))) }
      if cache.count < buffers { break }
      if let scatter {
        var cached = cache.count
        post(scatter, &ring, &cached)
        cache.count = cached
        continue
      }
      cache.count &-= 1
      if let packet = cache.table[unchecked: cache.count] { post(packet, &ring) }
    }
    ring.save(&core.ring)
    return R.publish(&core.ring)
  }

  /// Gives the device the buffer of one packet.
  private mutating func post<R: ReceiveRing & ~Copyable>(_ packet: Packet, _ ring: inout R) {
    let id = ring.nextIdle(after: 0)
    core.slots[unchecked: id] = packet
    ring.post(
      id, address: cache.view.deviceBuffer(packet) &+ headerOffset, length: bufferLength,
      flags: DescriptorFlag.write, next: 0, descriptors: 1)
  }

  /// Fills descriptors that an empty pool left idle.
  @inline(never)
  mutating func refill<R: ReceiveRing & ~Copyable>(_: R.Type) { if fill(R.self) { core.notifyDevice() } }

  /// Takes every packet back from a ring that the device has let go of. Frames that nobody fetched are counted.
  mutating func takeBack<R: ReceiveRing & ~Copyable>(_: R.Type) {
    if core.fault == .none {
      var ring = R(core.ring)
      var left = ring.pending
      while left > 0 && ring.findUsed() && ring.nextUsed(full: 0) != nil {
        count(VIONET_DROP_STOPPED)
        ring.passUsed(1)
        left -= 1
      }
    }
    for id in 0..<Int(core.ring.size) {
      if let packet = core.slots[unchecked: id] ?? scatter?.rest[unchecked: id] { release(packet) }
      core.slots[unchecked: id] = nil
      scatter?.empty(id)
    }
  }

  /// Releases the buffers of one entry. Only those of a table are linked.
  @inline(never)
  mutating func release(_ head: Packet) {
    var segment: Packet? = head
    while let packet = segment {
      segment = scatter == nil ? nil : packet.next
      PacketCalls.release(packet, of: cache.pool, heldBy: Owner.pool)
    }
  }
}

// MARK: One entry at a time

extension ReceiveQueue {
  /// What became of one used entry.
  enum Outcome {
    case delivered
    case dropped
    /// There was no entry, or not all of a frame yet.
    case nothing
    /// The queue moves nothing any more.
    case broken
  }

  /// Handles one used entry in full detail. Reads it anew: what the run saw of it was not used.
  @inline(never)
  mutating func receiveOne<R: ReceiveRing & ~Copyable>(_: R.Type, _ packets: PacketList, at place: Int) -> Outcome {
    var ring = R(core.ring)
    if ring.pending == 0 || !ring.findUsed() { return .nothing }  // tested by ReceiveTests
    guard let used = ring.nextUsed(full: bufferLength) else { return fail(.badID) }
    let id = Int(used.id)
    // tested by ReceiveHostileTests
    guard let packet = core.slots[unchecked: id], ring.isExposed(id) else { return fail(.notOutstanding) }
    R.checkRingOrder(id, &ring, &core.ring)
    if used.length < shortest || used.length > longestCertain {  // tested by abi-hostile-split-rings
      if used.length == bufferLength {
        if let buffers = mergedBuffers(packet) { return dropMerged(R.self, buffers) }
      } else {
        count(used.length < shortest ? VIONET_DROP_SHORT : VIONET_DROP_LONG)
        take(id, &ring)
        post(packet, &ring)
        return finish(&ring, .dropped)
      }
    }
    // tested by abi-hostile-packed-rings
    if reading.isMerged && !reading.isSingleBuffer(Packet.headerWord(at: header(packet))) {
      return receiveMerged(R.self, packets, at: place)
    }
    // The pool is empty, the entry belongs to a batch, or the burst is larger than the cache: the packet goes to the
    // caller, and its descriptor stays idle for now.
    take(id, &ring)
    if cache.count == 0 { cache.fill(1) }
    if cache.count == 0 { core.counters.noBuffer &+= 1 }
    cache.view.deliver(packet, length: UInt64(used.length &- headerSize), flags: 0, common)
    if (reading.isNeeded || asks(packet)) && !applyHeader(packet) { return finish(&ring, .dropped) }
    core.counters.packets &+= 1
    core.counters.bytes &+= UInt64(used.length &- headerSize)
    packets[unchecked: place] = packet
    return finish(&ring, .delivered)
  }

  /// Leaves one used entry behind, its slot empty and its descriptor idle.
  mutating func take<R: ReceiveRing & ~Copyable>(_ id: Int, _ ring: inout R) {
    ring.passUsed(1)
    core.slots[unchecked: id] = nil
    ring.giveBack(id)
  }

  mutating func count(_ reason: vionet_drop) { core.drop(reason) }

  mutating func finish<R: ReceiveRing & ~Copyable>(_ ring: inout R, _ result: Outcome) -> Outcome {
    ring.save(&core.ring)
    if R.publish(&core.ring) { core.notifyDevice() }
    return result
  }

  mutating func fail(_ fault: RingFault) -> Outcome {
    core.markBroken(fault)
    return .broken
  }
}
