// SPDX-License-Identifier: BSD-2-Clause
//
// Packets that a device was given and has not sent, taken out of a ring that is about to go, in the order in which they
// went in.

import CLinux
import CVionet
import Linux

extension TransmitQueue {
  /// Takes every packet that the device was given and has not sent out of the slots; returns how many. The order is
  /// that of our own record: ids are taken from one end of a queue and given back to the other.
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
        table[end] = Packet.at(core.slots[marked: id] & ~TransmitQueue.marks)
        core.slots[marked: id] |= TransmitQueue.inner
      }
    }
    // Those that the device passed over for younger ones are the oldest.
    var begin = 0
    for id in 0..<size where begin < end && isHead(id) {
      table[begin] = Packet.at(core.slots[marked: id] & ~TransmitQueue.marks)
      begin &+= 1
    }
    for id in 0..<size { core.slots[marked: id] = 0 }
    if let indirect { for place in 0..<size &* RingLayout.indirectDescriptors { indirect.packets[place] = nil } }
    return heads
  }

  /// The id that was given out so many before the next one: 1 for the youngest.
  private func idGiven(_ step: UInt16) -> UInt16 {
    let ring = core.ring
    if !ring.shape.isInOrder { return ring.idle.table[(ring.idle.head &- step) & ring.idle.mask] }
    // In order ids are places.
    if !ring.shape.isPacked { return (ring.idle.head &- step) & ring.mask }
    return ring.nextAvailable >= step ? ring.nextAvailable &- step : ring.nextAvailable &+ (ring.size &- step)
  }

  private func isHead(_ id: Int) -> Bool {
    let mark = core.slots[marked: id]
    return mark != 0 && mark & TransmitQueue.inner == 0
  }
}

extension Packet {
  /// From the ring back to where it was before it was sent; false if it is at home already, by a reference freed twice.
  func becomeCallers() -> Bool {
    if owner == Owner.pool { return false }
    var segment: Packet? = self
    for _ in 0..<Int(VIONET_MAX_SEGMENTS) {
      // A packet with more references is in the caller's hands too.
      guard let packet = segment, PacketPools.containing(packet) != nil else { break }
      if packet.owner == Owner.ring { packet.owner = Owner.caller }
      segment = packet.next
    }
    return true
  }
}
