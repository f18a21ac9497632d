// SPDX-License-Identifier: BSD-2-Clause
//
// Waiting for packets without polling: a descriptor to sleep on, and the arming of a queue that loses no wake-up
// (virtio 1.4, 2.7.14: ask for the signal first, then look once more).

import CLinux
import CVionet
import Linux

extension Port {
  /// One descriptor for both things a sleeper waits for: the queue's call and the end of the connection.
  mutating func makeWake() throws(Failure) {
    wake = Descriptor(
      owning: try check(sys_epoll_create()) { Failure($0, "cannot make an epoll descriptor: ").reason($0) })
    let call = receiveQueue(0).value.core.call
    let readable = UInt32(EPOLLIN.rawValue)
    _ = try check(sys_epoll_add(wake.number, call, readable, 0)) { Failure($0, "epoll: ").reason($0) }
    if bus.controlDescriptor < 0 { return }
    // Nothing arrives on the control connection unasked, so whatever it shows is its end.
    let closing = UInt32(EPOLLRDHUP.rawValue)
    _ = try check(sys_epoll_add(wake.number, bus.controlDescriptor, closing, 1)) { Failure($0, "epoll: ").reason($0) }
  }

  private func checkQueue(_ queue: UInt16) throws(Failure) {
    if state != VIONET_STATE_STARTED { throw Failure(EINVAL, "port ").number(number).text(" is not started") }
    if queue >= queuePairs {
      throw Failure(EINVAL, "port ").number(number).text(" has no receive queue ").number(queue)
    }
  }

  fileprivate func wakeDescriptor(_ queue: UInt16) throws(Failure) -> Int32 {
    try checkQueue(queue)
    if !bus.hasInterrupts {
      throw Failure(ENOTSUP, "the device of port ").number(number).text(" signals no interrupts")
    }
    return wake.number
  }

  fileprivate mutating func arm(_ queue: UInt16) throws(Failure) -> Bool {
    try checkQueue(queue)
    if !bus.hasInterrupts {
      throw Failure(ENOTSUP, "the device of port ").number(number).text(" signals no interrupts")
    }
    let receive = receiveQueue(queue)
    if receive.value.core.arm() { return true }
    if receive.value.core.fault != .none {
      throw Failure(ENOTCONN, "receive queue ").number(queue).text(" is broken: ")
        .plain(Text(receive.value.core.fault.text))
    }
    if bus.isGone { throw Failure(ENOTCONN, "the back-end of port ").number(number).text(" is gone") }
    return false
  }
}

extension Ports {
  package static func wakeDescriptor(_ number: UInt16, _ queue: UInt16) throws(Failure) -> Int32 {
    try with(number) { (port) throws(Failure) in try port.value.wakeDescriptor(queue) }
  }

  /// True if packets wait already.
  package static func arm(_ number: UInt16, _ queue: UInt16) throws(Failure) -> Bool {
    var news = false
    defer { if news { Events.raise(number, VIONET_EVENT_GONE) } }
    return try with(number) { (port) throws(Failure) in
      do throws(Failure) {
        return try port.value.arm(queue)
      } catch {
        if error.code == ENOTCONN && !port.value.goneIsKnown && port.value.bus.isGone {
          port.value.goneIsKnown = true
          news = true
        }
        throw error
      }
    }
  }
}
