// SPDX-License-Identifier: BSD-2-Clause
//
// The queues of a port: made in the control blocks of its slot, with their rings in one region; emptied and unmade in
// reverse. The device is told of each between.

import CLinux
import CVionet
import Linux

extension Port {
  func receiveQueue(_ pair: UInt16) -> Cell<ReceiveQueue> {
    unsafe Port.block(PortSlots.all[number].receiveQueues, pair)
  }

  func transmitQueue(_ pair: UInt16) -> Cell<TransmitQueue> {
    unsafe Port.block(PortSlots.all[number].transmitQueues, pair)
  }

  private static func block<Queue>(
    _ blocks: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ pair: UInt16
  ) -> Cell<Queue> {
    // Safety: a block is made before queuePairs says that there is such a pair, and never goes again.
    unsafe Cell(raw: blocks.unsafelyUnwrapped[Int(pair)].unsafelyUnwrapped)
  }

  /// What the rings are like, as negotiated.
  var shape: RingShape {
    RingShape(
      isPacked: features.has(VIRTIO_F_RING_PACKED), isInOrder: features.has(VIRTIO_F_IN_ORDER),
      hasEventIndex: features.has(VIRTIO_RING_F_EVENT_IDX))
  }

  /// Makes all queues and tells the device of them and of the memory they use.
  mutating func makeQueues() throws(Failure) {
    let pairs = options.queuePairs
    if pairs > config.pairs {
      throw Failure(EINVAL, "queues: ").number(pairs).text(" were asked for, and the device has ").number(config.pairs)
    }
    if pairs > 1 && bus.isDevice && !features.has(VIRTIO_NET_F_MQ) && !features.has(VIRTIO_NET_F_RSS) {
      throw Failure(EINVAL, "queues: ").number(pairs).text(" take VIRTIO_NET_F_MQ, which features_off forbids")
    }
    var receive = try layout(0, options.receiveDescriptors)
    receive.tableDescriptors = tableDescriptors(transmit: false)
    if receive.tableDescriptors > receive.size {
      // 2.7.5.3.1: no chain is longer than the ring.
      throw Failure(EINVAL, "queue_size: a frame takes ").number(receive.tableDescriptors)
        .text(" buffers, the ring has ").number(receive.size).text(" descriptors; a larger data_size takes fewer")
    }
    var transmit = try layout(1, options.transmitDescriptors)
    transmit.tableDescriptors = tableDescriptors(transmit: true)
    options.receiveDescriptors = UInt16(receive.size)
    options.transmitDescriptors = UInt16(transmit.size)
    // One hugepage holds the rings in one piece, which a device without an IOMMU needs.
    let hasControl = features.has(VIRTIO_NET_F_CTRL_VQ)
    let region = try Region.make(
      Int(pairs) * (receive.bytes + transmit.bytes) + controlBytes,
      hugepages: bus.usesPhysicalAddresses, within: bus.reach)
    rings = region
    if bus.usesPhysicalAddresses { try region.lock() }
    try bus.share(try sharedRegions(region))
    try statistics.makeRoom(pairs)
    var offset = 0
    for pair in 0..<pairs {
      try makeReceiveQueue(pair, receive, region, offset)
      offset += receive.bytes
      do throws(Failure) {
        try makeTransmitQueue(pair, transmit, region, offset)
      } catch {
        receiveQueue(pair).value.destroy()
        throw error
      }
      offset += transmit.bytes
      queuePairs = pair + 1
    }
    if hasControl { try makeControlQueue(region, offset) }
    try connectInterrupts()
    for pair in 0..<pairs {
      let receiving = receiveQueue(pair)
      receiving.value.core.notifier = try bus.setUp(
        try asDeviceSees(receiving.value.core.setUp, receive.bytes, region))
      let sending = transmitQueue(pair)
      sending.value.core.notifier = try bus.setUp(try asDeviceSees(sending.value.core.setUp, transmit.bytes, region))
    }
    if let setUp = control?.setUp {
      let notifier = try bus.setUp(try asDeviceSees(setUp, Port.controlRingBytes, region))
      control?.connect(notifier)
    }
  }

