// SPDX-License-Identifier: BSD-2-Clause
//
// The queues of a port: made in the control blocks of its slot, with their rings in one region; emptied and unmade in
// reverse. The device is told of each between.

import CLinux
import CVionet
import Linux

extension Port {
  func receiveQueue(_ pair: UInt16) -> Cell<ReceiveQueue> {
    unsafe Port.block(Registry.ports[number].receiveQueues, pair)
  }

  func transmitQueue(_ pair: UInt16) -> Cell<TransmitQueue> {
    unsafe Port.block(Registry.ports[number].transmitQueues, pair)
  }

  private static func block<Queue>(
    _ blocks: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ pair: UInt16
  ) -> Cell<Queue> {
    // Safety: a block is made before queuePairs says that there is such a pair, and never goes again.
    unsafe Cell(raw: blocks.unsafelyUnwrapped[Int(pair)].unsafelyUnwrapped)
  }

  /// Makes all queues and tells the device of them and of the memory they use.
  mutating func makeQueues() throws(Failure) {
    let pairs = min(options.queuePairs, bus.maximumQueuePairs)
    let receive = try layout(0, options.receiveDescriptors)
    let transmit = try layout(1, options.transmitDescriptors)
    options.receiveDescriptors = UInt16(receive.size)
    options.transmitDescriptors = UInt16(transmit.size)
    // One hugepage holds the rings in one piece, which a device without an IOMMU needs.
    let region = try Region.make(
      Int(pairs) * (receive.bytes + transmit.bytes), hugepages: bus.usesPhysicalAddresses)
    rings = region
    if bus.usesPhysicalAddresses { try region.lock() }
    try bus.share(try sharedRegions(region))
    var offset = 0
    for pair in 0..<pairs {
      try makeReceiveQueue(pair, unsafe Shared(region.base + offset))
      offset += receive.bytes
      do throws(Failure) {
        try makeTransmitQueue(pair, unsafe Shared(region.base + offset))
      } catch {
        receiveQueue(pair).value.destroy()
        throw error
      }
      offset += transmit.bytes
      queuePairs = pair + 1
    }
    connectInterrupts()
    for pair in 0..<pairs {
      let receive = receiveQueue(pair)
      receive.value.core.notifier = try bus.setUp(try asDeviceSees(receive.value.core.setUp, region))
      let transmit = transmitQueue(pair)
      transmit.value.core.notifier = try bus.setUp(try asDeviceSees(transmit.value.core.setUp, region))
    }
  }

  /// The size and shape that a wish for a ring leads to.
  private func layout(_ index: UInt16, _ wanted: UInt16) throws(Failure) -> RingLayout {
    let size = try bus.queueSize(index, wanted)
    if size != wanted, Log.wanted(.info) {
      Log.line("queue").number(index).text("has").number(size).text("descriptors, not").number(wanted).send(.info)
    }
    return RingLayout(size: Int(size), isLegacy: bus.isLegacy)
  }

  private func connectInterrupts() {
    var calls = InlineArray<31, Int32>(repeating: -1)
    let pairs = Int(min(queuePairs, 15))
    for pair in 0..<pairs {
      calls[pair * 2] = receiveQueue(UInt16(pair)).value.core.call
      calls[pair * 2 + 1] = transmitQueue(UInt16(pair)).value.core.call
    }
    bus.connect(calls: calls, count: pairs * 2)
  }

  /// A ring's addresses as they go to the device: our own, or physical ones.
  private func asDeviceSees(_ ring: RingSetUp, _ region: Region) throws(Failure) -> RingSetUp {
    if !bus.usesPhysicalAddresses { return ring }
    let offset = Int(ring.descriptors - region.address)
    let bytes = RingLayout(size: Int(ring.size), isLegacy: bus.isLegacy).bytes
    guard let start = try region.physicalAddress(offset, bytes) else {
      throw Failure(ENOMEM, "queue ").number(ring.index).text(" finds no ").number(bytes)
        .text(" bytes of memory in one piece: echo 64 > /proc/sys/vm/nr_hugepages")
    }
    var seen = ring
    seen.available = start + (ring.available - ring.descriptors)
    seen.used = start + (ring.used - ring.descriptors)
    seen.descriptors = start
    return seen
  }

