// SPDX-License-Identifier: BSD-2-Clause
//
// The control queue of a port: behind all data queues, at the index that the device counts it, for one call at a time.

import CLinux
import Linux
import Virtio

extension Port {
  /// The control queue's size and kind, nil without one. The size is the device's choice where it has no other: QEMU 10
  /// gives every queue of a legacy device 1024 descriptors.
  func controlLayout() throws(Failure) -> RingLayout? {
    if !agreed.features.has(Feature.controlQueue) { return nil }
    let most = bus.traits.isWholeDevice ? Int(UInt16.max) : Int(VringFile.indexMask)
    if controlPlace > most {  // tested by abi-queue-numbers
      throw Failure(EINVAL, "the control queue would be number ").number(controlPlace)
        .text(", and the last that can be named is ").number(most).text("; cq=0 does without the queue")
    }
    if controlPlace < Int(options.queuePairs) * 2 {  // tested by abi-queue-numbers
      throw Failure(EINVAL, "the control queue would be number ").number(controlPlace)
        .text(", which is one of the port's ").number(Int(options.queuePairs) * 2)
        .text(" data queues, since the device's configuration has fewer pairs; cq=0 does without the queue")
    }
    let layout = try layout(controlIndex, ControlQueue.descriptors)
    if layout.size < ControlQueue.longestCommand {  // tested by abi-control-queue-sizes
      throw Failure(EINVAL, "the device's control queue has ").number(layout.size)
        .text(" descriptors, and a command takes ").number(ControlQueue.longestCommand)
        .text("; cq=0 does without the queue")
    }
    return layout
  }

  /// Bytes of whole pages for the ring.
  private func ringBytes(_ layout: RingLayout) -> Int { (layout.bytes + 4095) & ~4095 }

  /// The ring and the pages for commands begin on a page.
  static let controlAlignment = 4096

  /// Bytes of the ring and of the pages for commands.
  func controlBytes(_ layout: RingLayout) -> Int { ringBytes(layout) + commandBytes }

  /// Bytes of the pages for commands. With RSS they have room for the largest table.
  private var commandBytes: Int {
    let table = agreed.features.has(Feature.rss) ? Int(agreed.config.hashing.table) : 0
    return ControlQueue.pageBytes(data: HashLimits.commandBytes(table: table, key: 255))
  }

  /// Its virtqueue index: 2N for the N pairs that a device with MQ or RSS has, else 2 (virtio 1.4, 5.1.2).
  private var controlIndex: UInt16 { UInt16(truncatingIfNeeded: controlPlace) }

  private var controlPlace: Int {
    let hasMany = agreed.features.has(Feature.multiqueue) || agreed.features.has(Feature.rss)
    return hasMany ? Int(agreed.config.pairsBeforeControl) * 2 : 2
  }

  // Safety: makeQueues() made the region long enough for controlBytes() where they are placed.
  mutating func makeControlQueue(
    _ layout: RingLayout, _ region: Region, _ placement: inout RingPlacement
  ) throws(Failure) {
    let begin = placement.place(controlBytes(layout), alignment: Port.controlAlignment)
    let page = begin + ringBytes(layout)
    var devicePage = unsafe Shared(region.base + page).address
    if bus.traits.usesPhysicalAddresses { devicePage = try physical(page, commandBytes, region) }
    try bus.confine(
      controlIndex,
      to: SharedRegion(address: region.address + UInt64(begin), length: UInt64(ringBytes(layout) + commandBytes)))
    let core = try Virtqueue(
      port: number, index: controlIndex, ring: unsafe Shared(region.base + begin), layout: layout, shape: shape)
    queues.control = unsafe ControlQueue(
      core: core, bus: bus, page: Shared(region.base + page), devicePage: devicePage, bytes: commandBytes)
  }
}
