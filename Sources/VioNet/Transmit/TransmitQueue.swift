// SPDX-License-Identifier: BSD-2-Clause
//
// A transmit queue, and reclaimOne(), which takes back what a run leaves alone: chains, packets of another pool or
// with more than one reference. Runs are in TransmitBurst.swift.

import CLinux
import CVionet
import Linux

/// Tags in a slot, in the low bits of a packet's address.
enum SlotTag {
  /// The chain goes on: `links` has the next descriptor.
  static let chained: UInt = 1
  /// The slot is no head of a chain.
  static let inner: UInt = 2
  /// The segments are in the record of the indirect table.
  static let indirect: UInt = 4
  static let all: UInt = 63
}

// Safety: `scratch` is memory of the queue's own, from init to destroy().
@safe
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
  let offloads: TransmitOffloads
  /// Descriptor that follows descriptor n in a chain.
  let links: Table<UInt16>
  let indirect: IndirectTables?
  var dropped = DroppedPlaces()
  var watchedDrops = WatchedDrops()
  var refusals = Refusals()
  var looks = LooksAhead(gained: 0)
  /// Places in the middle of a chain say nothing, so that a queue which has sent one looks at the next ones only.
  var hasSentChains = false
  /// Readable when the armed queue has room or the back-end is gone; open from the first call that asks for it.
  var wake = Descriptor.none
  /// True if the queue does what the device lacks (VIONET_TX_SOFTWARE).
  let takesOver: Bool
  /// Room for the packets that one cut takes.
  let spare: PacketTable
  /// Room for the first bytes of a packet.
  let scratch: UnsafeMutableRawPointer

  /// Bytes of the shortest frame: an Ethernet header.
  static let shortest: UInt32 = 14

  init(
    core: Virtqueue, pool: Cell<PacketPool>, headerSize: Int, longest: UInt32, pools: UInt64,
    offloads: TransmitOffloads, indirect: IndirectTables?, takesOver: Bool = false
  ) throws(Failure) {
    guard let links = Table<UInt16>.make(count: Int(core.ring.size)) else {
      throw Failure(ENOMEM, "no memory for a transmit queue")
    }
    guard let spare = PacketTable(count: TransmitQueue.spareRoom(takesOver ? Int(core.ring.size) : 0)) else {
      links.destroy()
      throw Failure(ENOMEM, "no memory for a transmit queue")
    }
    guard let scratch = unsafe Heap.zeroed(FrameStart.room) else {
      links.destroy()
      spare.destroy()
      throw Failure(ENOMEM, "no memory for a transmit queue")
    }
    self.takesOver = takesOver
    self.spare = spare
    unsafe self.scratch = scratch
    self.core = core
    self.headerSize = UInt32(headerSize)
    self.longest = longest
    self.pools = pools
    self.offloads = offloads
    self.links = links
    self.indirect = indirect
    do throws(Failure) {
      cache = try PacketCache(pool: pool)
    } catch {
      links.destroy()
      spare.destroy()
      unsafe free(scratch)
      throw error
    }
  }

  /// True if packets may be sent in runs: the device is given our own addresses, and headers are short.
  @inline(__always) var allowsRuns: Bool { cache.view.isOwn && headerSize <= 12 }

  mutating func destroy() {
    wake.close()
    cache.destroy()
    core.destroy()
    links.destroy()
    spare.destroy()
    unsafe free(scratch)
    indirect?.destroy()
  }

  /// Publishes what was posted, in the middle of a burst.
  @inline(never)
  mutating func flush<R: TransmitRing & ~Copyable>(_: R.Type) { if R.publish(&core.ring) { core.notifyDevice() } }

  @inline(never)
  mutating func count(_ reason: vionet_drop) {
    core.drop(reason)
    let place = dropped.add(sent: core.counters.packets)
    if watchedDrops.isWanted { watchedDrops.reasons[place & 63] = UInt8(truncatingIfNeeded: reason.rawValue) }
  }
}

/// How the next looks for sent packets go: at the next one, or at one further on (reclaimSome).
struct LooksAhead {
  private static let most: UInt8 = 8
  private static let nearest: UInt16 = 32, farthest: UInt16 = 256
  /// Fewer buffers are not worth it.
  static let least = 16

  /// How many buffers the last look at the next one found.
  let gained: UInt16
  /// How many looks in a row go further on without finding anything, and how far.
  let left: UInt8
  let distance: UInt16

