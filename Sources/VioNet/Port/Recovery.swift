// SPDX-License-Identifier: BSD-2-Clause
//
// A started port whose device goes and comes: it asks for a reset, a queue of it is broken, its back-end is gone. One
// road for all: suspend() takes every packet out of the rings and lets go of the device, resume() brings it up again
// with fresh rings and gives it what it had. A vhost-user back-end may be long in coming: meanwhile the port waits.

import CLinux
import CVionet
import Linux

extension Port {
  // MARK: Waiting

  /// Back-ends are awaited from here on, if the user wishes so; what is needed for that is made now.
  mutating func prepareReturn() throws(Failure) {
    if options.recovers && scheme == .vhostUser && !bus.awaitsBackends {
      let bus = self.bus
      try withAddress { (address) throws(Failure) in try bus.awaitBackends(address.target) }
    }
    try makeKept()
  }

  /// The device can be brought up. Where a back-end is awaited it may come later.
  mutating func isThere() throws(Failure) -> Bool {
    if !bus.awaitsBackends || !bus.isGone { return true }
    bus.beginMeeting()
    let bus = self.bus
    let isMet = Failure.quietly { () throws(Failure) in try bus.meet() } ?? false
    if isMet { goneIsKnown = false }
    return isMet
  }

  /// vionet_start() without a back-end.
  mutating func startWaiting() throws(Failure) {
    guard let kept else { throw Failure(ENOTCONN, "the back-end of port ").number(number).text(" is gone") }
    for pair in 0..<kept.count where !kept[pair].wake.isOpen { kept[pair].wake = try Descriptor.watcher() }
    try wait()
  }

  private mutating func wait() throws(Failure) {
    isWaiting = true
    goneIsKnown = true
    bus.beginMeeting()
    try makeNews()
  }

  // MARK: Going and coming

  /// All doors shut, the device without queues, every packet in our hands. What was received can be fetched still.
  mutating func suspend() throws(Failure) {
    try shutDoors()
    stopWatching()
    if quiesce() {
      keepPackets()
      unmakeQueues()
      openDoors()
      return
    }
    holdQueues()
    endStart()
    state = VIONET_STATE_STOPPED
    throw held()
  }

  /// The device gets fresh queues, and what it had. Undone on failure.
  private mutating func resume() throws(Failure) {
    try shutDoors()
    let featuresOff = options.featuresOff
    defer { options.featuresOff = featuresOff }
    // The program knows what was agreed on: not more, and of what it can see not less.
    if !settled.isEmpty { options.featuresOff |= ~settled.bits & ~Features.required }
    do throws(Failure) {
      try timed { (port) throws(Failure) in
        try port.bringUp()
        try port.mustBeSettled()
        try port.letFlow()
      }
    } catch {
      openDoors()
      throw error
    }
    if settled.isEmpty {
      settled = features
    } else if isWaiting && !features.has(VIRTIO_NET_F_GUEST_ANNOUNCE) {
      // A device with that feature asks us to do it ourselves.
      bus.announce(config.address.inMemory)
    }
    isWaiting = false
    goneIsKnown = false
    bus.meetingWasGood()
  }

  private mutating func mustBeSettled() throws(Failure) {
    let lost = settled.bits & ~features.bits & ~Features.ofRings
    if lost | settled.above & ~features.above == 0 { return }
    tearDown()
    throw Failure(EPROTO, "the device came back without ").plain(Features.firstName(lost))
      .text(", which port ").number(number).text(" uses: vionet_stop and vionet_init, or the device as it was")
  }

  /// The back-end is gone, and another is awaited.
  mutating func awaitNext() throws(Failure) {
    try suspend()
    try wait()
  }

  /// While waiting: true if a back-end has come and the port is up. One that leaves again, or does not answer, is no
  /// failure; one with which nothing can be agreed on is.
  mutating func meetNext() throws(Failure) -> Bool {
    if !isWaiting { return false }
    do throws(Failure) {
      if try !bus.meet() { return false }
      try resume()
      return true
    } catch {
      bus.meetingWasInVain()
      if error.isOfTheMoment { return false }
      throw error
    }
  }

  /// A queue is broken, or the device asks for a reset: down and up again with the settings there are. False if its
  /// back-end left instead; a device that stays and refuses leaves the port stopped.
  mutating func recover() throws(Failure) -> Bool {
    try suspend()
    do throws(Failure) {
      try resume()
      return true
    } catch {
      if !bus.awaitsBackends || !bus.isGone {
        Failure.quietly { () throws(Failure) in try shutDoors() }
        endStart()
        state = VIONET_STATE_STOPPED
        throw error
      }
      bus.meetingWasInVain()
      try wait()
      if error.isOfTheMoment { return false }
      throw error
    }
  }

  /// The descriptors of the device's are about to go; those that the user watches stay, if the device may return.
  mutating func stopWatching() {
    for pair in 0..<queuePairs { keepWake(pair) }
    news.unwatch(bus.errorDescriptor)
    news.unwatch(bus.changeDescriptor)
    news.unwatch(bus.controlDescriptor)
  }

  private func keepWake(_ pair: UInt16) {
    let receive = receiveQueue(pair)
    let wake = receive.value.wake
    guard let kept, wake.isOpen else { return }
    // A back-end that lives on has the call descriptor too, so that its being closed here ends no watch.
    wake.unwatch(receive.value.core.call)
    wake.unwatch(bus.sharedInterrupt(pair: Int(pair)))
    wake.unwatch(bus.controlDescriptor)
    kept[pair].wake = wake
    receive.value.wake = .none
  }
}

extension Failure {
  /// A back-end was not there, left or fell silent.
  fileprivate var isOfTheMoment: Bool {
    code == ECONNRESET || code == ETIMEDOUT || code == EPIPE || code == ENOTCONN
  }
}
