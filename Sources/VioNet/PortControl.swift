// SPDX-License-Identifier: BSD-2-Clause
//
// The control queue of a port: behind all data queues, wherever the device counts it, and used under the port's lock.

import CLinux
import Linux

extension Port {
  /// Ring and page, each on pages of its own, and what the first may lie off one.
  static var controlBytes: Int { 4096 + controlRingBytes + ControlQueue.pageBytes }
  static let controlRingBytes = 4 * 4096

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
    if bus.usesPhysicalAddresses { devicePage = try physical(page, ControlQueue.pageBytes, region) }
    let core = try Virtqueue(
      port: number, index: controlIndex, ring: unsafe Shared(region.base + begin), layout: layout, shape: shape)
    control = unsafe ControlQueue(core: core, page: Shared(region.base + page), devicePage: devicePage)
  }

  /// Tells the device how many pairs there are from now on; until then it uses only the first (5.1.9.5.6).
  mutating func usePairs(_ pairs: UInt16) throws(Failure) {
    var count = pairs.littleEndian
    try unsafe control?.send(ControlCommand.pairs, &count, 2)
  }
}
