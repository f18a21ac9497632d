// SPDX-License-Identifier: BSD-2-Clause
//
// A receive queue: how it is filled, and what is done about everything out of the ordinary, one entry at a time. The
// ordinary is in ReceivePlain.swift.

import CLinux
import CVionet
import Linux

struct ReceiveQueue {
  var core: Virtqueue
  var cache: PacketCache
  /// What one buffer takes, virtio-net header included.
  let bufferLength: UInt32
  let headerSize: UInt32

  /// Header and Ethernet header: a device that uses less has received nothing.
  var shortest: UInt32 { headerSize &+ 14 }

  init(core: Virtqueue, pool: Cell<PacketPool>, headerSize: Int) throws(Failure) {
    self.core = core
    cache = try PacketCache(pool: pool)
    self.headerSize = UInt32(headerSize)
    bufferLength = pool.value.dataSize &+ UInt32(headerSize)
  }
}

extension ReceiveQueue {
  /// What became of one entry that the plain burst left alone.
  enum Oddity {
    case delivered
    case dropped
    /// Nothing more is to be had from this queue.
    case broken
  }

  /// Gives the device a buffer for every idle descriptor, as far as the pool has them; true if it wants a signal.
  mutating func fill<R: Ring & ~Copyable>(_: R.Type) -> Bool {
    var ring = R(core.ring)
    while core.idle.count > 0 {
      if cache.count == 0 { cache.fill(min(Int(core.idle.count), cache.bulk)) }
      if cache.count == 0 { break }
      cache.count &-= 1
      guard let packet = cache.table[cache.count] else { break }
      let id = core.idle.pop()
      packet.owner = Owner.ring
      core.slots[Int(id)] = packet
      ring.post(
        Int(id), address: packet.deviceAddressAtHome &- UInt64(headerSize), length: bufferLength,
        flags: UInt16(VRING_DESC_F_WRITE), next: 0)
    }
    return ring.commit(&core.ring)
  }

  /// Before a burst: the time to mend what a dry pool left undone, and to notice a lying device.
  @inline(never)
  mutating func mend<R: Ring & ~Copyable>(_: R.Type, jumped: Bool) {
    if jumped {
      core.giveUp(.indexJump)
    } else if core.idle.count > 0 && fill(R.self) {
      core.notifyDevice()
    }
  }

  /// One used entry in full detail. It is read anew: what the plain burst saw of it was not used.
  @inline(never)
  mutating func receiveOdd<R: Ring & ~Copyable>(_: R.Type, _ packets: PacketList, at place: Int) -> Oddity {
    var ring = R(core.ring)
    let used = ring.nextUsed()
    if used.id >= UInt32(core.ring.size) { return broken(.badID) }
    let id = Int(used.id)
    guard let packet = core.slots[id] else { return broken(.notOutstanding) }
    ring.skipUsed()
    if used.length < shortest || used.length > bufferLength {
      let reason = used.length < shortest ? VIONET_DROP_SHORT : VIONET_DROP_LONG
      core.counters.dropped[Int(reason.rawValue)] &+= 1
      ring.repost(id)
      return finish(&ring, .dropped)
    }
    // The pool is empty: the packet goes to the caller and its descriptor waits for a buffer.
    core.slots[id] = nil
    core.idle.push(UInt16(truncatingIfNeeded: id))
    core.counters.noBuffer &+= 1
    core.counters.packets &+= 1
    core.counters.bytes &+= UInt64(used.length &- headerSize)
    packet.deliver(length: used.length &- headerSize, port: core.port)
    packets[place] = packet
    return finish(&ring, .delivered)
  }

  private mutating func finish<R: Ring & ~Copyable>(_ ring: inout R, _ result: Oddity) -> Oddity {
    if ring.commit(&core.ring) { core.notifyDevice() }
    return result
  }

  private mutating func broken(_ fault: RingFault) -> Oddity {
    core.giveUp(fault)
    return .broken
  }

  /// Takes every packet back from a ring the device has let go of. Frames that nobody fetched are counted.
  mutating func takeBack<R: Ring & ~Copyable>(_: R.Type) {
    if core.fault == .none {
      core.counters.dropped[Int(VIONET_DROP_STOPPED.rawValue)] &+= UInt64(R(core.ring).pending)
    }
    for id in 0..<Int(core.ring.size) {
      guard let packet = core.slots[id] else { continue }
      core.slots[id] = nil
      cache.pool.value.release(packet, heldBy: Owner.ring)
    }
  }

  mutating func destroy() {
    cache.destroy()
    core.destroy()
  }
}
