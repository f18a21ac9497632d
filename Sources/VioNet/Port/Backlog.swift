// SPDX-License-Identifier: BSD-2-Clause
//
// What outlives the queues of a started port while its device is away or gets new ones: frames that were received and not
// fetched, packets that the device did not show as sent, and the descriptors that sleepers watch. All of it is our own
// record. Nothing is read again from rings that the device could write to.

import CLinux
import CVionet
import Linux

@safe
struct PairBacklog {
  /// What sleepers of the receive and of the transmit queue watch.
  var wake = Descriptor.none
  var roomWake = Descriptor.none
  /// A sleeper may wait for a signal of the ring that is gone.
  var wasArmed = false
  var wasArmedForRoom = false
  /// Received packets from `fetched` up to `receivedCount` wait for bursts.
  var received: PacketTable?
  var fetched = 0
  var receivedCount = 0
  /// Address of the burst function that follows when they are fetched; 0 for none.
  var following: UInt64 = 0
  var unsent: PacketTable?
  var unsentCount = 0

  var hasReceived: Bool { fetched != receivedCount }
}

extension Port {
  /// A device that goes may come again, so that there is something to save.
  var mayReturn: Bool { options.recovers || bus.connector != nil }

  // Safety: the slot has the address of a table that lives until dropBacklog() clears it.
  mutating func makeBacklog() throws(Failure) {
    if queues.backlog != nil || !mayReturn { return }
    guard let pairs = Table<PairBacklog>.make(count: Int(options.queuePairs)) else {
      throw Failure(ENOMEM, "no memory for queues")
    }
    for pair in 0..<pairs.count { pairs[pair] = PairBacklog() }
    queues.backlog = pairs
    unsafe PortSlots.all[number].backlog = UInt(bitPattern: pairs.base)
  }

  /// Frees and counts all saved packets. Call with bursts disabled.
  mutating func dropBacklog() {
    guard let pairs = queues.backlog else { return }
    for pair in 0..<UInt16(truncatingIfNeeded: pairs.count) {
      let counts = QueueCounters.stopped(pairs[pair].receivedCount - pairs[pair].fetched)
      statistics.absorb(pair, counts, QueueCounters.stopped(pairs[pair].unsentCount))
      freeReceived(pairs, pair)
      freeUnsent(pairs, pair)
      pairs[pair].wake.close()
      pairs[pair].roomWake.close()
    }
    PortSlots.all[number].backlog = 0
    pairs.destroy()
    queues.backlog = nil
  }

  private func freeReceived(_ pairs: Table<PairBacklog>, _ pair: UInt16) {
    guard let table = pairs[pair].received else { return }
    for place in pairs[pair].fetched..<pairs[pair].receivedCount {
      if let packet = table[unchecked: place] { PacketCalls.free(packet, assuming: nil) }
    }
    table.destroy()
    pairs[pair].received = nil
    pairs[pair].fetched = 0
    pairs[pair].receivedCount = 0
  }

  private func freeUnsent(_ pairs: Table<PairBacklog>, _ pair: UInt16) {
    guard let table = pairs[pair].unsent else { return }
    for place in 0..<pairs[pair].unsentCount {
      guard let packet = table[unchecked: place], packet.returnToCaller() else { continue }
      PacketCalls.free(packet, assuming: nil)
    }
    table.destroy()
    pairs[pair].unsent = nil
    pairs[pair].unsentCount = 0
  }

  // MARK: From the queues

  /// Empties the queues, which the device has released. What finds no room is left to releaseQueues(), and counted.
  mutating func saveBacklog() {
    guard let backlog = queues.backlog else { return }
    for pair in 0..<queues.pairs {
      let receive = receiveQueue(pair)
      let transmit = transmitQueue(pair)
      // The device is not to be notified any more: an eventfd that nobody reads takes the signals.
      receive.value.core.notifier = .event(receive.value.core.kick)
      transmit.value.core.notifier = .event(transmit.value.core.kick)
      saveReceived(backlog, pair)
      saveUnsent(backlog, pair)
    }
  }

