// SPDX-License-Identifier: BSD-2-Clause
//
// vionet_rx_queue_restart() and its twin: one queue is taken from the device, emptied, and given back with as many
// descriptors or fewer, while all others run (virtio 1.4, 2.6.1). It keeps its memory, its eventfds and its counts.

import CLinux
import CVionet
import Linux
import Virtio

extension Port {
  mutating func restart(_ pair: UInt16, transmit: Bool, _ wanted: UInt16) throws(Failure) {
    try mustBeStarted()
    if pair >= queues.pairs { throw Failure(EINVAL, "port ").number(number).text(" has no queue ").number(pair) }
    if bus.traits.isWholeDevice { try require(Feature.ringReset) }
    let most = transmit ? options.transmitDescriptors : options.receiveDescriptors
    let size = wanted == 0 ? core(pair, transmit).value.ring.size : wanted
    if size < 2 || size > most || !shape.isPacked && size & (size - 1) != 0 {
      throw Failure(EINVAL, "a queue of ").number(size).text(" descriptors: 2 to ").number(most)
        .text(shape.isPacked ? ", as initialised" : ", as initialised, a power of two")
    }
    try disableBurst(core(pair, transmit))
    do throws(Failure) {
      try exchange(pair, transmit, size, most)
    } catch {
      // Ownership unknown: the device may still have the queue.
      core(pair, transmit).value.markBroken(.notReset)
      throw error
    }
    try restoreCoalescing(of: Int(pair) * 2 + (transmit ? 1 : 0))
  }

  // Safety: both kinds of queue begin with their Virtqueue.
  private func core(_ pair: UInt16, _ transmit: Bool) -> Cell<Virtqueue> {
    unsafe Cell(raw: transmit ? transmitQueue(pair).raw : receiveQueue(pair).raw)
  }

  /// Keeps bursts out of one queue and waits until none is inside. If one stays, all is as before.
  // Safety: the function is put back as it was.
  private func disableBurst(_ queue: Cell<Virtqueue>) throws(Failure) {
    let burst = unsafe queue.value.burst
    unsafe queue.value.entry = Virtqueue.idleBurst
    Barrier.reachAll()
    if !queue.value.waitUntilLeft(by: Deadline(milliseconds: Port.burstDeadline, within: bus.deadline)) {
      unsafe queue.value.enable(burst)
      throw Port.burstStays(number)
    }
  }

  private mutating func exchange(_ pair: UInt16, _ transmit: Bool, _ size: UInt16, _ most: UInt16) throws(Failure) {
    guard let region = queues.region else { throw Failure(EINVAL, "the port has no rings") }
    let queue = core(pair, transmit)
    let index = queue.value.index
    try bus.resetQueue(index, isPacked: shape.isPacked)
    takeBack(pair, transmit)
    let offset = Int(queue.value.ring.descriptors.address - region.address)
    var room = RingLayout(size: Int(most), isLegacy: bus.traits.isLegacy, isPacked: shape.isPacked)
    room.tableDescriptors = tableDescriptors(transmit: transmit)
    var layout = RingLayout(
      size: Int(try bus.queueSize(index, size)), isLegacy: bus.traits.isLegacy, isPacked: shape.isPacked)
    layout.tableDescriptors = room.tableDescriptors
    // No entry of the new ring may look used.
    // Safety: the old ring had as many bytes at this offset.
    unsafe memset(region.base + offset, 0, room.bytes)
    try remake(pair, transmit, layout, region, offset)
    queue.value.notifier = try bus.setUp(try asDeviceSees(queue.value.setUp, room.bytes, region))
    if !transmit { _ = receiveQueue(pair).value.fill() }
    if pair < pairsEnabled { try bus.enable(index, true) }
    // Bursts, which count too, are still kept out.
    queue.value.notifyDevice()
    if !transmit { enableReceive(pair) } else if pair < pairsInUse { enableTransmit(pair) }
  }

  /// Returns the packets of a queue that the device has released.
  private func takeBack(_ pair: UInt16, _ transmit: Bool) {
    if !transmit { return receiveQueue(pair).value.takeBack() }
    let queue = transmitQueue(pair)
    if queue.value.core.fault == .none { reclaimSent(queue) }
    queue.value.takeBack()
  }

  /// Makes a new queue in place of the old one. Sleepers go on sleeping on the same descriptors.
  private mutating func remake(
    _ pair: UInt16, _ transmit: Bool, _ layout: RingLayout, _ region: Region, _ offset: Int
  ) throws(Failure) {
    if transmit {
      var old = transmitQueue(pair).value
      try makeTransmitQueue(pair, layout, region, offset)
      transmitQueue(pair).value.longest = old.longest
      swap(&transmitQueue(pair).value.wake, &old.wake)
      inherit(core(pair, transmit), &old.core)
      old.destroy()
    } else {
      var old = receiveQueue(pair).value
      try makeReceiveQueue(pair, layout, region, offset)
      swap(&receiveQueue(pair).value.wake, &old.wake)
      inherit(core(pair, transmit), &old.core)
      old.destroy()
    }
  }

  private func inherit(_ queue: Cell<Virtqueue>, _ old: inout Virtqueue) {
    swap(&queue.value.kick, &old.kick)
    swap(&queue.value.call, &old.call)
    queue.value.counters = old.counters
    queue.value.faultEvent = old.faultEvent
    // A sleeper waits for a signal that the old ring will not give.
    if old.armed { _ = sys_shared_signal(queue.value.call) }
  }
}
