// SPDX-License-Identifier: BSD-2-Clause
//
// vionet_init(): from any phase but a started one to a device that awaits its receive buffers. A failure leaves a probed
// port.

import CLinux
import CVionet
import Linux
import Virtio

extension Port {
  package mutating func initialise(_ config: vionet_config?) throws(Failure) {
    try mustBeProbed()
    if phase.isStarted { throw Failure(EBUSY, "port ").number(number).text(" is started: call vionet_stop first") }
    forgetInitialisation()
    if phase.isQuarantined {
      try revive()
      forgetInitialisation()
    }
    do throws(Failure) {
      options = requested
      if let config { try options.apply(config) }
      try acquirePool()
      if try deviceIsThere() { try timed { (port) throws(Failure) in try port.bringUp() } }
    } catch {
      forgetInitialisation()
      throw error
    }
    enter(.initialised)
  }

  /// Back to what vionet_probe() left. In quarantine the pool stays, since the device has some of its buffers.
  private mutating func forgetInitialisation() {
    enter(.probed)
    if phase.isQuarantined { return }
    tearDown()
    if phase.isQuarantined { return }
    if let pool = pools.receive { PacketPools.release(pool, pools.reserved) }
    pools.receive = nil
    releaseQueuePools()
    settings.destroy()
    settings = Settings()
    agreed.features = FeatureSet(0)
    agreed.startFeatures = FeatureSet(0)
    timing.restart()
  }

  /// Does everything from reset to DRIVER_OK; undone on failure.
  mutating func bringUp() throws(Failure) {
    try revive()
    watch.isResetReported = false
    do throws(Failure) {
      guard let pool = pools.receive else { throw Failure(EINVAL, "port ").number(number).text(" is not initialised") }
      agreed.features = try Negotiation.agree(bus, options, room: room(in: pool), &agreed.config)
      try options.mustHaveOffloads(agreed.features)
      options.tellOfUnmetWishes(agreed.features)
      try reserve(in: pool)
      if agreed.features.has(Feature.mtu) { bus.tell(mtu: agreed.config.mtu) }
      try makeQueues()
      try Negotiation.finish(bus)
      try restoreSettings()
    } catch {
      // The device gives up its queues before their memory goes.
      Negotiation.fail(bus)
      let reason = hosted?.explain(error) ?? reason(error)
      tearDown()
      throw reason
    }
  }

  // MARK: The pool

  /// Takes the pool of the receive buffers and reserves as many packets as this port may hold.
  private mutating func acquirePool() throws(Failure) {
    // A default pool made for this port has room for one more port like it.
    let usual = max(PacketPools.defaultPackets, 2 * packetsNeeded(PacketPool.mostPerPair, buffers: 1))
    let packets = options.sharedPoolPackets ?? usual
    let wanted = try PacketPools.find(options.pool, making: packets, within: bus.traits.addressRange)
    let needed = packetsNeeded(wanted.value.perPair, buffers: 1)
    try PacketPools.acquire(wanted, needed)
    pools.reserved = needed
    pools.receive = wanted
  }

  /// Packets that the port may hold with `buffers` packets in each entry of a receive ring.
  private func packetsNeeded(_ perPair: Int, buffers: Int) -> Int {
    pairsOfPortPool * (Int(options.receiveDescriptors) * buffers + perPair)
  }

  /// What one receive entry may hold, by what the pool has left.
  private func room(in pool: Cell<PacketPool>) -> ReceiveRoom {
    let withOne = packetsNeeded(pool.value.perPair, buffers: 1)
    let left = PacketPools.unreserved(pool) + pools.reserved - withOne
    let most = 1 + max(0, left) / (max(pairsOfPortPool, 1) * Int(options.receiveDescriptors))
    return ReceiveRoom(
      bytes: Int(pool.value.dataSize),
      mostBuffers: min(most, ReceiveRoom.mostSegments, Int(options.receiveDescriptors)))
  }

  /// Reserves what the negotiated features take beyond the first estimate.
  private mutating func reserve(in pool: Cell<PacketPool>) throws(Failure) {
    try reserveInQueuePools(buffers: agreed.config.buffers)
    let needed = packetsNeeded(pool.value.perPair, buffers: agreed.config.buffers)
    if needed <= pools.reserved { return }
    try PacketPools.reserve(pool, needed - pools.reserved)
    pools.reserved = needed
  }

  /// vionet_pool_share(): one more pool whose packets this port may send.
  package mutating func share(_ number: UInt16) throws(Failure) {
    try mustBeProbed()
    if phase.isStarted {
      throw Failure(EBUSY, "port ").number(self.number).text(" is started: share pools before vionet_start")
    }
    let wanted = try PacketPools.find(number)
    let bit: UInt64 = 1 << UInt64(wanted.value.number)
    if pools.shared & bit != 0 { return }
    if (pools.visible | bit).nonzeroBitCount > bus.traits.maximumRegions - 1 { throw tooManyPools }
    try PacketPools.acquire(wanted, 0)
    // A device learns of memory when its queues are made: those there are now are made again at the start.
    if pools.visible & bit == 0 { tearDown() }
    pools.shared |= bit
  }

  var tooManyPools: Failure {
    Failure(ENOSPC, "the back-end of port ").number(number).text(" takes memory of at most ")
      .number(bus.traits.maximumRegions - 1).text(" pools")
  }
}
