// SPDX-License-Identifier: BSD-2-Clause
//
// A ring that is full: the packets that a burst gave back, counted once however often they are offered again, and the
// request to be woken when there is room. A burst pays nothing for either while there is room: one flag of the queue says
// that attend() has something to do.

import CLinux
import CVionet
import Linux

/// Packets that bursts gave back to the caller because the ring was full.
struct Refusals {
  /// The packet with which the next burst begins if it offers them again; 0 if that may be any.
  var first: UInt = 0
  /// How many were counted and not taken since.
  var count = 0
  /// How many of those the burst at hand was offered again.
  var offered = 0
  /// Descriptors that the packet given back first needs, if that is more than one and there were fewer.
  var descriptors: UInt16 = 0
}

extension TransmitQueue {
  /// What a burst does first if the queue needs care: disarms it, and finds out whether it begins with the packets that
  /// the last one gave back. Returns false if the queue is broken.
  @inline(never)
  mutating func attend(_ first: UInt, _ count: Int) -> Bool {
    if core.fault != .none { return false }
    if core.armed { core.disarm() }
    // A caller that sends something else has dropped them or sends them elsewhere.
    refusals.offered = refusals.first == 0 || refusals.first == first ? refusals.count : 0
    // If this burst takes all it is offered, the next one begins with the rest, whichever packet that is.
    refusals.count = max(refusals.offered &- count, 0)
    refusals.first = 0
    refusals.descriptors = 0
    core.needsCare = refusals.offered != 0
    return true
  }

  /// Counts packets that a burst gives back after it took `sent`, unless they were counted before.
  @inline(never)
  mutating func refuse(_ rest: PacketList, _ count: Int, after sent: Int) {
    refusals.count = max(refusals.offered &- sent, 0)
    refuse(count)
    refusals.first = rest[uncheckedAddress: 0]
    core.needsCare = true
  }

  /// Counts `count` packets of which the first ones may be counted already.
  mutating func refuse(_ count: Int) {
    core.counters.ringFull &+= UInt64(truncatingIfNeeded: max(count &- refusals.count, 0))
    refusals.count = max(refusals.count, count)
  }

  // MARK: Waiting for room

  /// Idle descriptors with which a sender is woken: a quarter of the ring, so that it sends many packets per wake-up while
  /// the device still has most of the ring to send. A packet of more segments waits for as many.
  fileprivate var wantedRoom: UInt16 { max(core.ring.size / 4, refusals.descriptors, 1) }

  fileprivate mutating func takeRoom() -> Bool {
    if core.ring.idle.count < wantedRoom { return false }
    refusals.descriptors = 0
    if core.armed { core.disarm() }
    return true
  }
}

/// Takes back what was sent and, if that makes too little room, asks for one notification when there is more. Returns true
/// if there is room, or if the device goes on so fast that waiting makes no sense. A broken queue has none.
func awaitRoom(_ queue: Cell<TransmitQueue>) -> Bool {
  for _ in 0...queue.value.core.ring.size {
    reclaimSent(queue)
    if queue.value.core.fault != .none { return false }
    if queue.value.takeRoom() { return true }
    let missing = queue.value.wantedRoom &- queue.value.core.ring.idle.count
    // What was used between the two may have passed the entry that was asked for.
    if !queue.value.core.arm(freeing: missing) { return false }
  }
  queue.value.core.disarm()
  return true
}
