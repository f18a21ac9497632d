// SPDX-License-Identifier: BSD-2-Clause
//
// What a running device does for received packets (virtio 1.4, 5.1.9.5.9).

import CLinux
import CVionet
import Linux
import Virtio

extension Port {
  /// Switches receive offloads, bits of enum vionet_rx_offload. Packets that are on their way may still have what was
  /// negotiated, so the code that reads their headers stays.
  mutating func setOffloads(_ request: UInt32) throws(Failure) {
    try require(Feature.controlOffloads)
    let changing = VIONET_RX_CHECKSUM.rawValue | VIONET_RX_LRO.rawValue
    if (request ^ options.receiveOffloads) & ~changing != 0 {
      throw Failure(EINVAL, "offloads: after vionet_init only VIONET_RX_CHECKSUM and VIONET_RX_LRO can change")
    }
    if request & changing != 0 { try require(Feature.guestChecksum) }
    var bits = request & changing != 0 ? Features.receiveChecksum : 0
    if request & VIONET_RX_LRO.rawValue != 0 {
      if agreed.features.bits & Features.receiveSegments == 0 { try require(Feature.guestTSO4) }
      bits |= agreed.features.bits & Features.receiveSegments
      if options.receives(VIONET_RX_TUNNEL) { bits |= HigherFeature.offloads(agreed.features.above) }
    }
    try sendOffloads(bits)
    settings.offloads = bits
  }

  // Safety: the command has the eight bytes of `data`.
  private mutating func sendOffloads(_ bits: UInt64) throws(Failure) {
    var data = bits.littleEndian
    try unsafe send(ControlCommand.setOffloads, &data, 8)
  }

  /// Switches offloads off again after a reset, which switches on all that were negotiated.
  mutating func restoreOffloads() throws(Failure) {
    guard let bits = settings.offloads else { return }
    try require(Feature.controlOffloads)
    try sendOffloads(bits & (agreed.features.bits | HigherFeature.offloads(agreed.features.above)))
  }
}
