// SPDX-License-Identifier: BSD-2-Clause
//
// The queues of a port: made in the control blocks of its slot (QueueBlocks.swift), with all rings in one region of shared
// memory, and then described to the device. Release.swift is the reverse.

import CLinux
import CVionet
import Linux
import Virtio

extension Port {
  /// What the rings are like, as negotiated.
  var shape: RingShape {
    RingShape(
      isPacked: agreed.features.has(Feature.packed), isInOrder: agreed.features.has(Feature.inOrder),
      hasEventIndex: agreed.features.has(Feature.eventIndex))
  }

  /// Makes all queues, and describes them and the memory they use to the device.
  mutating func makeQueues() throws(Failure) {
    try checkPairs()
    let receive = try receiveLayout()
    let transmit = try transmitLayout()
    let control = try controlLayout()
    try findLargestRings(receive, transmit)
    options.receiveDescriptors = UInt16(receive.size)
    options.transmitDescriptors = UInt16(transmit.size)
    let region = try makeRegion(regionBytes(receive, transmit, control))
    queues.region = region
    if bus.traits.usesPhysicalAddresses { try region.lock() }
    try bus.share(try sharedRegions(region))
    try statistics.makeRoom(options.queuePairs)
    var placement = self.placement
    try makePairs(receive, transmit, region, &placement)
    if let control { try makeControlQueue(control, region, &placement) }
    try connectInterrupts()
    try describeRings(receive, transmit, control, region)
  }

  /// Memory for all rings, where the last ones were if possible. A back-end that is made with libvhost-user (passt) never
  /// forgets where rings were: it looks for them in each new table of memory, and ends if they are not there.
  // Safety: the address of the region's own mapping, kept as a number.
  private mutating func makeRegion(_ bytes: Int) throws(Failure) -> Region {
    let isByFile = bus.traits.sharesMemoryByFile
    let page = sys_page_size()
    let needed = max(bytes, isByFile ? queues.placeBytes : 0)
    var length = (needed + page - 1) / page * page
    // DPDK's back-end takes a table with the same numbers for the same memory, and goes on with the old file.
    if isByFile && length == queues.placeLength { length += page }
    let region = try Region.make(
      length, hugepages: bus.traits.usesPhysicalAddresses, within: bus.traits.addressRange, at: queues.place)
    queues.place = unsafe UInt(bitPattern: region.base)
    queues.placeBytes = needed
    queues.placeLength = region.length
    return region
  }

  /// Finds how many descriptors rings may have. A whole device was asked for each ring already; it is not asked again, and
  /// what it gave counts.
  private mutating func findLargestRings(_ receive: RingLayout, _ transmit: RingLayout) throws(Failure) {
    let most = UInt16(PortOptions.maximumDescriptors)
    let isFixed = bus.traits.isWholeDevice
    agreed.mostReceiveDescriptors = isFixed ? UInt16(receive.size) : try bus.queueSize(0, most)
    agreed.mostTransmitDescriptors = isFixed ? UInt16(transmit.size) : try bus.queueSize(1, most)
  }

  private func checkPairs() throws(Failure) {
    let pairs = options.queuePairs
    if pairs > agreed.config.pairs {
      throw Failure(EINVAL, "queues: ").number(pairs).text(" were asked for, and the device has ")
        .number(agreed.config.pairs)
    }
    if pairs == 1 || agreed.features.has(Feature.multiqueue) || agreed.features.has(Feature.rss) { return }
    let failure = Failure(EINVAL, "queues: ").number(pairs).text(" take VIRTIO_NET_F_MQ, which ")
    // A back-end may have more queues than its device has without that.
    if bus.traits.offered & Feature.multiqueue == 0 {
      throw failure.text("the device does not offer; it offers ").hex(bus.traits.offered)
    }
    throw failure.text("features_off or cq=0 forbids")
  }

  private mutating func makePairs(
    _ receive: RingLayout, _ transmit: RingLayout, _ region: Region, _ placement: inout RingPlacement
  ) throws(Failure) {
    for pair in 0..<options.queuePairs {
      try makeReceiveQueue(pair, receive, region, placement.place(receive.bytes, alignment: receive.alignment))
      do throws(Failure) {
        try makeTransmitQueue(pair, transmit, region, placement.place(transmit.bytes, alignment: transmit.alignment))
      } catch {
        receiveQueue(pair).value.destroy()
        throw error
      }
      queues.pairs = pair + 1
    }
  }

  /// Tells the device where each ring lies, and learns how to notify it.
  private mutating func describeRings(
    _ receive: RingLayout, _ transmit: RingLayout, _ control: RingLayout?, _ region: Region
  ) throws(Failure) {
    for pair in 0..<queues.pairs {
      let receiving = receiveQueue(pair)
      receiving.value.core.notifier = try bus.setUp(
        try asDeviceSees(receiving.value.core.setUp, receive.bytes, region))
      let sending = transmitQueue(pair)
      sending.value.core.notifier = try bus.setUp(try asDeviceSees(sending.value.core.setUp, transmit.bytes, region))
    }
    if let setUp = queues.control?.setUp, let control {
      let notifier = try bus.setUp(try asDeviceSees(setUp, control.bytes, region))
      queues.control?.connect(notifier)
    }
  }