  /// A look at the next one found that many.
  init(gained: UInt16) {
    let isFew = gained != 0 && gained < LooksAhead.nearest / 2
    self.init(gained: gained, left: isFew ? LooksAhead.most : 0, distance: LooksAhead.nearest)
  }

  private init(gained: UInt16, left: UInt8, distance: UInt16) {
    self.gained = gained
    self.left = left
    self.distance = distance
  }

  func next(found: Bool) -> LooksAhead {
    found
      ? LooksAhead(gained: gained, left: LooksAhead.most, distance: min(distance &* 2, LooksAhead.farthest))
      : LooksAhead(gained: gained, left: left &- 1, distance: LooksAhead.nearest)
  }
}

/// The tables of a transmit queue, and which packet each of their descriptors belongs to.
struct IndirectTables {
  let tables: DescriptorTables
  let packets: PacketTable
  private let count: Int

  init(_ tables: Shared, deviceAddress: UInt64, size: Int) throws(Failure) {
    count = size * RingLayout.indirectDescriptors
    guard let packets = PacketTable(onPages: count) else {
      throw Failure(ENOMEM, "no memory for indirect descriptors")
    }
    self.tables = DescriptorTables(
      base: tables, deviceAddress: deviceAddress, length: RingLayout.indirectDescriptors)
    self.packets = packets
  }

  func destroy() { packets.giveBackPages(count) }
}

// MARK: Taking back

extension TransmitQueue {
  /// Takes every packet back from a ring that the device has let go of. Whether they were sent is unknown.
  mutating func takeBack() {
    for id in 0..<Int(core.ring.size) {
      let tagged = core.slots[uncheckedTagged: id]
      core.slots[uncheckedTagged: id] = 0
      if tagged == 0 { continue }
      if tagged & SlotTag.inner == 0 { count(VIONET_DROP_STOPPED) }
      releaseSlot(tagged, id)
    }
  }

  /// Handles one used entry in full detail: a chain, a packet of another pool or with more than one reference, an
  /// invalid id. Returns false if the queue is broken.
  @inline(never)
  mutating func reclaimOne<R: TransmitRing & ~Copyable>(_: R.Type) -> Bool {
    var ring = R(core.ring)
    if ring.pending == 0 || !ring.findUsed() { return !ring.indexJumped }
    let used = ring.nextSent()
    if used >= UInt32(core.ring.size) { return fail(.badID) }  // tested by abi-hostile-packed-rings
    let first = core.slots[uncheckedTagged: Int(used)]
    // tested by abi-hostile-packed-rings
    if first == 0 || first & SlotTag.inner != 0 || !ring.isExposed(Int(used)) { return fail(.notOutstanding) }
    R.checkRingOrder(Int(used), &ring, &core.ring)
    // The chain is our own record, and never longer than the ring.
    var id = UInt16(truncatingIfNeeded: used)
    var tagged = first
    var descriptors = 1
    while true {
      core.slots[uncheckedTagged: Int(id)] = 0
      ring.giveBack(Int(id))
      releaseSlot(tagged, Int(id))
      if tagged & SlotTag.chained == 0 { break }  // tested by abi-optional-messages
      id = links[id]
      tagged = core.slots[uncheckedTagged: Int(id)]
      descriptors &+= 1
    }
    ring.passUsed(descriptors)
    ring.save(&core.ring)
    return true
  }

  private mutating func fail(_ fault: RingFault) -> Bool {
    core.markBroken(fault)
    return false
  }

  /// Releases what one slot held: a segment, or all segments of an indirect table.
  private mutating func releaseSlot(_ tagged: UInt, _ id: Int) {
    guard tagged & SlotTag.indirect != 0, let indirect else {
      if let packet = Packet.at(tagged & ~SlotTag.all) { TransmitQueue.release(packet) }
      return
    }
    var place = id &* RingLayout.indirectDescriptors
    let end = place &+ RingLayout.indirectDescriptors
    while place < end, let packet = indirect.packets[unchecked: place] {
      indirect.packets[unchecked: place] = nil
      TransmitQueue.release(packet)
      place &+= 1
    }
  }

  /// Ends the ring's reference to one segment. A packet with other references stayed its caller's.
  private static func release(_ packet: Packet) {
    guard let pool = PacketPools.containing(packet) else { return }
    // A caller that freed one reference too many has returned the packet to the pool already.
    let holder = packet.holder
    if holder == Owner.pool { return pool.value.refuse() }
    PacketCalls.release(packet, of: pool, heldBy: holder)
  }
}
