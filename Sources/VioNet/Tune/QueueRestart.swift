// SPDX-License-Identifier: BSD-2-Clause
//
// One queue is taken from the device, emptied, and given back with as many descriptors or fewer, while all others run
// (virtio 1.4, 2.6.1). It keeps its place in memory, its descriptors for signals, and its counts.

import CLinux
import CVionet
import Linux

extension Port {
  mutating func restart(_ pair: UInt16, transmit: Bool, _ wanted: UInt16) throws(Failure) {
    try mustBeStarted()
    if pair >= queuePairs { throw Failure(EINVAL, "port ").number(number).text(" has no queue ").number(pair) }
    if bus.isDevice { try need(VIRTIO_F_RING_RESET) }
    let most = transmit ? options.transmitDescriptors : options.receiveDescriptors
    let size = wanted == 0 ? core(pair, transmit).value.ring.size : wanted
    if size < 2 || size > most || !shape.isPacked && size & (size - 1) != 0 {
      throw Failure(EINVAL, "a queue of ").number(size).text(" descriptors: 2 to ").number(most)
        .text(shape.isPacked ? ", as initialised" : ", as initialised, a power of two")
    }
    try closeDoor(core(pair, transmit))
    do throws(Failure) {
      try exchange(pair, transmit, size, most)
    } catch {
      // Neither here nor there: the device may have it.
      core(pair, transmit).value.giveUp(.notReset)
      throw error
    }
    try restoreCoalescing(of: Int(pair) * 2 + (transmit ? 1 : 0))
  }

  /// Both kinds of queue begin with their Virtqueue.
  private func core(_ pair: UInt16, _ transmit: Bool) -> Cell<Virtqueue> {
    unsafe Cell(raw: transmit ? transmitQueue(pair).raw : receiveQueue(pair).raw)
  }

  /// Keeps bursts out and waits until none is inside. On a time-out all is as before.
  private func closeDoor(_ queue: Cell<Virtqueue>) throws(Failure) {
    let burst = unsafe queue.value.burst
    unsafe queue.value.burst = Virtqueue.idleBurst
    Barrier.reachAll()
    if !queue.value.isLeft(by: Deadline(milliseconds: 3000)) {
      unsafe queue.value.open(burst)
      throw Port.staysInside(number)
    }
  }

  private mutating func exchange(_ pair: UInt16, _ transmit: Bool, _ size: UInt16, _ most: UInt16) throws(Failure) {
    guard let rings else { throw Failure(EINVAL, "the port has no rings") }
    let queue = core(pair, transmit)
    let index = queue.value.index
    try bus.resetQueue(index, isPacked: shape.isPacked)
    takeBack(pair, transmit)
    let offset = Int(queue.value.ring.descriptors.address - rings.address)
    var room = RingLayout(size: Int(most), isLegacy: bus.isLegacy, isPacked: shape.isPacked)
    room.tableDescriptors = tableDescriptors(transmit: transmit)
    var layout = RingLayout(
      size: Int(try bus.queueSize(index, size)), isLegacy: bus.isLegacy, isPacked: shape.isPacked)
    layout.tableDescriptors = room.tableDescriptors
    // Nothing in it is to look used.
    unsafe memset(rings.base + offset, 0, room.bytes)
    try remake(pair, transmit, layout, rings, offset)
    queue.value.notifier = try bus.setUp(try asDeviceSees(queue.value.setUp, room.bytes, rings))
    if !transmit { _ = receiveQueue(pair).value.fill() }
    if pair < pairsEnabled { try bus.enable(index, true) }
    if !transmit {
      unsafe queue.value.open(receiveDoor(pair, receivePath.burst))
    } else if pair < pairsInUse {
      unsafe queue.value.open(transmitPath.burst)
    }
    queue.value.notifyDevice()
  }

  /// The device has let go of them.
  private func takeBack(_ pair: UInt16, _ transmit: Bool) {
    if !transmit { return receiveQueue(pair).value.takeBack() }
    let queue = transmitQueue(pair)
    if queue.value.core.fault == .none { reclaimSent(queue) }
    queue.value.takeBack()
  }

  /// A new queue in place of the old one. Whoever sleeps on its descriptors goes on doing so.
  private mutating func remake(
    _ pair: UInt16, _ transmit: Bool, _ layout: RingLayout, _ rings: Region, _ offset: Int
  ) throws(Failure) {
    if transmit {
      var old = transmitQueue(pair).value
      try makeTransmitQueue(pair, layout, rings, offset)
      transmitQueue(pair).value.longest = old.longest
      inherit(core(pair, transmit), &old.core)
      old.destroy()
    } else {
      var old = receiveQueue(pair).value
      try makeReceiveQueue(pair, layout, rings, offset)
      swap(&receiveQueue(pair).value.wake, &old.wake)
      inherit(core(pair, transmit), &old.core)
      old.destroy()
    }
  }

  private func inherit(_ queue: Cell<Virtqueue>, _ old: inout Virtqueue) {
    swap(&queue.value.kick, &old.kick)
    swap(&queue.value.call, &old.call)
    queue.value.counters = old.counters
    // A sleeper was promised a signal that the old ring will not give.
    if old.armed { _ = sys_eventfd_signal(queue.value.call) }
  }
}
