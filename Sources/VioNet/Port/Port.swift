// SPDX-License-Identifier: BSD-2-Clause
//
// A port, and the order of its life: find the device (Attach, Bus), agree with it (Handshake), give it memory (Memory)
// and rings (Queue), fill and empty them (Receive, Transmit). Tear-down is the same list backwards. Every step undoes
// itself when it fails.

import CLinux
import CVionet
import Linux

/// What keeps a port's device alive beside the port: the device model of a soft: port. Ended after the port let go.
@safe
package struct Companion {
  let state: UnsafeMutableRawPointer?
  let end: @convention(c) (UnsafeMutableRawPointer) -> Void

  package init(_ state: UnsafeMutableRawPointer, _ end: @escaping @convention(c) (UnsafeMutableRawPointer) -> Void) {
    unsafe self.state = state
    unsafe self.end = end
  }

  func finish() { if let state = unsafe state { unsafe end(state) } }
}

package struct Port {
  let number: UInt16
  /// 0 while the port is being probed.
  var state = vionet_state(rawValue: 0)
  var name = InlineArray<512, CChar>(repeating: 0)
  var scheme: Scheme
  /// What the address wished for, and that with vionet_config on top.
  let wishes: PortOptions
  var options: PortOptions
  var bus: Bus
  var companion: Companion?

  var features = FeatureSet(0)
  var config = NetConfig()
  var rings: Region?
  var control: ControlQueue?
  var pool: Cell<PacketPool>?
  /// Packets that the pool was told this port may hold.
  var promised = 0
  /// Pools that vionet_pool_share() named: bit n for number n.
  var lent: UInt64 = 0
  /// Queues exist, in the blocks of the slot.
  var queuePairs: UInt16 = 0
  /// Readable when something is new about the port; while started.
  var news = Descriptor.none
  /// Makes it readable from inside; while probed.
  var poke = Descriptor.none
  /// VIONET_EVENT_NEEDS_RESET was raised.
  var resetIsKnown = false
  /// Pairs whose doors bursts find, open or shut: those of the queues, and while there are none those of the last ones.
  var doors: UInt16 = 0
  /// Started without a back-end, which will come.
  var isWaiting = false
  /// What was agreed on at the start, and has to be agreed on with every device that comes later.
  var settled = FeatureSet(0)
  var kept: Table<KeptPair>?
  /// The device did not let go of the queues: they are neither in use nor unmade.
  var isHeld = false
  /// A thread is on its way to close it.
  var isClosing = false
  /// VIONET_EVENT_GONE was raised.
  var goneIsKnown = false
  var receiveName: StaticString = ""
  var transmitName: StaticString = ""
  /// How long vionet_probe took, and with it the last way to a started port.
  private(set) var probeNanoseconds: UInt64 = 0
  var startNanoseconds: UInt64 = 0
  var statistics = PortStatistics()
  var settings = Settings()
}

// MARK: Probe

extension Port {
  /// The first half of probing: the slot and the device. `socket` is the end of a connection that the caller made, for
  /// a device with a companion; its ownership passes here even on failure.
  package static func attach(
    _ address: DeviceAddress, _ options: PortOptions, socket: Descriptor?, companion: Companion?
  ) throws(Failure) -> UInt16 {
    let begin = sys_nanoseconds()
    let bus: Bus
    let number: UInt16
    do throws(Failure) {
      bus = try connect(address, options, socket)
      do throws(Failure) {
        number = try Ports.take()
      } catch {
        bus.destroy()
        throw error
      }
    } catch {
      companion?.finish()
      throw error
    }
    var port = Port(number: number, scheme: address.scheme, wishes: options, options: options, bus: bus)
    port.companion = companion
    port.goneIsKnown = options.isServer
    port.config.address = options.address ?? MACAddress((0, 0, 0, 0, 0, 0))
    unsafe withUnsafeMutableBytes(of: &port.name) { room in
      guard let base = room.baseAddress else { return }
      unsafe address.whole.copy(to: base.assumingMemoryBound(to: CChar.self), room: room.count)
    }
    port.probeNanoseconds = sys_nanoseconds() - begin
    port.startNanoseconds = port.probeNanoseconds
    guard let cell = Cell.make(port) else {
      bus.destroy()
      companion?.finish()
      Ports.giveBack(number)
      throw Failure(ENOMEM, "no memory for a port")
    }
    PortSlots.all[number].lock.lock()
    unsafe PortSlots.all[number].port = cell.raw
    PortSlots.all[number].lock.unlock()
    // As the seed's probing_finish does: first the event, then the state.
    Events.raise(number, VIONET_EVENT_NEW)
    try Ports.with(number) { (port) throws(Failure) in port.value.state = VIONET_STATE_ATTACHED }
    return number
  }

  private static func connect(
    _ address: DeviceAddress, _ options: PortOptions, _ socket: Descriptor?
  ) throws(Failure) -> Bus {
    if options.isServer && address.scheme != .vhostUser {
      var socket = socket
      socket?.close()
      throw Failure(EINVAL, "option \"server\" is of vhost-user:, not of device ").quoting(address.whole)
    }
    if var socket { return try Bus(VhostSocket(adopting: socket.take())) }
    if address.scheme == .pci { return try Bus(pci: address.target) }
    if address.scheme == .vhostVDPA { return try Bus(vhostVDPA: address.target) }
    if address.scheme == .vhostNet {
      return try Bus(vhostNet: address.target, pairs: options.queuePairs, address: options.address)
    }
    if options.isServer { return try Bus(VhostMeeting(listeningAt: address.target)) }
    return try Bus(VhostSocket(path: address.target))
  }

