// SPDX-License-Identifier: BSD-2-Clause
//
// Ports by number: taking a slot, finding a port while others are kept out, and the way of a burst to its queue.

import CLinux
import CVionet
import Linux

package enum Ports {
  /// Takes the lowest free number.
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

  /// Works on a port for a call that changes nothing that others change, such as a sleep or a look at counters. It does not
  /// wait while a device takes its time to answer another call's command.
  package static func look<Result>(
    _ number: UInt16, _ body: (Cell<Port>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    guard number < UInt16(VIONET_MAX_PORTS) else { throw missing(number) }
    PortSlots.all[number].lock.lock()
    defer { PortSlots.all[number].lock.unlock() }
    // Safety: the slot's pointer is NULL or a live port, and changes under this lock only.
    guard let raw = unsafe PortSlots.all[number].port else { throw missing(number) }
    return try body(unsafe Cell(raw: raw))
  }

  private static func missing(_ number: UInt16) -> Failure { Failure(ENODEV, "there is no port ").number(number) }

  /// The first open port from `number` on.
  // Safety: the pointer is compared and not followed.
  package static func next(_ number: UInt16) -> UInt16 {
    var number = number
    while number < UInt16(VIONET_MAX_PORTS) {
      if unsafe PortSlots.all[number].port != nil { return number }
      number += 1
    }
    return UInt16(VIONET_PORT_NONE)
  }
}

// MARK: Bursts

// Safety: control blocks are never freed, and counts are set after the blocks they count were made. The caller's list holds
// `count` pointers, as vionet.h says.
extension Ports {
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

  /// Marks the queue as entered, and loads the function only then. Whoever stops the queue replaces the function first, makes
  /// all processors agree (membarrier), and waits until nobody is inside. So a burst pays two plain stores and no fence.
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
    // Read before others may take the queue apart, reported after.
    let faultIsUnreported = unsafe core.pointee.faultIsUnreported
    unsafe shared_store32_release(&core.pointee.inside, 0)
    if faultIsUnreported { unsafe reportFault(core, port) }
    return result
  }

  /// Raises the event of a queue that broke. The burst is over by then, so that no callback can keep a stop waiting for it.
  @inline(never)
  private static func reportFault(_ core: UnsafeMutablePointer<Virtqueue>, _ port: UInt16) {
    unsafe core.pointee.faultIsUnreported = false
    EventCallbacks.raise(port, VIONET_EVENT_BROKEN)
  }

  /// Prepares packets for transmission, from the first on; `done` counts those that can be sent. A failure is that of the
  /// next one.
  package static func prepare(
    _ port: UInt16, _ queue: UInt16, _ packets: Packets, _ count: UInt16, _ done: inout UInt16
  ) throws(Failure) {
    // Safety: the port's slot keeps the queue's block, and by the contract of the public call `packets` has `count` pointers.
    guard port < UInt16(VIONET_MAX_PORTS), queue < PortSlots.all[port].transmitCount,
      let block = unsafe PortSlots.all[port].transmitQueues?[Int(queue)]
    else { throw Failure(EINVAL, "there is no started transmit queue ").number(queue).text(" of port ").number(port) }
    let transmit = unsafe Cell<TransmitQueue>(raw: block)
    let list = unsafe PacketList(packets)
    while done < count {
      try transmit.value.prepare(list[unchecked: Int(done)])
      done += 1
    }
  }
}
