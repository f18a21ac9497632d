// SPDX-License-Identifier: BSD-2-Clause
//
// vionet_probe(): a number for the port, and a connection to its device.

import CLinux
import CVionet
import Linux

extension Port {
  /// Makes a probed port. `socket` is an end of a connection that the caller made for the device in `hosted`; both pass to
  /// the port, also when this fails.
  package static func attach(
    _ address: DeviceAddress, _ options: PortOptions, socket: Descriptor?, hosted: HostedDevice?,
    _ budget: inout Budget
  ) throws(Failure) -> UInt16 {
    let end = budget.run()
    defer { budget.pause() }
    let begin = sys_nanoseconds()
    let bus: Bus
    let number: UInt16
    do throws(Failure) {
      bus = try connect(address, options, socket, by: end)
      do throws(Failure) {
        number = try Ports.take()
      } catch {
        bus.destroy()
        throw error
      }
    } catch {
      let failure = hosted?.explain(error) ?? error
      hosted?.finish()
      throw failure
    }
    var port = Port(number: number, requested: options, options: options, bus: bus)
    port.hosted = hosted
    port.watch.isGoneReported = options.isServer
    port.agreed.config.address = options.address ?? MACAddress((0, 0, 0, 0, 0, 0))
    // Safety: copy() writes at most as many bytes as the array has.
    unsafe withUnsafeMutableBytes(of: &port.name) { room in
      guard let base = room.baseAddress else { return }
      unsafe address.whole.copy(to: base.assumingMemoryBound(to: CChar.self), room: room.count)
    }
    port.timing.probeNanoseconds = sys_nanoseconds() - begin
    port.timing.restart()
    try publish(port)
    return number
  }

  /// Puts the port into its slot and tells of it. The event comes before the port may be used.
  // Safety: the slot gets the address of a port that lives until close() clears it.
  private static func publish(_ port: consuming Port) throws(Failure) {
    let (number, bus, hosted) = (port.number, port.bus, port.hosted)
    guard let cell = Cell.make(port) else {
      bus.destroy()
      hosted?.finish()
      Ports.giveBack(number)
      throw Failure(ENOMEM, "no memory for a port")
    }
    PortSlots.all[number].lock.lock()
    unsafe PortSlots.all[number].port = cell.raw
    PortSlots.all[number].lock.unlock()
    EventCallbacks.raise(number, VIONET_EVENT_NEW)
    try Ports.with(number) { (port) throws(Failure) in port.value.enter(.probed) }
  }

  private static func connect(
    _ address: DeviceAddress, _ options: PortOptions, _ socket: Descriptor?, by end: Deadline
  ) throws(Failure) -> Bus {
    var request = OpenRequest(
      address: address, queuePairs: options.queuePairs, pci: options.pci, hardwareAddress: options.address?.inMemory,
      listens: options.isServer, socket: socket ?? .none, deadline: end.earlier(by: Budget.reserve))
    defer { request.socket.close() }
    let bus = try address.scheme.connect(&request)
    bus.limit(to: .never)
    return bus
  }

  /// Connects anew to a device that went away. The old connection ends first, since a PCI function has one user at a time.
  mutating func reconnect() throws(Failure) {
    bus.close()
    releaseIfGuarded()
    let end = bus.end
    let anew = try withAddress { (address) throws(Failure) in try Port.connect(address, requested, nil, by: end) }
    bus.destroy()
    bus = anew
    bus.limit(to: end)
    watch.isGoneReported = false
    try releaseAfterReset()
  }
}
