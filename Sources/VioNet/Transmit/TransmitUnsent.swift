// SPDX-License-Identifier: BSD-2-Clause
//
// Packets that a device was given and has not sent, taken out of a ring that is about to go, the oldest first.

import CLinux
import CVionet
import Linux

extension TransmitQueue {
  /// Moves every packet that the device has not sent from the slots into `table`; returns how many. The order is that
  /// of our own record: ids are taken from one end of a queue and given back to the other.
  mutating func takeUnsent(into table: PacketTable) -> Int {
    let size = Int(core.ring.size)
    var heads = 0
    for id in 0..<size where isHead(id) { heads &+= 1 }
    var end = heads
    let outstanding = core.ring.outstanding
    var step: UInt16 = 0
    while step < outstanding {
      step &+= 1
      let id = Int(idGiven(step))
      if id < size && end > 0 && isHead(id) {
        end &-= 1
        table[unchecked: end] = Packet.at(core.slots[uncheckedTagged: id] & ~SlotTag.all)
        core.slots[uncheckedTagged: id] |= SlotTag.inner
      }
    }
    // Packets that the device passed over for younger ones are the oldest.
    var begin = 0
    for id in 0..<size where begin < end && isHead(id) {
      table[unchecked: begin] = Packet.at(core.slots[uncheckedTagged: id] & ~SlotTag.all)
      begin &+= 1
    }
    for id in 0..<size { core.slots[uncheckedTagged: id] = 0 }
    if let indirect {
      for place in 0..<size &* RingLayout.indirectDescriptors { indirect.packets[unchecked: place] = nil }
    }
    return heads
  }

  /// The id that was given out `step` times before the next one: 1 for the youngest.
  private func idGiven(_ step: UInt16) -> UInt16 {
    let ring = core.ring
    if !ring.shape.isInOrder && !ring.isInRingOrder { return ring.idle.given(step) }
    // In ring order ids are places.
    if !ring.shape.isPacked { return (ring.idle.head &- step) & ring.mask }
    return ring.nextAvailable >= step ? ring.nextAvailable &- step : ring.nextAvailable &+ (ring.size &- step)
  }

  private func isHead(_ id: Int) -> Bool {
    let tagged = core.slots[uncheckedTagged: id]
    return tagged != 0 && tagged & SlotTag.inner == 0
  }
}

extension Packet {
  /// Makes a packet of a ring the caller's again, as before it was sent. Returns false if it is in its pool already,
  /// because a reference was freed twice.
  func returnToCaller() -> Bool {
    if holder == Owner.pool { return false }
    var segment: Packet? = self
    for _ in 0..<Int(VIONET_MAX_SEGMENTS) {
      guard let packet = segment, PacketPools.containing(packet) != nil else { break }
      // A packet with more references is the caller's already.
      if packet.holder == Owner.ring { packet.holder = Owner.caller }
      segment = packet.next
    }
    return true
  }
}
