// SPDX-License-Identifier: BSD-2-Clause
//
// What outlives the queues of a started port while its device is away or made anew: frames that it had received and
// nobody had fetched, packets that it had been given and had not shown as sent, and the descriptors that sleepers watch.
// All of it is our own record: of the rings that the device saw nothing is used again.

import CLinux
import CVionet
import Linux

@safe
struct KeptPair {
  var wake = Descriptor.none
  /// Received packets from `fetched` up to `receivedCount` wait for bursts.
  var received: PacketTable?
  var fetched = 0
  var receivedCount = 0
  /// The burst that follows when they are fetched; 0 for none.
  var following: UInt64 = 0
  var sent: PacketTable?
  var sentCount = 0

  var hasReceived: Bool { fetched != receivedCount }
}

extension Port {
  /// A device that goes may come again, so that something is to be kept.
  var mayReturn: Bool { options.recovers || bus.awaitsBackends }

  mutating func makeKept() throws(Failure) {
    if kept != nil || !mayReturn { return }
    guard let pairs = Table<KeptPair>.make(count: Int(options.queuePairs)) else {
      throw Failure(ENOMEM, "no memory for queues")
    }
    for pair in 0..<pairs.count { pairs[pair] = KeptPair() }
    kept = pairs
    unsafe PortSlots.all[number].backlog = UInt(bitPattern: pairs.base)
  }

  /// Nothing more comes of it. Nobody is inside a burst.
  mutating func forgetKept() {
    guard let pairs = kept else { return }
    for pair in 0..<UInt16(truncatingIfNeeded: pairs.count) {
      let counts = QueueCounters.stopped(pairs[pair].receivedCount - pairs[pair].fetched)
      statistics.absorb(pair, counts, QueueCounters.stopped(pairs[pair].sentCount))
      forgetReceived(pairs, pair)
      forgetSent(pairs, pair)
      pairs[pair].wake.close()
    }
    PortSlots.all[number].backlog = 0
    pairs.destroy()
    kept = nil
  }

  private func forgetReceived(_ pairs: Table<KeptPair>, _ pair: UInt16) {
    guard let table = pairs[pair].received else { return }
    for place in pairs[pair].fetched..<pairs[pair].receivedCount {
      if let packet = table[place] { PacketCalls.free(packet, assuming: nil) }
    }
    table.destroy()
    pairs[pair].received = nil
    pairs[pair].fetched = 0
    pairs[pair].receivedCount = 0
  }

  private func forgetSent(_ pairs: Table<KeptPair>, _ pair: UInt16) {
    guard let table = pairs[pair].sent else { return }
    for place in 0..<pairs[pair].sentCount {
      guard let packet = table[place], packet.becomeCallers() else { continue }
      PacketCalls.free(packet, assuming: nil)
    }
    table.destroy()
    pairs[pair].sent = nil
    pairs[pair].sentCount = 0
  }

  // MARK: From the queues

  /// Empties the queues, of which the device has let go. What does not find room is left to unmakeQueues, and counted.
  mutating func keepPackets() {
    guard let kept else { return }
    for pair in 0..<queuePairs {
      let receive = receiveQueue(pair)
      let transmit = transmitQueue(pair)
      // The device is not to hear of anything any more.
      receive.value.core.notifier = .event(receive.value.core.kick)
      transmit.value.core.notifier = .event(transmit.value.core.kick)
      keepReceived(kept, pair)
      keepSent(kept, pair)
    }
  }

  /// Fetches what was received as its burst would, behind what waits already.
  private func keepReceived(_ pairs: Table<KeptPair>, _ pair: UInt16) {
    let receive = receiveQueue(pair)
    if receive.value.core.fault != .none || !receive.value.core.ring.hasUsed { return }
    let waiting = pairs[pair].receivedCount - pairs[pair].fetched
    let room = Int(receive.value.core.ring.size)
    guard let table = PacketTable(count: waiting + room) else { return }
    if let old = pairs[pair].received {
      old.move(from: pairs[pair].fetched, to: table, at: 0, count: waiting)
      old.destroy()
    }
    pairs[pair].received = table
    pairs[pair].fetched = 0
    pairs[pair].receivedCount = waiting
    let burst = unsafe receivePath.burst
    var packets = InlineArray<32, UInt>(repeating: 0)
    var count = 0
    repeat {
      let left = waiting + room - pairs[pair].receivedCount
      count = unsafe withUnsafeMutableBytes(of: &packets) { bytes in
        guard let base = bytes.baseAddress else { return 0 }
        let list = unsafe base.assumingMemoryBound(to: UnsafeMutablePointer<vionet_packet>?.self)
        return unsafe Int(burst(receive.raw, list, UInt16(min(left, 32))))
      }
      for place in 0..<count {
        table[marked: pairs[pair].receivedCount] = packets[place]
        pairs[pair].receivedCount += 1
      }
    } while count != 0 && pairs[pair].receivedCount < waiting + room
  }

