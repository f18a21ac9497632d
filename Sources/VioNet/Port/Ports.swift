// SPDX-License-Identifier: BSD-2-Clause
//
// Ports by number: taking a slot, finding a port and keeping others out while a control call works on it, and the way
// of a burst to its queue.

import CLinux
import CVionet
import Linux

package enum Ports {
  /// Takes the lowest free slot.
  static func take() throws(Failure) -> UInt16 {
    PortSlots.shared.value.lock.lock()
    defer { PortSlots.shared.value.lock.unlock() }
    for number in 0..<UInt16(VIONET_MAX_PORTS) where !PortSlots.all[number].taken {
      PortSlots.all[number].taken = true
      PortSlots.shared.value.openPorts += 1
      PortSlots.keepWhileOpen()
      return number
    }
    throw Failure(ENFILE, "there are ").number(VIONET_MAX_PORTS).text(" ports already, which is the limit")
  }

  static func giveBack(_ number: UInt16) {
    PortSlots.shared.value.lock.lock()
    PortSlots.all[number].taken = false
    PortSlots.shared.value.openPorts -= 1
    PortSlots.shared.value.lock.unlock()
  }

  /// Works on a port while no other control call can.
  package static func with<Result>(
    _ number: UInt16, _ body: (Cell<Port>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    guard number < UInt16(VIONET_MAX_PORTS) else { throw missing(number) }
    PortSlots.all[number].callLock.lock()
    defer { PortSlots.all[number].callLock.unlock() }
    return try look(number, body)
  }

  /// The same for those who change nothing that others do, and so need not wait until a device has answered another
  /// call's command: sleepers and spectators.
  package static func look<Result>(
    _ number: UInt16, _ body: (Cell<Port>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    guard number < UInt16(VIONET_MAX_PORTS) else { throw missing(number) }
    PortSlots.all[number].lock.lock()
    defer { PortSlots.all[number].lock.unlock() }
    guard let raw = unsafe PortSlots.all[number].port else { throw missing(number) }
    return try body(unsafe Cell(raw: raw))
  }

  private static func missing(_ number: UInt16) -> Failure { Failure(ENODEV, "there is no port ").number(number) }

  /// The first open port from `number` on.
  package static func next(_ number: UInt16) -> UInt16 {
    var number = number
    while number < UInt16(VIONET_MAX_PORTS) {
      if unsafe PortSlots.all[number].port != nil { return number }
      number += 1
    }
    return UInt16(VIONET_PORT_NONE)
  }

  // MARK: Bursts

  package typealias Packets = UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>

  @inline(__always)
  package static func receive(_ port: UInt16, _ queue: UInt16, _ packets: Packets, _ count: UInt16) -> UInt16 {
    if port >= UInt16(VIONET_MAX_PORTS) { return 0 }
    let slot = PortSlots.all[port]
    if queue >= slot.receiveCount { return 0 }
    guard let blocks = unsafe slot.receiveQueues, let block = unsafe blocks[Int(queue)] else { return 0 }
    return unsafe burst(block, port, packets, count)
  }

  @inline(__always)
  package static func transmit(_ port: UInt16, _ queue: UInt16, _ packets: Packets, _ count: UInt16) -> UInt16 {
    if port >= UInt16(VIONET_MAX_PORTS) { return 0 }
    let slot = PortSlots.all[port]
    if queue >= slot.transmitCount { return 0 }
    guard let blocks = unsafe slot.transmitQueues, let block = unsafe blocks[Int(queue)] else { return 0 }
    return unsafe burst(block, port, packets, count)
  }

  /// Says that a thread is inside, and only then looks which function to call: whoever stops the queue changes the
  /// function first, makes all processors agree (membarrier), and then waits until nobody is inside.
  @inline(__always)
  private static func burst(
    _ block: UnsafeMutableRawPointer, _ port: UInt16, _ packets: Packets, _ count: UInt16
  ) -> UInt16 {
    // Both kinds of queue begin with their Virtqueue.
    let core = unsafe block.assumingMemoryBound(to: Virtqueue.self)
    unsafe shared_store32(&core.pointee.inside, 1)
    compiler_barrier()
    let function = unsafe core.pointee.burst
    let result = unsafe function(block, packets, count)
    compiler_barrier()
    // Read before others may take the queue apart, told after.
    let hasNews = unsafe core.pointee.hasNews
    unsafe shared_store32_release(&core.pointee.inside, 0)
    if hasNews { unsafe tell(core, port) }
    return result
  }

  /// Nothing that a callback does in a burst's event can keep a stop waiting for that burst.
  @inline(never)
  private static func tell(_ core: UnsafeMutablePointer<Virtqueue>, _ port: UInt16) {
    unsafe core.pointee.hasNews = false
    Events.raise(port, VIONET_EVENT_BROKEN)
  }
}
