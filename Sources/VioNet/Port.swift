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
  var pool: Cell<PacketPool>?
  /// Packets that the pool was told this port may hold.
  var promised = 0
  /// Pools whose memory the device sees: bit n for number n.
  var pools: UInt64 = 0
  /// Those of them that vionet_pool_share() named.
  var lent: UInt64 = 0
  /// Queues exist, in the blocks of the slot.
  var queuePairs: UInt16 = 0
  /// Readable when an armed receive queue has packets or the back-end is gone; while started.
  var wake = Descriptor.none
  /// VIONET_EVENT_GONE was raised.
  var goneIsKnown = false
  var receiveName: StaticString = ""
  var transmitName: StaticString = ""
  var startNanoseconds: UInt64 = 0
  var statistics = PortStatistics()
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
    port.startNanoseconds = sys_nanoseconds() - begin
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

  /// A back-end that went away is looked for again.
  mutating func reconnect() throws(Failure) {
    bus.close()
    if scheme == .soft { throw Failure(ECONNRESET, "the port's device is gone") }
    let whole = unsafe withUnsafeBytes(of: &name) { bytes in
      unsafe Text(bytes.baseAddress?.assumingMemoryBound(to: CChar.self), limit: bytes.count) ?? Text("")
    }
    let anew = try Port.connect(try DeviceAddress(whole), nil)
    bus.destroy()
    bus = anew
    goneIsKnown = false
  }
}

// MARK: Initialise

extension Port {
  /// vionet_init(): from whatever state but started to a device that awaits its buffers.
  package mutating func initialise(_ config: vionet_config?) throws(Failure) {
    if state == VIONET_STATE_STARTED { throw Failure(EBUSY, "port ").number(number).text(" is started") }
    var wanted = wishes
    if let config { try wanted.apply(config) }
    let pairs = Int(wanted.queuePairs)
    // A shared pool made for this port has room for its peer too.
    let room = 2 * pairs * (Int(wanted.receiveDescriptors) + 6 * PacketPool.largestBulk)
    let pool = try PacketPools.find(wanted.pool, making: room)
    let buffers = pairs * (Int(wanted.receiveDescriptors) + pool.value.perPair)
    try PacketPools.promise(pool, buffers, insteadOf: self.pool?.value.number == pool.value.number ? promised : 0)
    tearDown()
    use(pool)
    promised = buffers
    options = wanted
    try timed { (port) throws(Failure) in try port.bringUp() }
    state = VIONET_STATE_INITIALISED
  }

  /// The pool of the receive buffers takes the place of the former one; pools shared by name stay.
  private mutating func use(_ wanted: Cell<PacketPool>) {
    if let former = pool, former.value.number != wanted.value.number {
      Failure.quietly { () throws(Failure) in try PacketPools.promise(former, 0, insteadOf: promised) }
      if lent >> UInt64(former.value.number) & 1 == 0 { drop(former.value.number) }
    }
    pool = wanted
    hold(wanted)
  }

  /// Lets the device see a pool's memory from the next bring-up on.
  mutating func hold(_ wanted: Cell<PacketPool>) {
    let bit: UInt64 = 1 << UInt64(wanted.value.number)
    if pools & bit == 0 { PacketPools.hold(wanted) }
    pools |= bit
  }

  private mutating func drop(_ number: UInt16) {
    pools &= ~(1 << UInt64(number))
    if let pool = PacketPools.existing(number) { PacketPools.letGo(pool) }
  }

  /// Everything from reset to DRIVER_OK, undone on failure.
  private mutating func bringUp() throws(Failure) {
    if bus.isGone { try reconnect() }
    do throws(Failure) {
      guard let pool else { throw Failure(EINVAL, "port ").number(number).text(" is not initialised") }
      features = try Negotiation.agree(bus, options, room: pool.value.dataSize, &config)
      try makeQueues()
      try Negotiation.finish(bus)
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
    switch state {
    case VIONET_STATE_INITIALISED, VIONET_STATE_STOPPED: break
    case VIONET_STATE_STARTED: throw Failure(EALREADY, "port ").number(number).text(" is started already")
    default: throw Failure(EINVAL, "port ").number(number).text(" is not initialised: call vionet_init")
    }
    try timed { (port) throws(Failure) in
      if port.queuePairs == 0 { try port.bringUp() }
      try port.letFlow()
    }
    state = VIONET_STATE_STARTED
  }

  /// Fills the receive rings, opens the doors, wakes the device.
  private mutating func letFlow() throws(Failure) {
    let receivePath = ReceivePath.choose(features)
    let transmitPath = TransmitPath.choose(features)
    for pair in 0..<queuePairs {
      let receive = receiveQueue(pair)
      _ = receive.value.fill(SplitRing.self)
      if receive.value.core.idle.count != 0 {
        takeBackAll()
        throw Failure(ENOBUFS, "the pool has too few packets left to fill receive queue ").number(pair)
      }
    }
    do throws(Failure) {
      try makeWake()
      for index in 0..<queuePairs * 2 { try bus.enable(index, true) }
    } catch {
      tearDown()
      throw error
    }
    for pair in 0..<queuePairs {
      unsafe receiveQueue(pair).value.core.burst = receivePath.burst
      unsafe transmitQueue(pair).value.core.burst = transmitPath.burst
      // The device may have been idle since it saw the ring empty.
      receiveQueue(pair).value.core.notifyDevice()
      transmitQueue(pair).value.core.notifyDevice()
    }
    receiveName = receivePath.name
    transmitName = transmitPath.name
    Registry.ports[number].receiveCount = queuePairs
    Registry.ports[number].transmitCount = queuePairs
  }

  package mutating func stop() throws(Failure) {
    if state != VIONET_STATE_STARTED { return }
    try shutDoors()
    tearDown()
    state = VIONET_STATE_STOPPED
  }

  /// Frees all; the caller holds the slot's lock and forgets the port afterwards.
  package mutating func close() {
    if state == VIONET_STATE_STARTED {
      // A thread that sits in a burst for longer than the deadline keeps no one from closing; its blocks stay valid.
      Failure.quietly { () throws(Failure) in try shutDoors() }
    }
    tearDown()
    bus.destroy()
    companion?.finish()
    if let pool { Failure.quietly { () throws(Failure) in try PacketPools.promise(pool, 0, insteadOf: promised) } }
    for number in 1..<UInt16(VIONET_MAX_POOLS) where pools >> UInt64(number) & 1 != 0 { drop(number) }
  }
}

extension Ports {
  package static func close(_ number: UInt16) {
    guard number < UInt16(VIONET_MAX_PORTS), unsafe Registry.ports[number].port != nil else { return }
    Events.raise(number, VIONET_EVENT_CLOSED)
    Registry.ports[number].lock.lock()
    let raw = unsafe Registry.ports[number].port
    unsafe Registry.ports[number].port = nil
    if let raw = unsafe raw {
      let port = unsafe Cell<Port>(raw: raw)
      port.value.close()
      port.destroy()
    }
    Registry.ports[number].lock.unlock()
    if unsafe raw != nil { giveBack(number) }
  }
}
