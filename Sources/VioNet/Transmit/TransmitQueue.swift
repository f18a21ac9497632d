// SPDX-License-Identifier: BSD-2-Clause
//
// A transmit queue, and taking back what was sent when it is out of the ordinary: chains, packets of another pool or
// with more than one reference. The ordinary is in TransmitBurst.swift.

import CLinux
import CVionet
import Linux

struct TransmitQueue {
  var core: Virtqueue
  /// Free packets of the pool that the last packets came from.
  var cache: PacketCache
  let headerSize: UInt32
  /// Bytes of the longest frame, Ethernet header included.
  var longest: UInt32
  /// Pools whose memory the device sees, one bit per number.
  let pools: UInt64
  /// What packets may ask of the device.
  let offers: TransmitOffers
  /// Descriptor that follows descriptor n in a chain.
  let links: Table<UInt16>
  let indirect: IndirectTables?
  var dropped = DroppedPlaces()

  /// Marks in a slot beside the packet's address: this one has a successor; this one is not a head; the segments are in
  /// the indirect table's record.
  static let chained: UInt = 1
  static let inner: UInt = 2
  static let indirect: UInt = 4
  static let marks: UInt = 63

  static let shortest: UInt32 = 14

  init(
    core: Virtqueue, pool: Cell<PacketPool>, headerSize: Int, longest: UInt32, pools: UInt64, offers: TransmitOffers,
    indirect: IndirectTables?
  ) throws(Failure) {
    guard let links = Table<UInt16>.make(count: Int(core.ring.size)) else {
      throw Failure(ENOMEM, "no memory for a transmit queue")
    }
    self.core = core
    self.headerSize = UInt32(headerSize)
    self.longest = longest
    self.pools = pools
    self.offers = offers
    self.links = links
    self.indirect = indirect
    do throws(Failure) {
      cache = try PacketCache(pool: pool)
    } catch {
      links.destroy()
      throw error
    }
  }

  /// Devices are told our own addresses, and headers are short.
  @inline(__always) var isOrdinary: Bool { cache.view.isOwn && headerSize <= 12 }

  /// Takes every packet back from a ring the device has let go of. Whether they were sent nobody knows.
  mutating func takeBack() {
    for id in 0..<Int(core.ring.size) {
      let mark = core.slots[marked: id]
      core.slots[marked: id] = 0
      if mark == 0 { continue }
      if mark & TransmitQueue.inner == 0 { count(VIONET_DROP_STOPPED) }
      home(mark, id)
    }
  }

  mutating func destroy() {
    cache.destroy()
    core.destroy()
    links.destroy()
    indirect?.destroy()
  }

  /// Tells the device now of what was posted, in the middle of a burst.
  @inline(never)
  mutating func flush<R: Ring & ~Copyable>(_: R.Type) { if R.publish(&core.ring) { core.notifyDevice() } }

  @inline(never)
  mutating func count(_ reason: vionet_drop) {
    core.counters.dropped[Int(reason.rawValue) & 7] &+= 1
    dropped.add(sent: core.counters.packets)
  }
}

/// Tables of descriptors outside the ring, one for each that is in it, and which packet each of their descriptors is of.
struct IndirectTables {
  let tables: Shared
  /// Where the device finds them.
  let deviceAddress: UInt64
  let packets: PacketTable

  init(_ tables: Shared, deviceAddress: UInt64, size: Int) throws(Failure) {
    guard let packets = PacketTable(count: size * RingLayout.indirectDescriptors) else {
      throw Failure(ENOMEM, "no memory for indirect descriptors")
    }
    self.tables = tables
    self.deviceAddress = deviceAddress
    self.packets = packets
  }

  func destroy() { packets.destroy() }
}

// MARK: Taking back

extension TransmitQueue {
  /// One used entry in full detail: a chain, a packet of another pool or with more than one reference, nonsense. False
  /// if the queue is broken.
  @inline(never)
  mutating func reclaimOdd<R: Ring & ~Copyable>(_: R.Type) -> Bool {
    var ring = R(core.ring)
    if ring.pending == 0 || !ring.look() { return !ring.jumped }
    let used = ring.nextSent()
    if used >= UInt32(core.ring.size) { return broken(.badID) }
    let first = core.slots[marked: Int(used)]
    if first == 0 || first & TransmitQueue.inner != 0 { return broken(.notOutstanding) }
    R.letBack(Int(used), &ring, &core.ring)
    // The chain is our own record: as long as it was made, and made no longer than the ring.
    var id = UInt16(truncatingIfNeeded: used)
    var mark = first
    var descriptors = 1
    while true {
      core.slots[marked: Int(id)] = 0
      ring.giveBack(Int(id))
      home(mark, Int(id))
      if mark & TransmitQueue.chained == 0 { break }
      id = links[id]
      mark = core.slots[marked: Int(id)]
      descriptors &+= 1
    }
    ring.passUsed(descriptors)
    ring.save(&core.ring)
    return true
  }

  private mutating func broken(_ fault: RingFault) -> Bool {
    core.giveUp(fault)
    return false
  }

  /// What one slot held goes home: a segment, or all segments of an indirect table.
  private mutating func home(_ mark: UInt, _ id: Int) {
    guard mark & TransmitQueue.indirect != 0, let indirect else {
      if let packet = Packet.at(mark & ~TransmitQueue.marks) { TransmitQueue.home(packet) }
      return
    }
    var place = id &* RingLayout.indirectDescriptors
    let end = place &+ RingLayout.indirectDescriptors
    while place < end, let packet = indirect.packets[place] {
      indirect.packets[place] = nil
      TransmitQueue.home(packet)
      place &+= 1
    }
  }

  /// The ring's reference to one segment ends. A packet that others have references of stayed its caller's.
  private static func home(_ packet: Packet) {
    guard let pool = PacketPools.containing(packet) else { return }
    // A caller that freed one reference too many has the packet at home already.
    let holder = packet.owner
    if holder == Owner.pool { return pool.value.refuse() }
    pool.value.release(packet, heldBy: holder)
  }
}