  /// The size and shape that a wish for a ring leads to.
  func layout(_ index: UInt16, _ wanted: UInt16) throws(Failure) -> RingLayout {
    let size = try bus.queueSize(index, wanted)
    if size != wanted, Log.wanted(.info) {
      Log.line("queue").number(index).text("has").number(size).text("descriptors, not").number(wanted).send(.info)
    }
    let isPacked = features.has(VIRTIO_F_RING_PACKED)
    if !isPacked && size & (size - 1) != 0 {
      throw Failure(EINVAL, "queue_size: the device has no packed rings, and a split one has a power of two, not ")
        .number(size)
    }
    return RingLayout(size: Int(size), isLegacy: bus.isLegacy, isPacked: isPacked)
  }

  private func connectInterrupts() throws(Failure) {
    guard let calls = Table<Int32>.make(count: Int(queuePairs) * 2) else {
      throw Failure(ENOMEM, "no memory for queues")
    }
    defer { calls.destroy() }
    for pair in 0..<queuePairs {
      calls[pair * 2] = receiveQueue(pair).value.core.call
      calls[pair * 2 + 1] = transmitQueue(pair).value.core.call
    }
    try bus.connect(calls: calls, size: max(options.receiveDescriptors, options.transmitDescriptors))
  }

  /// A ring's addresses as they go to the device: our own, or physical ones.
  func asDeviceSees(_ ring: RingSetUp, _ bytes: Int, _ region: Region) throws(Failure) -> RingSetUp {
    if !bus.usesPhysicalAddresses { return ring }
    let start = try physical(Int(ring.descriptors - region.address), bytes, region)
    var seen = ring
    seen.available = start + (ring.available - ring.descriptors)
    seen.used = start + (ring.used - ring.descriptors)
    seen.descriptors = start
    return seen
  }

  /// The rings, then every pool that packets may come from.
  private func sharedRegions(_ region: Region) throws(Failure) -> SharedRegions {
    var regions = SharedRegions()
    _ = regions.add(region.asShared)
    for number in 1..<UInt16(VIONET_MAX_POOLS) where pools >> UInt64(number) & 1 != 0 {
      guard let pool = PacketPools.existing(number) else { continue }
      guard let memory = pool.value.region else { continue }
      if bus.usesPhysicalAddresses {
        try pool.value.makePhysical()
        continue
      }
      if pool.value.isPhysical {
        throw Failure(EINVAL, "pool ").number(number).text(" has physical addresses, for a port through ")
          .text("uio_pci_generic; give this port its own")
      }
      if memory.file < 0 && bus.takesFiles {
        throw Failure(EINVAL, "pool ").number(number).text(
          " has no file descriptor, so no other process can be given its memory")
      }
      if regions.count == bus.maximumRegions || !regions.add(memory.asShared) { throw tooManyPools }
    }
    return regions
  }

  var tooManyPools: Failure {
    Failure(ENOSPC, "the back-end takes at most ").number(bus.maximumRegions - 1).text(" pools")
  }

  /// The bursts for what was negotiated; while there are queues.
  var receivePath: ReceivePath {
    let queue = receiveQueue(0)
    let path = ReceivePath.choose(shape, queue.value.reading, isScattered: queue.value.scatter != nil)
    return options.countsSizes ? path.countingSizes : path
  }
  var transmitPath: TransmitPath {
    let path = TransmitPath.choose(shape)
    return options.countsSizes ? path.countingSizes : path
  }

  // MARK: Doors

  /// Stops bursts from entering and waits until none is inside. On a time-out all is as before.
  mutating func shutDoors() throws(Failure) {
    let slot = number
    PortSlots.all[slot].receiveCount = 0
    PortSlots.all[slot].transmitCount = 0
    for pair in 0..<doors {
      unsafe receiveQueue(pair).value.core.burst = Virtqueue.idleBurst
      unsafe transmitQueue(pair).value.core.burst = Virtqueue.idleBurst
    }
    Barrier.reachAll()
    let deadline = Deadline(milliseconds: 3000)
    for pair in 0..<doors
    where !receiveQueue(pair).value.core.isLeft(by: deadline) || !transmitQueue(pair).value.core.isLeft(by: deadline) {
      openDoors()
      throw Port.staysInside(slot)
    }
  }

