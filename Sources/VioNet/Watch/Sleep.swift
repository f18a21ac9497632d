// SPDX-License-Identifier: BSD-2-Clause
//
// Waiting for packets without polling: a descriptor to sleep on, and arming a queue so that no wake-up is lost: the driver
// asks for the signal first, and then looks once more (virtio 1.4, 2.7.14).

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
  /// Makes the descriptor of one pair's sleeper, for the queue's call and the end of the connection.
  func makeWake(_ pair: UInt16) throws(Failure) {
    let queue = receiveQueue(pair)
    var wake = Descriptor.none
    // Sleepers watch the descriptor that there was before the device came back.
    if let backlog = queues.backlog, backlog[Int(pair)].wake.isOpen {
      wake = backlog[Int(pair)].wake
      backlog[Int(pair)].wake = .none
    } else {
      wake = try Descriptor.watcher()
    }
    queue.value.wake = wake
    // The call is never read: arming, or the sleep itself, takes its signals from the epoll descriptor.
    try wake.watch(queue.value.core.call, mark: WakeToken.call, once: true)
    let descriptors = bus.descriptors(pair: Int(pair))
    try wake.watch(descriptors.sharedInterrupt, mark: WakeToken.sharedInterrupt)
    // Nothing arrives on the control connection unasked, so whatever it shows is its end.
    try wake.watch(descriptors.end, mark: WakeToken.end)
  }

  private func checkQueue(_ queue: UInt16) throws(Failure) {
    try mustBeStarted()
    if queue >= (phase == .waiting ? options.queuePairs : queues.pairs) {
      throw Failure(EINVAL, "port ").number(number).text(" has no receive queue ").number(queue)
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

  /// True if packets wait already. `tokens` is what woke the caller since the queue was armed last; nil: ask the descriptor,
  /// which is not readable afterwards.
  fileprivate mutating func arm(_ queue: UInt16, _ tokens: Int32?) throws(Failure) -> Bool {
    try checkQueue(queue)
    // Comes first: a PCI function that is about to be removed goes on receiving. Of one that goes after this look the
    // descriptor tells.
    try mustHaveDevice()
    try checkInterrupts()
    if let backlog = queues.backlog, backlog[Int(queue)].hasReceived { return true }
    if phase == .waiting {
      throw Failure(ENOTCONN, "port ").number(number).text(" waits for its back-end, see vionet_event_fd")
    }
    let receive = receiveQueue(queue)
    if receive.value.core.fault != .none {
      throw Failure(ENOTCONN, "receive queue ").number(queue).text(" is broken: ").plain(
        Text(receive.value.core.fault.text))
    }
    // A ring that an empty pool left without buffers, or whose fresh buffers the device does not know of, wakes nobody.
    if receive.value.fill() { receive.value.core.notifyDevice() }
    bus.passInterrupts(pair: Int(queue))
    let woken = if let tokens { tokens } else { try receive.value.wake.marks(within: 0) }
    if woken & WakeToken.call != 0 { receive.value.core.countInterrupt() }
    if receive.value.core.arm() { return true }
    // What a back-end had received before it went can be fetched. Most back-ends show their end on the descriptor.
    let mayBeGone = woken & WakeToken.end != 0 || bus.descriptors().end < 0
    if !bus.traits.isWholeDevice && mayBeGone && bus.isGone { throw deviceIsGone() }
    return false
  }
}

extension Ports {
  package static func wakeDescriptor(_ number: UInt16, _ queue: UInt16) throws(Failure) -> Int32 {
    try look(number) { (port) throws(Failure) in try port.value.wakeDescriptor(queue) }
  }

  /// True if packets wait already.
  package static func arm(_ number: UInt16, _ queue: UInt16) throws(Failure) -> Bool {
    try arm(number, queue, nil) < 0
  }

  /// Arms the queue; returns the descriptor to sleep on, or -1 if packets wait already.
  fileprivate static func arm(_ number: UInt16, _ queue: UInt16, _ tokens: Int32?) throws(Failure) -> Int32 {
    var isNewlyGone = false
    defer { if isNewlyGone { EventCallbacks.raise(number, VIONET_EVENT_GONE) } }
    return try look(number) { (port) throws(Failure) in
      do throws(Failure) {
        return try port.value.arm(queue, tokens) ? -1 : try port.value.wakeDescriptor(queue)
      } catch {
        if error.code == ENOTCONN || error.code == ENODEV { isNewlyGone = port.value.noticeGone() }
        throw error
      }
    }
  }

  /// Sleeps until packets wait, for `milliseconds` at most; false if none came. It sleeps once more if a signal from before
  /// the queue was armed, or something else, woke it. So it takes one system call as a rule.
  package static func wait(_ number: UInt16, _ queue: UInt16, _ milliseconds: Int32) throws(Failure) -> Bool {
    let end = Deadline(milliseconds: Int(max(milliseconds, 0)))
    var tokens: Int32 = 0
    for sleep in 0..<2 {
      let wake = try arm(number, queue, tokens)
      if wake < 0 { return true }
      let left = sleep == 0 || milliseconds < 0 ? milliseconds : end.remaining
      tokens = try Descriptor(owning: wake).marks(within: left)
      if tokens == 0 { return false }
    }
    // Whatever woke it now is for the caller to see.
    _ = try arm(number, queue, tokens)
    return true
  }
}
