// SPDX-License-Identifier: BSD-2-Clause
//
// vionet_info(), field by field.

import CLinux
import CVionet
import Linux
import Virtio

extension Port {
  var hasBrokenQueue: Bool {
    for pair in 0..<queues.pairs {
      if receiveQueue(pair).value.core.fault != .none || transmitQueue(pair).value.core.fault != .none { return true }
    }
    return false
  }

  package func describe(_ info: inout vionet_info) {
    let isGone = bus.isGone
    // Before the first back-end has come nothing is agreed on.
    let isAgreed = phase.isInitialised && (bus.connector == nil || !agreed.features.isEmpty)
    info.offered = (bus.traits.offered, bus.traits.offeredAbove)
    info.negotiated = isAgreed ? (agreed.features.bits, agreed.features.above) : (0, 0)
    info.state = UInt32(shownState(isGone).rawValue)
    let ring = agreed.features.has(Feature.packed) ? VIONET_RING_PACKED : VIONET_RING_SPLIT
    info.ring = UInt32((isAgreed ? ring : VIONET_RING_NONE).rawValue)
    info.header_size = isAgreed ? UInt16(Negotiation.headerSize(agreed.features)) : 0
    info.queue_pairs = phase.isInitialised ? options.queuePairs : 0
    info.max_queue_pairs = max(agreed.config.pairs, bus.traits.maximumQueuePairs)
    info.rx_descriptors = phase.isInitialised ? options.receiveDescriptors : 0
    info.tx_descriptors = phase.isInitialised ? options.transmitDescriptors : 0
    info.pool = pools.receive?.value.number ?? 0
    info.max_rx_descriptors = phase.isInitialised ? agreed.mostReceiveDescriptors : 0
    info.max_tx_descriptors = phase.isInitialised ? agreed.mostTransmitDescriptors : 0
    let features = isAgreed ? agreed.features : FeatureSet(bus.traits.offered, above: bus.traits.offeredAbove)
    info.rx_offloads = options.offloads(features, inUse: isAgreed)
    info.tx_offloads = TransmitOffloads(features).asOffered
    if options.sendsInSoftware { info.tx_offloads |= VIONET_TX_SOFTWARE.rawValue }
    hosted?.describe(&info)
    info.start_microseconds = UInt32(clamping: timing.startNanoseconds / 1000)
    describeLink(&info, isGone)
    describeNames(&info)
  }

  private func describeLink(_ info: inout vionet_info, _ isGone: Bool) {
    info.mtu = agreed.config.mtu
    info.link_up = agreed.config.linkUp && !isGone ? 1 : 0
    info.speed = agreed.config.speed
    info.duplex = UInt8(agreed.config.duplex.rawValue)
    info.mac = agreed.config.address.bytes
    info.mac_random = agreed.config.addressIsRandom ? 1 : 0
  }

  // Safety: name and info.device have VIONET_DEVICE_LENGTH bytes each.
  private func describeNames(_ info: inout vionet_info) {
    unsafe withUnsafeBytes(of: name) { from in
      unsafe withUnsafeMutableBytes(of: &info.device) { to in unsafe to.copyMemory(from: from) }
    }
    Port.copy(queues.receivePathName, &info.rx_path)
    Port.copy(queues.transmitPathName, &info.tx_path)
  }

  private func shownState(_ isGone: Bool) -> vionet_state {
    // A server that was not started has no back-end to miss.
    let isMissed = isGone && !(bus.connector?.isServer ?? false && !phase.isStarted)
    return phase.shown(isBroken: isMissed || hasBrokenQueue)
  }

  // Safety: copy() writes at most as many bytes as `room` has.
  private static func copy<Room>(_ text: StaticString, _ room: inout Room) {
    unsafe withUnsafeMutableBytes(of: &room) { to in
      guard let base = to.baseAddress else { return }
      unsafe Text(text).copy(to: base.assumingMemoryBound(to: CChar.self), room: to.count)
    }
  }
}

extension Ports {
  /// Describes a port, which is also an occasion to notice that its device is gone.
  package static func describe(_ number: UInt16, _ info: inout vionet_info) throws(Failure) {
    let isNewlyGone = try look(number) { (port) throws(Failure) in
      port.value.describe(&info)
      return port.value.noticeGone()
    }
    if isNewlyGone { EventCallbacks.raise(number, VIONET_EVENT_GONE) }
  }
}
