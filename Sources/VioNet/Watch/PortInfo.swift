// SPDX-License-Identifier: BSD-2-Clause
//
// What a port tells of itself: vionet_info and the statistics, filled field by field.

import CLinux
import CVionet
import Linux

extension Port {
  private var hasBrokenQueue: Bool {
    for pair in 0..<queuePairs {
      if receiveQueue(pair).value.core.fault != .none || transmitQueue(pair).value.core.fault != .none { return true }
    }
    return false
  }

  package func describe(_ info: inout vionet_info) {
    let gone = bus.isGone
    let shown = gone || hasBrokenQueue ? VIONET_STATE_BROKEN : state
    let isInitialised = state.rawValue > VIONET_STATE_ATTACHED.rawValue
    info.offered.0 = bus.offered
    info.negotiated.0 = isInitialised ? features.bits : 0
    info.state = UInt32(shown.rawValue)
    info.ring = UInt32((isInitialised ? VIONET_RING_SPLIT : VIONET_RING_NONE).rawValue)
    info.queue_pairs = isInitialised ? options.queuePairs : 0
    info.max_queue_pairs = bus.maximumQueuePairs
    info.rx_descriptors = isInitialised ? options.receiveDescriptors : 0
    info.tx_descriptors = isInitialised ? options.transmitDescriptors : 0
    info.header_size = isInitialised ? UInt16(Negotiation.headerSize(features)) : 0
    info.mtu = config.mtu
    info.pool = pool?.value.number ?? 0
    info.link_up = config.linkUp && !gone ? 1 : 0
    info.mac_random = config.addressIsRandom ? 1 : 0
    info.mac = config.address.bytes
    info.start_microseconds = UInt32(clamping: startNanoseconds / 1000)
    unsafe withUnsafeBytes(of: name) { from in
      unsafe withUnsafeMutableBytes(of: &info.device) { to in unsafe to.copyMemory(from: from) }
    }
    Port.copy(receiveName, &info.rx_path)
    Port.copy(transmitName, &info.tx_path)
  }

  private static func copy<Room>(_ text: StaticString, _ room: inout Room) {
    unsafe withUnsafeMutableBytes(of: &room) { to in
      guard let base = to.baseAddress else { return }
      unsafe Text(text).copy(to: base.assumingMemoryBound(to: CChar.self), room: to.count)
    }
  }

  /// The counters of queue 0, the only one of this version.
  package func countersOf(receive: Bool) -> vionet_queue_stats {
    let living =
      queuePairs == 0 ? nil : receive ? receiveQueue(0).value.core.counters : transmitQueue(0).value.core.counters
    let fault = queuePairs == 0 ? .none : receive ? receiveQueue(0).value.core.fault : transmitQueue(0).value.core.fault
    let sum = (receive ? statistics.receive : statistics.transmit).now(living)
    var out = vionet_queue_stats()
    out.packets = sum.packets
    out.bytes = sum.bytes
    out.no_buffer = sum.noBuffer
    out.ring_full = sum.ringFull
    out.kicks = sum.kicks
    out.broken = fault == .none ? 0 : 1
    out.dropped = (
      sum.dropped[0], sum.dropped[1], sum.dropped[2], sum.dropped[3], sum.dropped[4], sum.dropped[5], sum.dropped[6],
      sum.dropped[7]
    )
    return out
  }

  package func checkQueueNumber(_ queue: UInt16) throws(Failure) {
    if queue != 0 { throw Failure(EINVAL, "port ").number(number).text(" has no queue ").number(queue) }
  }

  package mutating func resetCounters() {
    statistics.receive.reset(queuePairs == 0 ? nil : receiveQueue(0).value.core.counters)
    statistics.transmit.reset(queuePairs == 0 ? nil : transmitQueue(0).value.core.counters)
  }

  /// vionet_pool_share(): one more pool whose packets this port may send.
  package mutating func share(_ number: UInt16) throws(Failure) {
    try mustBeProbed()
    if state == VIONET_STATE_STARTED { throw Failure(EBUSY, "port ").number(self.number).text(" is started") }
    let wanted = try PacketPools.find(number)
    let bit: UInt64 = 1 << UInt64(wanted.value.number)
    if lent & bit != 0 { return }
    if (pools | bit).nonzeroBitCount > VhostUserBus.maximumRegions - 1 {
      throw Failure(ENOSPC, "a back-end takes at most ").number(VhostUserBus.maximumRegions - 1).text(" pools")
    }
    try PacketPools.acquire(wanted, 0)
    // The device learns of it when its queues are made: those there are now are made anew at the start.
    if pools & bit == 0 { tearDown() }
    lent |= bit
  }
}