  /// A device that went away is looked for again. The old one is let go first: a PCI function has one master only.
  mutating func reconnect() throws(Failure) {
    bus.close()
    releaseIfGuarded()
    if scheme == .soft { throw Failure(ECONNRESET, "the port's device is gone") }
    let anew = try withAddress { (address) throws(Failure) in try Port.connect(address, wishes, nil) }
    bus.destroy()
    bus = anew
    goneIsKnown = false
    try release()
  }
}

extension Port {
  /// Calls `body` with the port's own address.
  func withAddress<Result>(_ body: (DeviceAddress) throws(Failure) -> Result) throws(Failure) -> Result {
    var name = self.name
    let whole = unsafe withUnsafeBytes(of: &name) { bytes in
      unsafe Text(bytes.baseAddress?.assumingMemoryBound(to: CChar.self), limit: bytes.count) ?? Text("")
    }
    return try body(try DeviceAddress(whole))
  }
}

// MARK: Initialise

extension Port {
  /// vionet_init(): from whatever state but started to a device that awaits its buffers; on failure to a port that was
  /// merely probed.
  package mutating func initialise(_ config: vionet_config?) throws(Failure) {
    try mustBeProbed()
    if state == VIONET_STATE_STARTED { throw Failure(EBUSY, "port ").number(number).text(" is started") }
    forgetSettings()
    if isHeld { try revive() }
    forgetSettings()
    do throws(Failure) {
      options = wishes
      if let config { try options.apply(config) }
      try acquirePool()
      if try isThere() { try timed { (port) throws(Failure) in try port.bringUp() } }
    } catch {
      forgetSettings()
      throw error
    }
    state = VIONET_STATE_INITIALISED
  }

  /// A port is not to be changed from inside its own VIONET_EVENT_NEW.
  func mustBeProbed() throws(Failure) {
    if state.rawValue == 0 { throw Failure(EBUSY, "port ").number(number).text(" is still being probed") }
  }

  /// The pool of the receive buffers, with a promise of as many as this port may hold.
  private mutating func acquirePool() throws(Failure) {
    // A shared pool made for this port has room for its peer too.
    let wanted = try PacketPools.find(
      options.pool, making: 2 * need(PacketPool.mostPerPair, buffers: 1), within: bus.reach)
    promised = need(wanted.value.perPair, buffers: 1)
    try PacketPools.acquire(wanted, promised)
    pool = wanted
  }

  /// Packets that the port may hold, with so many in an entry of a receive ring.
  private func need(_ perPair: Int, buffers: Int) -> Int {
    Int(options.queuePairs) * (Int(options.receiveDescriptors) * buffers + perPair)
  }

  private func room(in pool: Cell<PacketPool>) -> ReceiveRoom {
    let alone = need(pool.value.perPair, buffers: 1)
    let more = pool.value.usable - pool.value.promised + promised - alone
    let most = 1 + max(0, more) / (Int(options.queuePairs) * Int(options.receiveDescriptors))
    return ReceiveRoom(
      bytes: Int(pool.value.dataSize),
      mostBuffers: min(most, ReceiveRoom.mostSegments, Int(options.receiveDescriptors)))
  }

  /// What the negotiation came to may take more packets than were promised.
  private mutating func promise(_ pool: Cell<PacketPool>) throws(Failure) {
    let needed = need(pool.value.perPair, buffers: config.buffers)
    if needed <= promised { return }
    try PacketPools.promise(pool, needed - promised)
    promised = needed
  }

  private mutating func forgetSettings() {
    state = VIONET_STATE_ATTACHED
    if !isHeld { tearDown() }
    // What is held belongs to the pool still.
    if isHeld { return }
    if let pool { PacketPools.letGo(pool, promised) }
    pool = nil
    settings.destroy()
    settings = Settings()
    features = FeatureSet(0)
    settled = FeatureSet(0)
    startNanoseconds = probeNanoseconds
  }

  /// Pools whose memory the device sees: bit n for number n.
  var pools: UInt64 { lent | (pool.map { 1 << UInt64($0.value.number) } ?? 0) }

  /// Everything from reset to DRIVER_OK, undone on failure.
  mutating func bringUp() throws(Failure) {
    try revive()
    resetIsKnown = false
    do throws(Failure) {
      guard let pool else { throw Failure(EINVAL, "port ").number(number).text(" is not initialised") }
      try bus.prepareErrors()
      features = try Negotiation.agree(bus, options, room: room(in: pool), &config)
      try promise(pool)
      if features.has(VIRTIO_NET_F_MTU) { bus.tell(mtu: config.mtu) }
      try makeQueues()
      try Negotiation.finish(bus)
      try restoreSettings()
    } catch {
      // The device gives up its queues before their memory goes.
      Negotiation.fail(bus)
      let reason = reason(error)
      tearDown()
      throw reason
    }
  }

  mutating func timed(_ body: (inout Port) throws(Failure) -> Void) throws(Failure) {
    let begin = sys_nanoseconds()
    try body(&self)
    startNanoseconds += sys_nanoseconds() - begin
  }
}