  private func makeReceiveQueue(_ pair: UInt16, _ ring: Shared) throws(Failure) {
    guard let pool else { throw Failure(EINVAL, "the port has no pool") }
    unsafe try Port.makeBlock(&Registry.ports[number].receiveQueues, pair, MemoryLayout<ReceiveQueue>.stride)
    var core = try Virtqueue(
      port: number, index: pair * 2, size: options.receiveDescriptors, ring: ring, isLegacy: bus.isLegacy)
    let queue: ReceiveQueue
    do throws(Failure) {
      queue = try ReceiveQueue(core: core, pool: pool, headerSize: Negotiation.headerSize(features))
    } catch {
      core.destroy()
      throw error
    }
    unsafe Port.place(queue, &Registry.ports[number].receiveQueues, pair)
  }

  private func makeTransmitQueue(_ pair: UInt16, _ ring: Shared) throws(Failure) {
    guard let pool else { throw Failure(EINVAL, "the port has no pool") }
    unsafe try Port.makeBlock(&Registry.ports[number].transmitQueues, pair, MemoryLayout<TransmitQueue>.stride)
    var core = try Virtqueue(
      port: number, index: pair * 2 + 1, size: options.transmitDescriptors, ring: ring, isLegacy: bus.isLegacy)
    // 5.1.4.2 forbids longer ones if the MTU was negotiated; if not, the length must at least fit its field.
    let longest = features.has(VIRTIO_NET_F_MTU) ? UInt32(config.mtu) + NetConfig.frameHeader : 65535
    let queue: TransmitQueue
    do throws(Failure) {
      queue = try TransmitQueue(
        core: core, pool: pool, headerSize: Negotiation.headerSize(features), longest: longest, pools: pools)
    } catch {
      core.destroy()
      throw error
    }
    unsafe Port.place(queue, &Registry.ports[number].transmitQueues, pair)
  }

  /// Puts a queue into the block of its pair. Its first bytes, by which bursts come in, are left alone: a thread with a
  /// stale idea of the port may be there.
  private static func place<Queue>(
    _ queue: Queue, _ blocks: inout UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ pair: UInt16
  ) {
    let block = unsafe blocks.unsafelyUnwrapped[Int(pair)].unsafelyUnwrapped
    unsafe withUnsafeBytes(of: queue) { bytes in
      guard let base = bytes.baseAddress else { return }
      unsafe (block + Virtqueue.doorBytes).copyMemory(
        from: base + Virtqueue.doorBytes, byteCount: bytes.count - Virtqueue.doorBytes)
    }
  }

