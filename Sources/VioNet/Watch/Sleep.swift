// SPDX-License-Identifier: BSD-2-Clause
//
// Waiting for packets, or for room to send, without polling: a descriptor to sleep on, and arming a queue so that no wake-up
// is lost: the driver asks for the signal first, and then looks once more (virtio 1.4, 2.7.14).

import CLinux
import CVionet
import Linux

/// What woke a sleeper: the tokens of its epoll descriptor, as bits.
private enum WakeToken {
  static let call: Int32 = 1
  static let sharedInterrupt: Int32 = 2
  static let end: Int32 = 4
}

extension Port {
  /// Makes the descriptor of the sleeper on one pair's receive queue, and that of the transmit queue if a program asked for
  /// it before the device came back.
  func makeWake(_ pair: UInt16) throws(Failure) {
    let receive = receiveQueue(pair)
    let transmit = transmitQueue(pair)
    var (isAwaited, roomIsAwaited) = (false, false)
    if let backlog = queues.backlog {
      // Sleepers watch the descriptors that there were before the device came back.
      receive.value.wake = backlog[Int(pair)].wake
      transmit.value.wake = backlog[Int(pair)].roomWake
      (isAwaited, roomIsAwaited) = (backlog[Int(pair)].wasArmed, backlog[Int(pair)].wasArmedForRoom)
      backlog[Int(pair)].wake = .none
      backlog[Int(pair)].roomWake = .none
      backlog[Int(pair)].wasArmed = false
      backlog[Int(pair)].wasArmedForRoom = false
    }
    if !receive.value.wake.isOpen { receive.value.wake = try Descriptor.watcher() }
    try watch(receive.value.wake, pair, receive.value.core.call)
    if transmit.value.wake.isOpen { try watchRoom(pair) }
    // A sleeper waits for a signal that the old ring will not give.
    if isAwaited { _ = sys_shared_signal(receive.value.core.call) }
    if roomIsAwaited { _ = sys_shared_signal(transmit.value.core.call) }
  }

  /// Makes a descriptor readable for a queue's call and the end of the connection.
  private func watch(_ wake: Descriptor, _ pair: UInt16, _ call: Int32) throws(Failure) {
    // The call is never read: arming, or the sleep itself, takes its signals from the epoll descriptor.
    try wake.watch(call, mark: WakeToken.call, once: true)
    let descriptors = bus.descriptors(pair: Int(pair))
    try wake.watch(descriptors.sharedInterrupt, mark: WakeToken.sharedInterrupt)
    try wake.watch(descriptors.end, mark: WakeToken.end, endOnly: descriptors.endMayAnswer)
  }

  private func watchRoom(_ pair: UInt16) throws(Failure) {
    let transmit = transmitQueue(pair)
    try watch(transmit.value.wake, pair, transmit.value.core.call)
    if !bus.descriptors(pair: Int(pair)).sharesCall { return }
    try transmit.value.wake.watch(receiveQueue(pair).value.core.call, mark: WakeToken.call, once: true)
  }

  private func checkQueue(_ queue: UInt16, _ kind: StaticString = "receive") throws(Failure) {
    try mustBeStarted()
    if queue >= (phase == .waiting ? options.queuePairs : queues.pairs) {
      throw Failure(EINVAL, "port ").number(number).text(" has no ").text(kind).text(" queue ").number(queue)
    }
  }

  private func checkInterrupts() throws(Failure) {
    if !bus.traits.hasInterrupts {
      throw Failure(ENOTSUP, "the device of port ").number(number).text(" signals no interrupts")
    }
  }

  fileprivate func wakeDescriptor(_ queue: UInt16) throws(Failure) -> Int32 {
    try checkQueue(queue)
    try checkInterrupts()
    if let backlog = queues.backlog, phase == .waiting { return backlog[Int(queue)].wake.number }
    return receiveQueue(queue).value.wake.number
  }