  static func staysInside(_ number: UInt16) -> Failure {
    Failure(ETIMEDOUT, "a thread stayed inside a burst of port ").number(number).text(" for 3 s")
  }

  /// Lets bursts in: to the queues there are, or, while there are none, to what was kept of those before.
  mutating func openDoors() {
    if queuePairs != 0 {
      doors = queuePairs
      let bursts = unsafe (receivePath.burst, transmitPath.burst)
      for pair in 0..<doors {
        unsafe receiveQueue(pair).value.core.open(receiveDoor(pair, bursts.0))
        unsafe transmitQueue(pair).value.core.open(bursts.1)
      }
    } else {
      for pair in 0..<doors {
        unsafe receiveQueue(pair).value.core.burst = receiveDoor(pair, Virtqueue.idleBurst)
        unsafe transmitQueue(pair).value.core.burst = Virtqueue.idleBurst
      }
    }
    PortSlots.all[number].receiveCount = doors
    PortSlots.all[number].transmitCount = queuePairs == 0 ? doors : pairsInUse
  }

  /// Makes the device let go of its queues, takes every packet back, and unmakes the queues. Each is done for what
  /// there is, so that this serves every failed bring-up too. What a device does not let go of is held: PortHeld.swift.
  mutating func tearDown() {
    if quiesce() { unmakeQueues() } else { holdQueues() }
  }

  /// The device has let go of them.
  mutating func unmakeQueues() {
    isHeld = false
    takeBackAll()
    control?.destroy()
    control = nil
    for pair in 0..<queuePairs {
      statistics.absorb(
        pair, receiveQueue(pair).value.core.counters, transmitQueue(pair).value.core.counters)
      transmitQueue(pair).value.destroy()
      receiveQueue(pair).value.destroy()
    }
    queuePairs = 0
    receiveName = ""
    transmitName = ""
    rings?.destroy()
    rings = nil
  }

  /// Disable and stop each ring, then reset. A back-end that does not answer is cut off: it may still scribble on
  /// packet data, as it always could, but on no ring that is used again, since every start makes new ones. False for a
  /// PCI device that shows no reset, which writes where it likes.
  mutating func quiesce() -> Bool {
    // Nothing was given to the device since it last let go of all.
    if rings == nil { return true }
    let rings = queuePairs * 2
    if let control { Failure.quietly { () throws(Failure) in try bus.stop(control.index) } }
    let letGo: Void? = Failure.quietly { () throws(Failure) in try bus.quiesce(rings) }
    if letGo != nil { return true }
    bus.cutOff()
    return !bus.isPCI
  }

  private mutating func takeBackAll() {
    for pair in 0..<queuePairs {
      let transmit = transmitQueue(pair)
      // What the device has sent by now was sent; only the rest is in doubt.
      if transmit.value.core.fault == .none { reclaimSent(transmit) }
      transmit.value.takeBack()
      receiveQueue(pair).value.takeBack()
    }
  }

  /// Leaves rings, tables and blocks to a thread that does not come out of a burst, or to a device that does not let
  /// go; the next port in this slot makes new blocks.
  mutating func abandonQueues() {
    for pair in 0..<queuePairs {
      unsafe PortSlots.all[number].receiveQueues?[Int(pair)] = nil
      unsafe PortSlots.all[number].transmitQueues?[Int(pair)] = nil
    }
    queuePairs = 0
    control = nil
    rings = nil
  }
}

extension Region {
  var asShared: SharedRegion {
    SharedRegion(address: address, length: UInt64(length), file: file, offset: offset)
  }
}

extension Virtqueue {
  /// Waits until no thread is inside a burst; false if one still is when the time is over.
  @inline(never)
  mutating func isLeft(by deadline: Deadline) -> Bool {
    while unsafe shared_load32(&inside) != 0 {
      if deadline.hasPassed { return false }
      sys_sleep_microseconds(20)
    }
    return true
  }
}
