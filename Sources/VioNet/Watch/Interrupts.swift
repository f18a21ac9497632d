// SPDX-License-Identifier: BSD-2-Clause
//
// Waiting for packets without polling: a descriptor to sleep on, and the arming of a queue that loses no wake-up
// (virtio 1.4, 2.7.14: ask for the signal first, then look once more).

import CLinux
import CVionet
import Linux

/// What the watcher of a sleeper tells.
private enum WakeMark {
  static let call: Int32 = 1
  static let shared: Int32 = 2
  static let end: Int32 = 4
}

extension Port {
  /// One descriptor for both things a sleeper waits for: the queue's call and the end of the connection.
  func makeWake(_ pair: UInt16) throws(Failure) {
    let queue = receiveQueue(pair)
    var wake = Descriptor.none
    // Sleepers watch the one that there was before the device came back.
    if let kept, kept[Int(pair)].wake.isOpen {
      wake = kept[Int(pair)].wake
      kept[Int(pair)].wake = .none
    } else {
      wake = try Descriptor.watcher()
    }
    queue.value.wake = wake
    // The call is never read: arming, or the sleep itself, takes its signals from the watcher.
    try wake.watch(queue.value.core.call, mark: WakeMark.call, once: true)
    try wake.watch(bus.sharedInterrupt(pair: Int(pair)), mark: WakeMark.shared)
    // Nothing arrives on the control connection unasked, so whatever it shows is its end.
    try wake.watch(bus.controlDescriptor, mark: WakeMark.end)
  }

  private func checkQueue(_ queue: UInt16) throws(Failure) {
    try mustBeStarted()
    if queue >= (isWaiting ? options.queuePairs : queuePairs) {
      throw Failure(EINVAL, "port ").number(number).text(" has no receive queue ").number(queue)
    }
  }

  fileprivate func wakeDescriptor(_ queue: UInt16) throws(Failure) -> Int32 {
    try checkQueue(queue)
    if !bus.hasInterrupts {
      throw Failure(ENOTSUP, "the device of port ").number(number).text(" signals no interrupts")
    }
    if let kept, isWaiting { return kept[Int(queue)].wake.number }
    return receiveQueue(queue).value.wake.number
  }

  /// True if packets wait already. `told` is what the watcher has told since the queue was armed last; nil: it is to be
  /// asked, so that it is not readable afterwards.
  fileprivate mutating func arm(_ queue: UInt16, _ told: Int32?) throws(Failure) -> Bool {
    try checkQueue(queue)
    // First: a function that is wanted back goes on receiving until it is let go. Of one that goes after this look the
    // sleeper's descriptor tells.
    try mustHaveDevice()
    if !bus.hasInterrupts {
      throw Failure(ENOTSUP, "the device of port ").number(number).text(" signals no interrupts")
    }
    if let kept, kept[Int(queue)].hasReceived { return true }
    if isWaiting {
      throw Failure(ENOTCONN, "port ").number(number).text(" waits for its back-end, see vionet_event_fd")
    }
    let receive = receiveQueue(queue)
    if receive.value.core.fault != .none {
      throw Failure(ENOTCONN, "receive queue ").number(queue).text(" is broken: ").plain(
        Text(receive.value.core.fault.text))
    }
    // A ring that a dry pool left empty, or whose fresh buffers the device does not know of, would never wake anybody.
    if receive.value.fill() { receive.value.core.notifyDevice() }
    bus.passInterrupts(pair: Int(queue))
    let marks = if let told { told } else { try receive.value.wake.marks(within: 0) }
    if marks & WakeMark.call != 0 { receive.value.core.signalled() }
    if receive.value.core.arm() { return true }
    // What a back-end had received before it went can be fetched. Most tell of their end, and need not be asked.
    let mayBeGone = marks & WakeMark.end != 0 || bus.controlDescriptor < 0
    if !bus.isDevice && mayBeGone && bus.isGone { throw isWithoutDevice() }
    return false
  }
}

extension Port {
  /// True the first time that the back-end is seen to be gone: then VIONET_EVENT_GONE is due.
  package mutating func noticeGone() -> Bool {
    if goneIsKnown || state.rawValue == 0 || !bus.isGone { return false }
    goneIsKnown = true
    return true
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

  /// The descriptor to sleep on, or -1 if packets wait already.
  fileprivate static func arm(_ number: UInt16, _ queue: UInt16, _ told: Int32?) throws(Failure) -> Int32 {
    var isNews = false
    defer { if isNews { Events.raise(number, VIONET_EVENT_GONE) } }
    return try look(number) { (port) throws(Failure) in
      do throws(Failure) {
        return try port.value.arm(queue, told) ? -1 : try port.value.wakeDescriptor(queue)
      } catch {
        if error.code == ENOTCONN || error.code == ENODEV { isNews = port.value.noticeGone() }
        throw error
      }
    }
  }

  /// Sleeps until packets wait, at most so long; false if none came. One system call, unless a signal from before it was
  /// armed wakes it in vain, or what woke it was something else: then it sleeps once more.
  package static func wait(_ number: UInt16, _ queue: UInt16, _ milliseconds: Int32) throws(Failure) -> Bool {
    let end = Deadline(milliseconds: Int(max(milliseconds, 0)))
    var marks: Int32 = 0
    for sleep in 0..<2 {
      let wake = try arm(number, queue, marks)
      if wake < 0 { return true }
      let left = sleep == 0 || milliseconds < 0 ? milliseconds : end.remaining
      marks = try Descriptor(owning: wake).marks(within: left)
      if marks == 0 { return false }
    }
    // Whatever it is now is for the caller to see.
    _ = try arm(number, queue, marks)
    return true
  }

  /// What a port tells of itself, which is also an occasion to notice that its back-end is gone.
  package static func describe(_ number: UInt16, _ info: inout vionet_info) throws(Failure) {
    let isNews = try look(number) { (port) throws(Failure) in
      port.value.describe(&info)
      return port.value.noticeGone()
    }
    if isNews { Events.raise(number, VIONET_EVENT_GONE) }
  }
}