  /// The descriptor of a transmit queue, which is made for the first program that asks for it: most have no use for it.
  fileprivate func roomDescriptor(_ queue: UInt16) throws(Failure) -> Int32 {
    try checkQueue(queue, "transmit")
    try checkInterrupts()
    if let backlog = queues.backlog, phase == .waiting {
      if !backlog[Int(queue)].roomWake.isOpen { backlog[Int(queue)].roomWake = try Descriptor.watcher() }
      return backlog[Int(queue)].roomWake.number
    }
    let transmit = transmitQueue(queue)
    if !transmit.value.wake.isOpen {
      transmit.value.wake = try Descriptor.watcher()
      do throws(Failure) {
        try watchRoom(queue)
      } catch {
        transmit.value.wake.close()
        throw error
      }
    }
    return transmit.value.wake.number
  }

  /// True if packets wait already. `tokens` is what woke the caller since the queue was armed last; nil: ask the descriptor,
  /// which is not readable afterwards.
  fileprivate mutating func arm(_ queue: UInt16, _ tokens: Int32?) throws(Failure) -> Bool {
    try checkQueue(queue)
    // Comes first: a PCI function that is about to be removed goes on receiving. Of one that goes after this look the
    // descriptor tells.
    try mustHaveDevice()
    try checkInterrupts()
    if let backlog = queues.backlog, backlog[Int(queue)].hasReceived { return true }
    try mustHaveBackend()
    let receive = receiveQueue(queue)
    try checkFault(receive.value.core.fault, queue, "receive")
    // A ring that an empty pool left without buffers, or whose fresh buffers the device does not know of, wakes nobody.
    if receive.value.fill() { receive.value.core.notifyDevice() }
    bus.passInterrupts(pair: Int(queue))
    let woken = if let tokens { tokens } else { try receive.value.wake.marks(within: 0) }
    if woken & WakeToken.call != 0 { receive.value.core.countInterrupt() }
    if receive.value.core.arm() { return true }
    // What a back-end had received before it went can be fetched.
    try checkEnd(woken)
    return false
  }

  /// True if there is room to send already; `tokens` as for arm().
  fileprivate mutating func armForRoom(_ queue: UInt16, _ tokens: Int32?) throws(Failure) -> Bool {
    try checkQueue(queue, "transmit")
    try mustHaveDevice()
    try checkInterrupts()
    try mustHaveBackend()
    if queue >= pairsInUse {
      throw Failure(EINVAL, "transmit queue ").number(queue).text(" of port ").number(number)
        .text(" is not in use: vionet_queue_pairs_set")
    }
    let transmit = transmitQueue(queue)
    bus.passInterrupts(pair: Int(queue))
    var woken = tokens ?? 0
    if tokens == nil && transmit.value.wake.isOpen { woken = try transmit.value.wake.marks(within: 0) }
    if woken & WakeToken.call != 0 { transmit.value.core.countInterrupt() }
    // The ring of a back-end that is gone takes packets while it has room.
    if transmit.value.core.fault == .none && awaitRoom(transmit) { return true }
    try checkFault(transmit.value.core.fault, queue, "transmit")
    try checkEnd(woken)
    return false
  }

  private func mustHaveBackend() throws(Failure) {
    if phase != .waiting { return }
    throw Failure(ENOTCONN, "port ").number(number).text(" waits for its back-end, see vionet_event_fd")
  }

  private func checkFault(_ fault: RingFault, _ queue: UInt16, _ kind: StaticString) throws(Failure) {
    if fault == .none { return }
    throw Failure(ENOTCONN, kind).text(" queue ").number(queue).text(" is broken: ").plain(Text(fault.text))
  }

  /// Throws if the back-end of an armed queue is gone. Most back-ends show their end on the descriptor.
  private func checkEnd(_ woken: Int32) throws(Failure) {
    let mayBeGone = woken & WakeToken.end != 0 || bus.descriptors().end < 0
    if !bus.traits.isWholeDevice && mayBeGone && bus.isGone { throw deviceIsGone() }
  }
}

