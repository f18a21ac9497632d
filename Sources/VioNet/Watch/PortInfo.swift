// SPDX-License-Identifier: BSD-2-Clause
//
// What a port tells of itself: vionet_info and the statistics, filled field by field.

import CLinux
import CVionet
import Linux

extension Port {
  var hasBrokenQueue: Bool {
    for pair in 0..<queuePairs {
      if receiveQueue(pair).value.core.fault != .none || transmitQueue(pair).value.core.fault != .none { return true }
    }
    return false
  }

  package func describe(_ info: inout vionet_info) {
    let gone = bus.isGone
    let isInitialised = state.rawValue > VIONET_STATE_ATTACHED.rawValue
    // Before the first back-end has come nothing is agreed on.
    let isAgreed = isInitialised && (!bus.awaitsBackends || !features.isEmpty)
    info.offered = (bus.offered, bus.offeredAbove)
    info.negotiated = isAgreed ? (features.bits, features.above) : (0, 0)
    info.state = UInt32(shownState(gone).rawValue)
    let ring = features.has(VIRTIO_F_RING_PACKED) ? VIONET_RING_PACKED : VIONET_RING_SPLIT
    info.ring = UInt32((isAgreed ? ring : VIONET_RING_NONE).rawValue)
    info.queue_pairs = isInitialised ? options.queuePairs : 0
    info.max_queue_pairs = max(config.pairs, bus.maximumQueuePairs)
    info.rx_descriptors = isInitialised ? options.receiveDescriptors : 0
    info.tx_descriptors = isInitialised ? options.transmitDescriptors : 0
    info.header_size = isAgreed ? UInt16(Negotiation.headerSize(features)) : 0
    info.mtu = config.mtu
    info.pool = pool?.value.number ?? 0
    info.link_up = config.linkUp && !gone ? 1 : 0
    info.mac_random = config.addressIsRandom ? 1 : 0
    info.speed = config.speed
    info.duplex = UInt8(config.duplex.rawValue)
    info.mac = config.address.bytes
    info.start_microseconds = UInt32(clamping: startNanoseconds / 1000)
    unsafe withUnsafeBytes(of: name) { from in
      unsafe withUnsafeMutableBytes(of: &info.device) { to in unsafe to.copyMemory(from: from) }
    }
    Port.copy(receiveName, &info.rx_path)
    Port.copy(transmitName, &info.tx_path)
  }

  private func shownState(_ isGone: Bool) -> vionet_state {
    if isWaiting { return VIONET_STATE_WAITING }
    if isHeld || hasBrokenQueue || isGone && !(bus.isServer && state != VIONET_STATE_STARTED) {
      return VIONET_STATE_BROKEN
    }
    return state
  }

  private static func copy<Room>(_ text: StaticString, _ room: inout Room) {
    unsafe withUnsafeMutableBytes(of: &room) { to in
      guard let base = to.baseAddress else { return }
      unsafe Text(text).copy(to: base.assumingMemoryBound(to: CChar.self), room: to.count)
    }
  }

  private func livingCounters(_ pair: UInt16, receive: Bool) -> QueueCounters? {
    if pair >= queuePairs { return nil }
    return receive ? receiveQueue(pair).value.core.counters : transmitQueue(pair).value.core.counters
  }

  func sumOf(_ queue: UInt16?, receive: Bool) -> QueueCounters {
    var sum = QueueCounters()
    for pair in queue.map({ $0..<$0 + 1 }) ?? 0..<max(statistics.pairs, 1) {
      if let kept = statistics.of(pair, receive: receive) {
        sum.add(kept.value.now(livingCounters(pair, receive: receive)))
      }
    }
    return sum
  }

  /// The counters of one queue, or of all of them.
  package func countersOf(_ queue: UInt16?, receive: Bool) -> vionet_queue_stats {
    let sum = sumOf(queue, receive: receive)
    var broken: UInt64 = 0
    let range = queue.map { $0..<$0 + 1 } ?? 0..<max(statistics.pairs, 1)
    for pair in range where pair < queuePairs {
      let fault = receive ? receiveQueue(pair).value.core.fault : transmitQueue(pair).value.core.fault
      if fault != .none { broken = 1 }
    }
    var out = vionet_queue_stats()
    out.packets = sum.packets
    out.bytes = sum.bytes
    out.no_buffer = sum.noBuffer
    out.ring_full = sum.ringFull
    out.kicks = sum.kicks
    out.broken = broken
    out.dropped = (
      sum.dropped[0], sum.dropped[1], sum.dropped[2], sum.dropped[3], sum.dropped[4], sum.dropped[5], sum.dropped[6],
      sum.dropped[7]
    )
    return out
  }

  package func checkQueueNumber(_ queue: UInt16) throws(Failure) {
    if queue >= max(statistics.pairs, 1) {
      throw Failure(EINVAL, "port ").number(number).text(" has no queue ").number(queue)
    }
  }

  package func resetCounters() {
    for pair in 0..<statistics.pairs {
      statistics.of(pair, receive: true)?.value.reset(livingCounters(pair, receive: true))
      statistics.of(pair, receive: false)?.value.reset(livingCounters(pair, receive: false))
    }
  }

  /// vionet_pool_share(): one more pool whose packets this port may send.
  package mutating func share(_ number: UInt16) throws(Failure) {
    try mustBeProbed()
    if state == VIONET_STATE_STARTED { throw Failure(EBUSY, "port ").number(self.number).text(" is started") }
    let wanted = try PacketPools.find(number)
    let bit: UInt64 = 1 << UInt64(wanted.value.number)
    if lent & bit != 0 { return }
    if (pools | bit).nonzeroBitCount > bus.maximumRegions - 1 { throw tooManyPools }
    try PacketPools.acquire(wanted, 0)
    // The device learns of it when its queues are made: those there are now are made anew at the start.
    if pools & bit == 0 { tearDown() }
    lent |= bit
  }
}
