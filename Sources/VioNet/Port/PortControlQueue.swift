// SPDX-License-Identifier: BSD-2-Clause
//
// The control queue of a port: behind all data queues, at the index that the device counts it, for one call at a time.

import CLinux
import Linux
import Virtio

extension Port {
  /// Bytes of the ring and of the pages for commands, and up to a page to align them.
  var controlBytes: Int { agreed.features.has(Feature.controlQueue) ? 4096 + Port.controlRingBytes + commandBytes : 0 }
  static let controlRingBytes = 4 * 4096
  /// Bytes of the pages for commands. With RSS they have room for the largest table.
  private var commandBytes: Int {
    let table = agreed.features.has(Feature.rss) ? Int(agreed.config.hashing.table) : 0
    return ControlQueue.pageBytes(data: HashLimits.commandBytes(table: table, key: 255))
  }

  /// Its virtqueue index: 2N for the N pairs that a device with MQ or RSS has, else 2 (virtio 1.4, 5.1.2).
  private var controlIndex: UInt16 {
    let hasMany = agreed.features.has(Feature.multiqueue) || agreed.features.has(Feature.rss)
    return hasMany ? agreed.config.pairs &* 2 : 2
  }

  mutating func makeControlQueue(_ region: Region, _ offset: Int) throws(Failure) {
    let begin = (offset + 4095) & ~4095
    let layout = try layout(controlIndex, ControlQueue.descriptors)
    if layout.bytes > Port.controlRingBytes {
      throw Failure(EINVAL, "the device's control queue has ").number(layout.size).text(" descriptors, 64 are enough")
    }
    let page = begin + Port.controlRingBytes
    // Safety: makeQueues() made the region long enough for controlBytes behind `offset`.
    var devicePage = unsafe Shared(region.base + page).address
    if bus.traits.usesPhysicalAddresses { devicePage = try physical(page, commandBytes, region) }
    try bus.confine(
      controlIndex,
      to: SharedRegion(address: region.address + UInt64(begin), length: UInt64(Port.controlRingBytes + commandBytes)))
    let core = try Virtqueue(
      port: number, index: controlIndex, ring: unsafe Shared(region.base + begin), layout: layout, shape: shape)
    queues.control = unsafe ControlQueue(
      core: core, bus: bus, page: Shared(region.base + page), devicePage: devicePage, bytes: commandBytes)
  }
}