/// One side of a queue pair that a program waits for: packets of its receive queue, or room in its transmit queue.
package struct Sleeper {
  let port: UInt16
  let queue: UInt16
  let isTransmit: Bool

  package static func receive(_ port: UInt16, _ queue: UInt16) -> Sleeper {
    Sleeper(port: port, queue: queue, isTransmit: false)
  }

  package static func transmit(_ port: UInt16, _ queue: UInt16) -> Sleeper {
    Sleeper(port: port, queue: queue, isTransmit: true)
  }
}

extension Port {
  fileprivate func descriptor(of sleeper: Sleeper) throws(Failure) -> Int32 {
    sleeper.isTransmit ? try roomDescriptor(sleeper.queue) : try wakeDescriptor(sleeper.queue)
  }

  /// True if the transmit queue broke outside of a burst, the first time that anybody asks.
  fileprivate func takeFault(_ sleeper: Sleeper) -> Bool {
    if !sleeper.isTransmit || sleeper.queue >= queues.pairs { return false }
    let transmit = transmitQueue(sleeper.queue)
    let isNew = transmit.value.core.faultIsUnreported
    transmit.value.core.faultIsUnreported = false
    return isNew
  }
}

extension Ports {
  package static func descriptor(of sleeper: Sleeper) throws(Failure) -> Int32 {
    try look(sleeper.port) { (port) throws(Failure) in try port.value.descriptor(of: sleeper) }
  }

  /// True if packets wait, or if there is room, already.
  package static func arm(_ sleeper: Sleeper) throws(Failure) -> Bool { try arm(sleeper, nil) < 0 }

  /// Arms the queue; returns the descriptor to sleep on, or -1 if there is nothing to wait for. `tokens` as for Port.arm().
  static func arm(_ sleeper: Sleeper, _ tokens: Int32?) throws(Failure) -> Int32 {
    var isNewlyGone = false
    var isNewlyBroken = false
    defer {
      if isNewlyGone { EventCallbacks.raise(sleeper.port, VIONET_EVENT_GONE) }
      if isNewlyBroken { EventCallbacks.raise(sleeper.port, VIONET_EVENT_BROKEN) }
    }
    return try look(sleeper.port) { (port) throws(Failure) in
      do throws(Failure) {
        let isReady =
          sleeper.isTransmit
          ? try port.value.armForRoom(sleeper.queue, tokens) : try port.value.arm(sleeper.queue, tokens)
        return isReady ? -1 : try port.value.descriptor(of: sleeper)
      } catch {
        if error.code == ENOTCONN || error.code == ENODEV { isNewlyGone = port.value.noticeGone() }
        if error.code == ENOTCONN { isNewlyBroken = port.value.takeFault(sleeper) }
        throw error
      }
    }
  }

  /// Sleeps until packets wait or there is room, for `milliseconds` at most; false if the time is over. It sleeps once more
  /// if a signal from before the queue was armed, or something else, woke it. So it takes one system call as a rule.
  package static func wait(_ sleeper: Sleeper, _ milliseconds: Int32) throws(Failure) -> Bool {
    let end = Deadline(milliseconds: Int(max(milliseconds, 0)))
    var tokens: Int32 = 0
    var sleeps = 0
    while true {
      let wake = try arm(sleeper, tokens)
      // Whatever woke it the second time is for the caller to see.
      if wake < 0 || sleeps == 2 { return true }
      let left = tokens == 0 || milliseconds < 0 ? milliseconds : end.remaining
      tokens = try Descriptor(owning: wake).marks(within: left)
      if tokens == 0 { return false }
      if !isTooEarly(sleeper, tokens) { sleeps += 1 }
    }
  }

  /// True for a used entry that made too little room: without EVENT_IDX each of them wakes a sender.
  static func isTooEarly(_ sleeper: Sleeper, _ tokens: Int32) -> Bool {
    sleeper.isTransmit && tokens == WakeToken.call
  }
}