  /// Makes sure of the blocks for one pair, with a door that leads nowhere; those made once are kept for ever.
  private static func makeBlock(
    _ blocks: inout UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ pair: UInt16, _ bytes: Int
  ) throws(Failure) {
    if unsafe blocks == nil {
      unsafe blocks = registry_retain(Int(VIONET_MAX_QUEUE_PAIRS) * MemoryLayout<UInt>.stride)?
        .assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
    }
    guard let table = unsafe blocks else { throw Failure(ENOMEM, "no memory for queues") }
    if unsafe table[Int(pair)] != nil { return }
    guard let block = unsafe registry_retain(bytes) else { throw Failure(ENOMEM, "no memory for queues") }
    unsafe block.storeBytes(of: Virtqueue.idleBurst, as: Virtqueue.Burst.self)
    unsafe table[Int(pair)] = block
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
      if memory.file < 0 {
        throw Failure(EINVAL, "pool ").number(number).text(
          " has no file descriptor, so no device can be given its memory")
      }
      if !regions.add(memory.asShared) {
        throw Failure(ENOSPC, "a back-end takes at most ").number(VhostUserBus.maximumRegions - 1).text(" pools")
      }
    }
    return regions
  }

  // MARK: Doors

  /// Stops bursts from entering and waits until none is inside. On a time-out all is as before.
  mutating func shutDoors() throws(Failure) {
    let slot = number
    Registry.ports[slot].receiveCount = 0
    Registry.ports[slot].transmitCount = 0
    let bursts = unsafe (ReceivePath.choose(features).burst, TransmitPath.choose(features).burst)
    for pair in 0..<queuePairs {
      unsafe receiveQueue(pair).value.core.burst = Virtqueue.idleBurst
      unsafe transmitQueue(pair).value.core.burst = Virtqueue.idleBurst
    }
    if sys_membarrier() < 0 && (sys_membarrier_register() < 0 || sys_membarrier() < 0) {
      // A kernel without it: any store of another processor is visible long before this is over.
      sys_sleep_microseconds(10000)
    }
    let deadline = Deadline(milliseconds: 3000)
    for pair in 0..<queuePairs {
      while receiveQueue(pair).value.core.isBusy || transmitQueue(pair).value.core.isBusy {
        if deadline.hasPassed {
          for pair in 0..<queuePairs {
            unsafe receiveQueue(pair).value.core.open(bursts.0)
            unsafe transmitQueue(pair).value.core.open(bursts.1)
          }
          Registry.ports[slot].receiveCount = queuePairs
          Registry.ports[slot].transmitCount = queuePairs
          throw Failure(ETIMEDOUT, "a thread stayed inside a burst of port ").number(slot).text(" for 3 s")
        }
        sys_sleep_microseconds(20)
      }
    }
  }

  /// Makes the device let go of its queues, takes every packet back, and unmakes the queues. Each is done for what
  /// there is, so that this serves every failed bring-up too.
  mutating func tearDown() {
    quiesce()
    takeBackAll()
    for pair in 0..<queuePairs {
      statistics.absorb(receiveQueue(pair).value.core.counters, transmitQueue(pair).value.core.counters)
      transmitQueue(pair).value.destroy()
      receiveQueue(pair).value.destroy()
    }
    queuePairs = 0
    wake.close()
    receiveName = ""
    transmitName = ""
    rings?.destroy()
    rings = nil
  }

  /// Disable and stop each ring, then reset. A back-end that does not answer is cut off: it may still scribble on
  /// packet data, as it always could, but on no ring that is used again, since every start makes new ones.
  private mutating func quiesce() {
    let rings = queuePairs * 2
    let letGo: Void? = Failure.quietly { () throws(Failure) in try bus.quiesce(rings) }
    if letGo == nil { bus.close() }
  }

  private mutating func takeBackAll() {
    for pair in 0..<queuePairs {
      let transmit = transmitQueue(pair)
      // What the device has sent by now was sent; only the rest is in doubt.
      if transmit.value.core.fault == .none { reclaim(SplitRing.self, transmit) }
      transmit.value.takeBack()
      receiveQueue(pair).value.takeBack(SplitRing.self)
    }
  }

  /// Leaves rings, tables and blocks to a thread that does not come out of a burst; the next port in this slot makes
  /// new blocks. The device is cut off.
  mutating func abandon() {
    bus.close()
    for pair in 0..<queuePairs {
      unsafe Registry.ports[number].receiveQueues?[Int(pair)] = nil
      unsafe Registry.ports[number].transmitQueues?[Int(pair)] = nil
    }
    queuePairs = 0
    rings = nil
    wake.close()
  }
}

extension Region {
  var asShared: SharedRegion {
    SharedRegion(address: address, length: UInt64(length), file: file, offset: offset)
  }
}

extension Virtqueue {
  /// A thread is inside a burst.
  var isBusy: Bool {
    mutating get { unsafe shared_load32(&inside) != 0 }
  }
}
