// SPDX-License-Identifier: BSD-2-Clause
//
// A started port whose device goes and comes: it asks for a reset, one of its queues is broken, or its back-end is gone. One
// way serves all: suspend() takes every packet out of the rings and lets go of the device; resume() brings it up again with
// fresh rings and gives it the backlog. A vhost-user back-end may take long to come back: meanwhile the port waits.

import CLinux
import CVionet
import Linux
import Virtio

extension Port {
  // MARK: Waiting

  /// Makes what a return of the device will need, if the user wants one.
  mutating func prepareRecovery() throws(Failure) {
    if options.recovers { try bus.makeConnector() }
    try makeBacklog()
  }

  /// True if the device can be brought up now. A port that accepts or calls back-ends may go on without one.
  mutating func deviceIsThere() throws(Failure) -> Bool {
    if bus.connector == nil || !bus.isGone { return true }
    bus.connector?.begin()
    let bus = self.bus
    let isConnected = Failure.quietly { () throws(Failure) in try bus.connector?.connect() ?? false } ?? false
    if isConnected { watch.isGoneReported = false }
    return isConnected
  }

  /// vionet_start() without a back-end.
  mutating func startWaiting() throws(Failure) {
    guard let backlog = queues.backlog else {
      throw Failure(ENOTCONN, "the back-end of port ").number(number).text(" is gone")
    }
    for pair in 0..<backlog.count where !backlog[pair].wake.isOpen { backlog[pair].wake = try Descriptor.watcher() }
    try wait()
  }

  private mutating func wait() throws(Failure) {
    enter(.waiting)
    watch.isGoneReported = true
    bus.connector?.begin()
    try watchEvents(forBackend: bus.isGone)
  }

  // MARK: Suspend and resume

  /// Takes all queues from the device and every packet into our hands. Received packets can still be fetched.
  mutating func suspend() throws(Failure) {
    try disableBursts()
    stopWatching()
    if quiesce() {
      saveBacklog()
      releaseQueues()
      enableBursts()
      return
    }
    quarantineQueues()
    endStart()
    enter(.stopped)
    throw quarantineFailure()
  }

  /// Gives the device fresh queues and the backlog; undone on failure.
  private mutating func resume() throws(Failure) {
    try disableBursts()
    let featuresOff = options.featuresOff
    defer { options.featuresOff = featuresOff }
    // The program knows what was agreed on, so that nothing may be added to it.
    if !agreed.startFeatures.isEmpty {
      options.featuresOff |= ~agreed.startFeatures.bits & ~Features.required
    }
    do throws(Failure) {
      try timed { (port) throws(Failure) in
        try port.bringUp()
        try port.checkStartFeatures()
        try port.startTraffic()
      }
    } catch {
      enableBursts()
      throw error
    }
    if agreed.startFeatures.isEmpty {
      agreed.startFeatures = agreed.features
    } else if phase == .waiting && !agreed.features.has(Feature.announce) {
      // A device with that feature asks the driver to announce itself.
      bus.connector?.announce(agreed.config.address.inMemory)
    }
    enter(.running)
    watch.isGoneReported = false
    bus.connector?.succeeded()
  }

  /// Throws if the device came back without a feature that the program can see.
  private mutating func checkStartFeatures() throws(Failure) {
    let lost = agreed.startFeatures.bits & ~agreed.features.bits & ~Features.ofRings
    if lost | agreed.startFeatures.above & ~agreed.features.above == 0 { return }
    tearDown()
    throw Failure(EPROTO, "the device came back without ").plain(Features.firstName(lost))
      .text(", which port ").number(number).text(" uses: vionet_stop and vionet_init, or the device as it was")
  }

  // MARK: On behalf of vionet_event_handle()

  /// The back-end is gone, and another is awaited.
  mutating func awaitNext() throws(Failure) {
    try suspend()
    try wait()
  }

  /// Connects a waiting port. True if a back-end has come and the port is up. One that leaves again or does not answer is no
  /// failure; one with which nothing can be agreed on is.
  mutating func connectNext() throws(Failure) -> Bool {
    if phase != .waiting { return false }
    do throws(Failure) {
      guard let connector = bus.connector, try connector.connect() else { return false }
      try resume()
      return true
    } catch {
      bus.connector?.failed()
      if error.isTransient { return false }
      throw error
    }
  }

  /// Restarts a port with a broken queue, or whose device asks for a reset, with the settings there are. False if its
  /// back-end left instead. A device that stays and refuses leaves the port stopped.
  mutating func recover() throws(Failure) -> Bool {
    try suspend()
    do throws(Failure) {
      try resume()
      return true
    } catch {
      if bus.connector == nil || !bus.isGone {
        Failure.quietly { () throws(Failure) in try disableBursts() }
        endStart()
        enter(.stopped)
        throw error
      }
      bus.connector?.failed()
      try wait()
      if error.isTransient { return false }
      throw error
    }
  }

  // MARK: Descriptors

  /// Takes the device's descriptors out of those that the program watches. The latter stay if the device may return.
  mutating func stopWatching() {
    for pair in 0..<queues.pairs { saveWake(pair) }
    let descriptors = bus.descriptors()
    watch.events.borrowed.unwatch(descriptors.ringError)
    watch.events.borrowed.unwatch(descriptors.change)
    watch.events.borrowed.unwatch(descriptors.end)
  }

  private func saveWake(_ pair: UInt16) {
    let receive = receiveQueue(pair)
    let transmit = transmitQueue(pair)
    guard let backlog = queues.backlog, receive.value.wake.isOpen else { return }
    backlog[pair].wake = receive.value.wake
    backlog[pair].roomWake = transmit.value.wake
    receive.value.wake = .none
    transmit.value.wake = .none
    backlog[pair].wasArmed = receive.value.core.armed
    backlog[pair].wasArmedForRoom = transmit.value.core.armed
    let descriptors = bus.descriptors(pair: Int(pair))
    func unwatch(_ wake: Descriptor, _ call: Int32) {
      if !wake.isOpen { return }
      // A back-end that lives on has the call descriptor too, so that closing it here would not end the watch.
      wake.unwatch(call)
      wake.unwatch(descriptors.sharedInterrupt)
      wake.unwatch(descriptors.end)
    }
    unwatch(backlog[pair].wake, receive.value.core.call)
    unwatch(backlog[pair].roomWake, transmit.value.core.call)
    if descriptors.sharesCall { unwatch(backlog[pair].roomWake, receive.value.core.call) }
  }
}

extension Failure {
  /// True if a back-end was not there, left or fell silent: another attempt may succeed.
  fileprivate var isTransient: Bool {
    code == ECONNRESET || code == ETIMEDOUT || code == EPIPE || code == ENOTCONN
  }
}
