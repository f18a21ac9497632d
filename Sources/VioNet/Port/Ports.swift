// SPDX-License-Identifier: BSD-2-Clause
//
// Ports by number: taking a slot, finding a port while others are kept out, and the way of a burst to its queue.

import CLinux
import CVionet
import Linux

package enum Ports {
  /// Takes the lowest free number.
  static func take() throws(Failure) -> UInt16 {
    PortSlots.leaveToParentInChild()
    PortSlots.shared.value.lock.lock()
    defer { PortSlots.shared.value.lock.unlock() }
    guard let number = PortSlots.free else {
      throw Failure(ENFILE, "there are ").number(VIONET_MAX_PORTS).text(" ports already, which is the limit")
    }
    PortSlots.all[number].taken = true
    PortSlots.all[number].isInherited = false
    PortSlots.all[number].hasToldOfQueue = false
    PortSlots.all[number].life &+= 1
    PortSlots.all[number].watcher = 0
    PortSlots.shared.value.openPorts += 1
    PortSlots.keepWhileOpen()
    return number
  }

  static func giveBack(_ number: UInt16) {
    PortSlots.shared.value.lock.lock()
    PortSlots.all[number].taken = false
    PortSlots.shared.value.openPorts -= 1
    PortSlots.shared.value.lock.unlock()
  }

  /// Works on a port while no other control call can, with the usual budget.
  package static func with<Result>(
    _ number: UInt16, _ body: (Cell<Port>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    var budget = Budget.usual
    return try with(number, &budget, body)
  }

  /// Works on a port while no other control call can. The budget runs from when this call has its turn.
  package static func with<Result>(
    _ number: UInt16, _ budget: inout Budget, _ body: (Cell<Port>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    guard number < UInt16(VIONET_MAX_PORTS) else { throw missing(number) }
    PortSlots.all[number].callLock.lock()
    defer { PortSlots.all[number].callLock.unlock() }
    return try look(number) { (port) throws(Failure) in
      begin(port, &budget)
      defer { end(port, &budget) }
      return try body(port)
    }
  }

  @inline(never)
  private static func begin(_ port: Cell<Port>, _ budget: inout Budget) { port.value.bus.limit(to: budget.run()) }

  @inline(never)
  private static func end(_ port: Cell<Port>, _ budget: inout Budget) {
    budget.pause()
    port.value.bus.limit(to: .never)
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

  private static func missing(_ number: UInt16) -> Failure {
    isInherited(number) ? .isOfParent("port", number) : Failure(ENODEV, "there is no port ").number(number)
  }

  static func isInherited(_ number: UInt16) -> Bool {
    number < UInt16(VIONET_MAX_PORTS) && PortSlots.all[number].isInherited
  }

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
    let slot = PortSlots.at(port)
    let queues = slot.value.receiveCount
    if queue >= queues { return withoutQueue(port, queue, queues, "receive") }
    guard let blocks = unsafe slot.value.receiveQueues, let block = unsafe blocks[Int(queue)] else { return 0 }
    return unsafe burst(block, port, packets, count)
  }

  @inline(__always)
  package static func transmit(_ port: UInt16, _ queue: UInt16, _ packets: Packets, _ count: UInt16) -> UInt16 {
    if port >= UInt16(VIONET_MAX_PORTS) { return 0 }
    let slot = PortSlots.at(port)
    let queues = slot.value.transmitCount
    if queue >= queues { return withoutQueue(port, queue, queues, "transmit") }
    guard let blocks = unsafe slot.value.transmitQueues, let block = unsafe blocks[Int(queue)] else { return 0 }
    return unsafe burst(block, port, packets, count)
  }

  /// A burst on a queue that a started port does not have does nothing. The log tells of the first one: the caller sees a 0
  /// for ever.
  @inline(never)
  private static func withoutQueue(
    _ port: UInt16, _ queue: UInt16, _ count: UInt16, _ direction: StaticString
  ) -> UInt16 {
    if count == 0 || PortSlots.all[port].hasToldOfQueue || !Log.wanted(.error) { return 0 }
    PortSlots.all[port].hasToldOfQueue = true
    Log.line("port").number(port).text("has").number(count).text(direction)
      .text("queues: a burst on queue").number(queue).text("does nothing").send(.error)
    return 0
  }

  /// Transmits for one port only: once that was closed, nothing goes to another port of the same number.
  package static func transmit(
    _ port: UInt16, _ queue: UInt16, _ packets: Packets, _ count: UInt16, life: UInt32
  ) -> UInt16 {
    if !hasLife(port, life) { return 0 }
    let queues = PortSlots.all[port].transmitCount
    if queue >= queues { return withoutQueue(port, queue, queues, "transmit") }
    guard let block = unsafe PortSlots.all[port].transmitQueues?[Int(queue)] else { return 0 }
    return unsafe burst(block, port, packets, count) { hasLife(port, life) }
  }

  @inline(__always)
  private static func hasLife(_ port: UInt16, _ life: UInt32) -> Bool { PortSlots.all[port].life == life }

  /// Marks the queue as entered, and loads the function only then. Whoever stops the queue replaces the function first, makes
  /// all processors agree (membarrier), and waits until nobody is inside. So a burst pays two plain stores and no fence.
  @inline(__always)
  private static func burst(
    _ block: UnsafeMutableRawPointer, _ port: UInt16, _ packets: Packets, _ count: UInt16,
    if isWanted: () -> Bool = { true }
  ) -> UInt16 {
    // Both kinds of queue begin with their Virtqueue.
    let core = unsafe block.assumingMemoryBound(to: Virtqueue.self)
    unsafe shared_store32(&core.pointee.inside, 1)
    compiler_barrier()
    // What was written to the queue before its bursts were let in is read after this.
    let function = unsafe core.pointee.entry
    compiler_barrier()
    let result = unsafe isWanted() ? function(block, packets, count) : 0
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
    else {
      if isInherited(port) { throw missing(port) }
      throw Failure(EINVAL, "there is no started transmit queue ").number(queue).text(" of port ").number(port)
    }
    let transmit = unsafe Cell<TransmitQueue>(raw: block)
    let list = unsafe PacketList(packets)
    while done < count {
      try transmit.value.prepare(list[unchecked: Int(done)])
      done += 1
    }
  }
}