  /// Takes the packets that were not shown as sent off the ring, the oldest first.
  private func keepSent(_ pairs: Table<KeptPair>, _ pair: UInt16) {
    let transmit = transmitQueue(pair)
    if transmit.value.core.fault != .none { return }
    reclaimSent(transmit)
    if transmit.value.core.fault != .none || transmit.value.core.ring.outstanding == 0 { return }
    guard let table = PacketTable(count: Int(transmit.value.core.ring.size)) else { return }
    pairs[pair].sent = table
    pairs[pair].sentCount = transmit.value.takeUnsent(into: table)
  }

  // MARK: To the queues

  /// Gives the device once more what the one before did not show as sent. The ring is fresh; they fit, unless the device
  /// takes more descriptors for a packet than before.
  func sendAgain(_ pair: UInt16) {
    guard let kept, let table = kept[pair].sent else { return }
    let transmit = transmitQueue(pair)
    let burst = unsafe transmitPath.burst
    var begin = 0
    while begin < kept[pair].sentCount {
      let packet = table[begin]
      if packet?.becomeCallers() ?? false {
        var one = unsafe packet?.pointer
        if unsafe burst(transmit.raw, &one, 1) == 0 { break }
      }
      begin += 1
    }
    // They were counted when they were sent first.
    transmit.value.core.counters.packets = 0
    transmit.value.core.counters.bytes = 0
    transmit.value.core.counters.ringFull = 0
    transmit.value.core.counters.sizes = FrameSizes()
    let left = kept[pair].sentCount - begin
    for place in 0..<left { table[place] = table[begin + place] }
    kept[pair].sentCount = left
    statistics.absorb(pair, QueueCounters(), QueueCounters.stopped(left))
    forgetSent(kept, pair)
  }

  /// The receive burst for one pair: what waits first, if anything does.
  func receiveDoor(_ pair: UInt16, _ burst: @escaping Virtqueue.Burst) -> Virtqueue.Burst {
    guard let kept, kept[pair].hasReceived else { return unsafe burst }
    kept[pair].following = unsafe UInt64(UInt(bitPattern: unsafeBitCast(burst, to: UnsafeRawPointer.self)))
    return unsafe fetchKept
  }
}

/// A burst that hands out what was kept, and at its end puts the one that follows in its place, unless somebody has
/// shut the door meanwhile.
private func fetchKept(
  _ block: UnsafeMutableRawPointer, _ packets: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>,
  _ count: UInt16
) -> UInt16 {
  let core = unsafe block.assumingMemoryBound(to: Virtqueue.self)
  let port = unsafe core.pointee.port
  let pair = unsafe Int(core.pointee.index) / 2
  guard let pairs = unsafe UnsafeMutablePointer<KeptPair>(bitPattern: PortSlots.all[port].backlog) else { return 0 }
  let kept = unsafe Cell(pairs + pair)
  guard let table = kept.value.received else { return 0 }
  var given: UInt16 = 0
  while given < count && kept.value.hasReceived {
    unsafe packets[Int(given)] = table[kept.value.fetched]?.pointer
    kept.value.fetched += 1
    given += 1
  }
  if !kept.value.hasReceived && kept.value.following != 0 {
    let own = unsafe UInt64(UInt(bitPattern: unsafeBitCast(fetchKept as Virtqueue.Burst, to: UnsafeRawPointer.self)))
    unsafe shared_replace64(&core.pointee.burst, own, kept.value.following)
  }
  return given
}

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

extension QueueCounters {
  /// Packets that were lost with their queue.
  static func stopped(_ count: Int) -> QueueCounters {
    var counters = QueueCounters()
    counters.dropped[Int(VIONET_DROP_STOPPED.rawValue)] = UInt64(count)
    return counters
  }
}