  private func connectInterrupts() throws(Failure) {
    guard let calls = Table<Int32>.make(count: Int(queues.pairs) * 2) else {
      throw Failure(ENOMEM, "no memory for queues")
    }
    defer { calls.destroy() }
    for pair in 0..<queues.pairs {
      calls[pair * 2] = receiveQueue(pair).value.core.call
      calls[pair * 2 + 1] = transmitQueue(pair).value.core.call
    }
    try bus.connectSignals(calls, largestRing: max(options.receiveDescriptors, options.transmitDescriptors))
  }

  // MARK: Layout

  private func receiveLayout() throws(Failure) -> RingLayout {
    var layout = try layout(0, options.receiveDescriptors)
    layout.tableDescriptors = tableDescriptors(transmit: false)
    if layout.tableDescriptors > layout.size {  // tested by abi-control-queue-sizes
      // No chain is longer than the ring (virtio 1.4, 2.7.5.3.1).
      throw Failure(EINVAL, "queue_size: a frame takes ").number(layout.tableDescriptors)
        .text(" buffers, the ring has ").number(layout.size).text(" descriptors; a larger data_size takes fewer")
    }
    return layout
  }

  private func transmitLayout() throws(Failure) -> RingLayout {
    var layout = try layout(1, options.transmitDescriptors)
    layout.tableDescriptors = tableDescriptors(transmit: true)
    return layout
  }

  /// The size and kind of ring `index`, of which `wanted` descriptors were asked for.
  func layout(_ index: UInt16, _ wanted: UInt16) throws(Failure) -> RingLayout {
    let size = try bus.queueSize(index, wanted)
    if size != wanted, Log.wanted(.info) {
      Log.line("queue").number(index).text("has").number(size).text("descriptors, not").number(wanted).send(.info)
    }
    let isPacked = agreed.features.has(Feature.packed)
    if !isPacked && size & (size - 1) != 0 {
      throw Failure(EINVAL, "queue_size: the device has no packed rings, and a split one has a power of two, not ")
        .number(size)
    }
    return RingLayout(size: Int(size), isLegacy: bus.traits.isLegacy, isPacked: isPacked)
  }

  /// Descriptors in each table behind a ring: to send packets of several segments, and to receive frames in several
  /// buffers that the device does not merge.
  func tableDescriptors(transmit: Bool) -> Int {
    if !agreed.features.has(Feature.indirect) { return 0 }
    return transmit ? RingLayout.indirectDescriptors : agreed.config.buffers > 1 ? agreed.config.buffers : 0
  }

  // MARK: Memory as the device sees it

  /// Rings are placed as in hugepages, which is right for memory in smaller pieces too.
  private var placement: RingPlacement {
    RingPlacement(piece: bus.traits.usesPhysicalAddresses ? Region.hugePageBytes : 0)
  }

  private func regionBytes(_ receive: RingLayout, _ transmit: RingLayout, _ control: RingLayout?) -> Int {
    var placement = self.placement
    for _ in 0..<options.queuePairs {
      _ = placement.place(receive.bytes, alignment: receive.alignment)
      _ = placement.place(transmit.bytes, alignment: transmit.alignment)
    }
    if let control { _ = placement.place(controlBytes(control), alignment: Port.controlAlignment) }
    return placement.end
  }

  func physical(_ offset: Int, _ bytes: Int, _ region: Region) throws(Failure) -> UInt64 {
    if let start = try region.physicalAddress(offset, bytes) { return start }
    let failure = Failure(ENOMEM, "a queue finds no ").number(bytes).text(" bytes of memory in one piece: ")
    if bytes > Region.hugePageBytes {
      throw failure.text("a hugepage has ").number(Region.hugePageBytes).text("; a smaller queue_size takes less")
    }
    throw failure.text("the port's rings take ").number((region.length - 1) / Region.hugePageBytes + 1)
      .text(" hugepages of 2 MiB, which are not free: raise ")
      .text("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages by that")
  }

  /// A ring's addresses as the device is given them: ours, or physical ones.
  func asDeviceSees(_ ring: RingSetUp, _ bytes: Int, _ region: Region) throws(Failure) -> RingSetUp {
    if !bus.traits.usesPhysicalAddresses { return ring }
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
    for number in 1..<UInt16(VIONET_MAX_POOLS) where pools.visible >> UInt64(number) & 1 != 0 {
      guard let pool = PacketPools.existing(number) else { continue }
      guard let memory = pool.value.region else { continue }
      if bus.traits.usesPhysicalAddresses {
        try pool.value.makePhysical()
        continue
      }
      if pool.value.isPhysical {
        throw Failure(EINVAL, "pool ").number(number).text(" has physical addresses, for a port without an ")
          .text("IOMMU; give this port its own")
      }
      if memory.file < 0 && bus.traits.sharesMemoryByFile {
        throw Failure(EINVAL, "pool ").number(number).text(
          " has no file descriptor, so no other process can be given its memory")
      }
      if bus.traits.sharesMemoryByFile && hosted == nil { try memory.expectHoles() }
      if regions.count == bus.traits.maximumRegions || !regions.add(memory.asShared) { throw tooManyPools }
    }
    return regions
  }
}
