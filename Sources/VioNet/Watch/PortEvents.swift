// SPDX-License-Identifier: BSD-2-Clause
//
// What happens to a device by itself: its link changes, it asks for an announcement or a reset, it goes. Nothing watches in
// the background: a descriptor becomes readable, and the program calls vionet_event_handle().

import CLinux
import CVionet
import Linux
import Virtio

/// What one look at a device found. Each change is found once.
struct PortChanges {
  var link = false
  var announce = false
  var needsReset = false
  var gone = false
  /// The back-end is away, and the port waits for the next one.
  var isWaiting = false
  /// A queue is broken or a reset is needed, and the user asked for recovery.
  var wantsRecovery = false
}

extension Port {
  /// Makes one descriptor readable for changes of the configuration, the end of the connection, and queues that break. It
  /// lasts from the start of the port to its stop. `forBackend`: the back-end is away, and only its return counts.
  mutating func watchEvents(forBackend: Bool = false) throws(Failure) {
    if !watch.signal.isOpen { watch.signal = try File.event() }
    for pair in 0..<queues.pairs {
      receiveQueue(pair).value.core.faultEvent = watch.signal.number
      transmitQueue(pair).value.core.faultEvent = watch.signal.number
    }
    if !watch.events.isOpen {
      watch.events = try File.watcher()
      try watch.events.borrowed.watch(watch.signal.number)
    }
    if let connector = bus.connector {
      watch.events.borrowed.unwatch(connector.descriptor)
      if forBackend { return try watch.events.borrowed.watch(connector.descriptor) }
    }
    let descriptors = bus.descriptors()
    try watch.events.borrowed.watch(descriptors.ringError)
    try watch.events.borrowed.watch(descriptors.change)
    try watch.events.borrowed.watch(descriptors.end)
  }

  mutating func takeChanges() throws(Failure) -> PortChanges {
    try mustBeStarted()
    _ = sys_eventfd_drain(watch.signal.number)
    var changes = PortChanges()
    if phase == .waiting {
      changes.isWaiting = true
      return changes
    }
    do throws(Failure) {
      if !bus.isGone { try lookAtDevice(&changes) }
    } catch {
      if !bus.isGone { throw error }
      changes = PortChanges()
    }
    return bus.isGone ? try takeDeparture(changes) : changes
  }

  /// The device is gone: reports it once, and waits for the next back-end if there may be one.
  private mutating func takeDeparture(_ found: PortChanges) throws(Failure) -> PortChanges {
    // Registers of a device that is gone read as all ones, so that what was found is not true.
    var changes = bus.traits.isWholeDevice ? PortChanges() : found
    let isNew = !watch.isGoneReported
    if !isNew && bus.traits.isWholeDevice { throw deviceIsGone() }
    if bus.connector != nil {
      try awaitNext()
      changes.isWaiting = true
    }
    watch.isGoneReported = true
    changes.gone = isNew
    return changes
  }

  private mutating func lookAtDevice(_ changes: inout PortChanges) throws(Failure) {
    let signals = bus.takeSignals()
    let needsReset = try bus.status() & DeviceStatus.needsReset != 0 || signals.ringFailed
    changes.needsReset = needsReset && !watch.isResetReported
    watch.isResetReported = needsReset
    changes.wantsRecovery = options.recovers && (needsReset || hasBrokenQueue)
    try agreed.config.readSpeed(bus, agreed.features, requested: options.speed)
    if !agreed.features.has(Feature.status) { return }
    let status = try NetConfig.status(bus)
    let isUp = status & LinkStatus.up != 0
    changes.link = isUp != agreed.config.linkUp
    agreed.config.linkUp = isUp
    changes.announce =
      agreed.features.has(Feature.announce) && status & LinkStatus.announce != 0
  }
}

extension Port {
  /// True the first time that the device is seen to be gone: then VIONET_EVENT_GONE is due.
  package mutating func noticeGone() -> Bool {
    if watch.isGoneReported || phase == .probing || !bus.isGone { return false }
    watch.isGoneReported = true
    return true
  }
}

extension Ports {
  package static func eventDescriptor(_ number: UInt16) throws(Failure) -> Int32 {
    try look(number) { (port) throws(Failure) in
      try port.value.mustBeStarted()
      return port.value.watch.events.number
    }
  }

  /// Delivers all changes with no lock held, acknowledges announcements, recovers and reconnects. Returns how many events
  /// there were.
  package static func handleEvents(_ number: UInt16) throws(Failure) -> Int32 {
    let changes = try with(number) { (port) throws(Failure) in try port.value.takeChanges() }
    var count: Int32 = 0
    func raise(_ isDue: Bool, _ event: vionet_event) {
      if !isDue { return }
      EventCallbacks.raise(number, event)
      count += 1
    }
    raise(changes.gone, VIONET_EVENT_GONE)
    raise(changes.link, VIONET_EVENT_LINK)
    raise(changes.needsReset, VIONET_EVENT_NEEDS_RESET)
    raise(changes.announce, VIONET_EVENT_ANNOUNCE)
    if changes.announce {
      // Safety: the command has no data.
      try with(number) { (port) throws(Failure) in
        try unsafe port.value.queues.control?.send(ControlCommand.announceAcknowledge)
      }
    }
    if changes.wantsRecovery {
      let isUp = try with(number) { (port) throws(Failure) in try port.value.recover() }
      raise(isUp, VIONET_EVENT_RECOVERED)
    }
    if changes.isWaiting {
      let isUp = try with(number) { (port) throws(Failure) in try port.value.connectNext() }
      raise(isUp, VIONET_EVENT_CONNECTED)
    }
    return count
  }
}
