// SPDX-License-Identifier: BSD-2-Clause
//
// The control queue of a port: behind all data queues, wherever the device counts it, and used by one call at a time.

import CLinux
import Linux

extension Port {
  /// Ring and commands, each on pages of its own, and what the first may lie off one.
  var controlBytes: Int { features.has(VIRTIO_NET_F_CTRL_VQ) ? 4096 + Port.controlRingBytes + commandBytes : 0 }
  static let controlRingBytes = 4 * 4096
  /// With RSS there has to be room for the largest table.
  private var commandBytes: Int {
    let table = features.has(VIRTIO_NET_F_RSS) ? Int(config.hashing.table) : 0
    return ControlQueue.pageBytes(data: HashLimits.commandBytes(table: table, key: 255))
  }

  /// Its number: 2N, N pairs being what the device has with MQ or RSS, else one (virtio 1.4, 5.1.2).
  private var controlIndex: UInt16 {
    let hasMany = features.has(VIRTIO_NET_F_MQ) || features.has(VIRTIO_NET_F_RSS)
    return hasMany ? config.pairs &* 2 : 2
  }

  mutating func makeControlQueue(_ region: Region, _ offset: Int) throws(Failure) {
    let begin = (offset + 4095) & ~4095
    let layout = try layout(controlIndex, ControlQueue.descriptors)
    if layout.bytes > Port.controlRingBytes {
      throw Failure(EINVAL, "the device's control queue has ").number(layout.size).text(" descriptors, 64 are enough")
    }
    let page = begin + Port.controlRingBytes
    var devicePage = unsafe Shared(region.base + page).address
    if bus.usesPhysicalAddresses { devicePage = try physical(page, commandBytes, region) }
    try bus.confine(
      controlIndex,
      to: SharedRegion(address: region.address + UInt64(begin), length: UInt64(Port.controlRingBytes + commandBytes)))
    let core = try Virtqueue(
      port: number, index: controlIndex, ring: unsafe Shared(region.base + begin), layout: layout, shape: shape)
    control = unsafe ControlQueue(
      core: core, bus: bus, page: Shared(region.base + page), devicePage: devicePage, bytes: commandBytes)
  }
}