  /// Fetches what was received, as its burst would, behind what waits already.
  private func saveReceived(_ pairs: Table<PairBacklog>, _ pair: UInt16) {
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
      // Safety: the burst writes at most 32 pointers, which is what the array holds.
      count = unsafe withUnsafeMutableBytes(of: &packets) { bytes in
        guard let base = bytes.baseAddress else { return 0 }
        let list = unsafe base.assumingMemoryBound(to: UnsafeMutablePointer<vionet_packet>?.self)
        return unsafe Int(burst(receive.raw, list, UInt16(min(left, 32))))
      }
      for place in 0..<count {
        table[uncheckedTagged: pairs[pair].receivedCount] = packets[place]
        pairs[pair].receivedCount += 1
      }
    } while count != 0 && pairs[pair].receivedCount < waiting + room
  }

  /// Takes the packets that were not shown as sent off the ring, the oldest first.
  private func saveUnsent(_ pairs: Table<PairBacklog>, _ pair: UInt16) {
    let transmit = transmitQueue(pair)
    if transmit.value.core.fault != .none { return }
    reclaimSent(transmit)
    if transmit.value.core.fault != .none || transmit.value.core.ring.outstanding == 0 { return }
    guard let table = PacketTable(count: Int(transmit.value.core.ring.size)) else { return }
    pairs[pair].unsent = table
    pairs[pair].unsentCount = transmit.value.takeUnsent(into: table)
  }

  // MARK: To the queues

  /// Gives the device once more what the one before did not show as sent. They fit into the fresh ring, unless the device
  /// takes more descriptors for a packet than before. Packets of a pair that is not in use go to one that is: nothing may be
  /// queued on the others (virtio 1.4, 5.1.9.5.6.1).
  // Safety: bursts are disabled, so that this call alone uses the queue.
  func sendBacklog(_ pair: UInt16) {
    guard let backlog = queues.backlog, let table = backlog[pair].unsent else { return }
    let transmit = transmitQueue(pair % pairsInUse)
    let burst = unsafe transmitPath.burst
    var begin = 0
    while begin < backlog[pair].unsentCount {
      let packet = table[unchecked: begin]
      if packet?.returnToCaller() ?? false {
        var one = unsafe packet?.pointer
        if unsafe burst(transmit.raw, &one, 1) == 0 { break }
      }
      begin += 1
    }
    // These packets were counted when they were sent first.
    transmit.value.core.counters.packets = 0
    transmit.value.core.counters.bytes = 0
    transmit.value.core.counters.ringFull = 0
    transmit.value.core.counters.sizes = FrameSizes()
    let left = backlog[pair].unsentCount - begin
    for place in 0..<left { table[unchecked: place] = table[unchecked: begin + place] }
    backlog[pair].unsentCount = left
    statistics.absorb(pair, QueueCounters(), QueueCounters.stopped(left))
    freeUnsent(backlog, pair)
  }

  /// The burst function for one pair's receive queue: the one that hands out the backlog first, if there is any.
  // Safety: the function pointer is kept as a number and becomes itself again in fetchBacklog().
  func receiveBurst(_ pair: UInt16, _ burst: @escaping Virtqueue.Burst) -> Virtqueue.Burst {
    guard let backlog = queues.backlog, backlog[pair].hasReceived else { return unsafe burst }
    backlog[pair].following = unsafe UInt64(UInt(bitPattern: unsafeBitCast(burst, to: UnsafeRawPointer.self)))
    return unsafe fetchBacklog
  }
}

/// Hands out received packets of the backlog, and at its end installs the burst function that follows, unless bursts were
/// disabled meanwhile.
private func fetchBacklog(
  _ block: UnsafeMutableRawPointer, _ packets: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>,
  _ count: UInt16
) -> UInt16 {
  // Safety: a control block begins with its Virtqueue, and the backlog exists while this function is installed.
  let core = unsafe block.assumingMemoryBound(to: Virtqueue.self)
  let port = unsafe core.pointee.port
  let pair = unsafe Int(core.pointee.index) / 2
  guard let pairs = unsafe UnsafeMutablePointer<PairBacklog>(bitPattern: PortSlots.all[port].backlog) else { return 0 }
  let backlog = unsafe Cell(pairs + pair)
  guard let table = backlog.value.received else { return 0 }
  var given: UInt16 = 0
  while given < count && backlog.value.hasReceived {
    unsafe packets[Int(given)] = table[unchecked: backlog.value.fetched]?.pointer
    backlog.value.fetched += 1
    given += 1
  }
  if !backlog.value.hasReceived && backlog.value.following != 0 {
    let own = unsafe UInt64(
      UInt(bitPattern: unsafeBitCast(fetchBacklog as Virtqueue.Burst, to: UnsafeRawPointer.self)))
    unsafe shared_replace64(&core.pointee.burst, own, backlog.value.following)
    // A watcher's entry stays where it is, and only what it calls is another.
    unsafe shared_replace64(&core.pointee.watchedBurst, own, backlog.value.following)
  }
  return given
}
