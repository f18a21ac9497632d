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
  var name = InlineArray<128, CChar>(repeating: 0)
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
  /// The device did not let go of the queues: they are neither in use nor unmade.
  var isHeld = false
  /// A thread is on its way to close it.
  var isClosing = false
  /// VIONET_EVENT_GONE was raised.
  var goneIsKnown = false
  var receiveName: StaticString = ""
  var transmitName: StaticString = ""
  /// How long vionet_probe took, and with it the last way to a started port.
  private var probeNanoseconds: UInt64 = 0
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
      bus = try connect(address, socket)
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
    Registry.ports[number].lock.lock()
    unsafe Registry.ports[number].port = cell.raw
    Registry.ports[number].lock.unlock()
    // As the seed's probing_finish does: first the event, then the state.
    Events.raise(number, VIONET_EVENT_NEW)
    try Ports.with(number) { (port) throws(Failure) in port.value.state = VIONET_STATE_ATTACHED }
    return number
  }

  private static func connect(_ address: DeviceAddress, _ socket: Descriptor?) throws(Failure) -> Bus {
    if var socket { return try Bus(VhostSocket(adopting: socket.take())) }
    if address.scheme == .pci { return try Bus(pci: address.target) }
    return try Bus(VhostSocket(path: address.target))
  }

  /// A device that went away is looked for again. The old one is let go first: a PCI function has one master only.
  mutating func reconnect() throws(Failure) {
    bus.close()
    releaseIfGuarded()
    if scheme == .soft { throw Failure(ECONNRESET, "the port's device is gone") }
    let whole = unsafe withUnsafeBytes(of: &name) { bytes in
      unsafe Text(bytes.baseAddress?.assumingMemoryBound(to: CChar.self), limit: bytes.count) ?? Text("")
    }
    let anew = try Port.connect(try DeviceAddress(whole), nil)
    bus.destroy()
    bus = anew
    goneIsKnown = false
    try release()
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
      try timed { (port) throws(Failure) in try port.bringUp() }
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
    let pairs = Int(options.queuePairs)
    func need(_ perPair: Int) -> Int { pairs * (Int(options.receiveDescriptors) + perPair) }
    // A shared pool made for this port has room for its peer too.
    let wanted = try PacketPools.find(options.pool, making: 2 * need(PacketPool.mostPerPair))
    promised = need(wanted.value.perPair)
    try PacketPools.acquire(wanted, promised)
    pool = wanted
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
    startNanoseconds = probeNanoseconds
  }

  /// Pools whose memory the device sees: bit n for number n.
  var pools: UInt64 { lent | (pool.map { 1 << UInt64($0.value.number) } ?? 0) }

  /// Everything from reset to DRIVER_OK, undone on failure.
  private mutating func bringUp() throws(Failure) {
    try revive()
    resetIsKnown = false
    do throws(Failure) {
      guard let pool else { throw Failure(EINVAL, "port ").number(number).text(" is not initialised") }
      features = try Negotiation.agree(bus, options, room: pool.value.dataSize, &config)
      try makeQueues()
      try Negotiation.finish(bus)
      try restoreSettings()
    } catch {
      // The device gives up its queues before their memory goes.
      Negotiation.fail(bus)
      tearDown()
      throw error
    }
  }

  mutating func timed(_ body: (inout Port) throws(Failure) -> Void) throws(Failure) {
    let begin = sys_nanoseconds()
    try body(&self)
    startNanoseconds += sys_nanoseconds() - begin
  }
}

// MARK: Start and stop

extension Port {
  package mutating func start() throws(Failure) {
    try mustBeProbed()
    switch state {
    case VIONET_STATE_INITIALISED: break
    case VIONET_STATE_STOPPED: startNanoseconds = probeNanoseconds
    case VIONET_STATE_STARTED: throw Failure(EALREADY, "port ").number(number).text(" is started already")
    default: throw Failure(EINVAL, "port ").number(number).text(" is not initialised: call vionet_init")
    }
    try timed { (port) throws(Failure) in
      if port.isHeld { try port.revive() }
      if port.queuePairs == 0 { try port.bringUp() }
      try port.letFlow()
    }
    state = VIONET_STATE_STARTED
  }

  /// Fills the receive rings, opens the doors, wakes the device.
  private mutating func letFlow() throws(Failure) {
    let receivePath = self.receivePath
    let transmitPath = self.transmitPath
    for pair in 0..<queuePairs {
      let receive = receiveQueue(pair)
      _ = receive.value.fill()
      if receive.value.core.ring.idle.count != 0 {
        // What was filled is with the device already.
        tearDown()
        throw Failure(ENOBUFS, "the pool has too few packets left to fill receive queue ").number(pair)
      }
    }
    do throws(Failure) {
      for pair in 0..<queuePairs { try makeWake(pair) }
      try makeNews()
      for index in 0..<pairsEnabled * 2 { try bus.enable(index, true) }
    } catch {
      tearDown()
      throw error
    }
    for pair in 0..<queuePairs {
      unsafe receiveQueue(pair).value.core.open(receivePath.burst)
      unsafe transmitQueue(pair).value.core.open(transmitPath.burst)
      // The device may have been idle since it saw the ring empty.
      receiveQueue(pair).value.core.notifyDevice()
      transmitQueue(pair).value.core.notifyDevice()
    }
    receiveName = receivePath.name
    transmitName = transmitPath.name
    Registry.ports[number].receiveCount = queuePairs
    Registry.ports[number].transmitCount = pairsInUse
  }

  package mutating func stop() throws(Failure) {
    try mustBeProbed()
    if state != VIONET_STATE_STARTED { return }
    try shutDoors()
    tearDown()
    state = VIONET_STATE_STOPPED
    if isHeld { throw held() }
  }
}
