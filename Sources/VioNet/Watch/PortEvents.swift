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
  /// An announcement is to be acknowledged, now or again.
  var acknowledges = false
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
    watch.announcement = .none
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
    if watch.isAwaitingAnswers { _ = sys_eventfd_drain(watch.patience.number) }
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
    if bus.takeSignals().ringFailed { watch.hasFailedRing = true }
    let wish = LookWish(
      link: agreed.features.has(Feature.status), speed: options.speed == 0 && agreed.features.has(Feature.speedDuplex),
      isTest: options.recovers && (watch.hasFailedRing || hasBrokenQueue))
    // Looked at before the request itself, which is new if it is there after the answer.
    if watch.announcement == .acknowledged && !hasUnansweredCommand { watch.announcement = .none }
    guard let found = try bus.look(wish) else { return try watch.awaitAnswers() }
    watch.answersCame()
    let needsReset = found.status & DeviceStatus.needsReset != 0 || watch.hasFailedRing
    watch.hasFailedRing = false
    changes.needsReset = needsReset && !watch.isResetReported
    watch.isResetReported = needsReset
    // Only of a back-end that answers: it has to release its rings.
    changes.wantsRecovery = options.recovers && (needsReset || hasBrokenQueue)
    if wish.speed { agreed.config.noteSpeed(found.speed, found.duplex) }
    if !wish.link { return }
    let link = UInt16(littleEndian: found.link)
    let isUp = link & LinkStatus.up != 0
    changes.link = isUp != agreed.config.linkUp
    agreed.config.linkUp = isUp
    let isRequested = agreed.features.has(Feature.announce) && link & LinkStatus.announce != 0
    changes.announce = isRequested && watch.announcement == .none
    changes.acknowledges = isRequested && watch.announcement != .acknowledged
    if !isRequested { watch.announcement = .none }
  }

  private var hasUnansweredCommand: Bool {
    mutating get { queues.control?.hasUnanswered() ?? false }
  }

  /// Tells the device that the announcement was sent. Should an earlier command be unanswered, a later call does it.
  fileprivate mutating func acknowledgeAnnouncement() throws(Failure) {
    watch.announcement = .raised
    if hasUnansweredCommand { return }
    try queues.control?.sendWithoutAnswer(ControlCommand.announceAcknowledge)
    watch.announcement = hasUnansweredCommand ? .acknowledged : .none
  }
}

extension PortWatch {
  /// Makes the port's descriptor readable when a back-end that has not answered has had its time.
  fileprivate mutating func awaitAnswers() throws(Failure) {
    if isAwaitingAnswers { return }
    if !patience.isOpen {
      patience = File(owning: try check(sys_timer()) { Failure($0, "cannot make a timer: ").reason($0) })
      try events.borrowed.watch(patience.number)
    }
    _ = sys_timer_set(patience.number, UInt32(VhostSocket.timeout), 0)
    isAwaitingAnswers = true
  }

  fileprivate mutating func answersCame() {
    if isAwaitingAnswers { _ = sys_timer_set(patience.number, 0, 0) }
    isAwaitingAnswers = false
  }

  /// Ends what is watched between start and stop.
  mutating func end() {
    events.close()
    patience.close()
    isAwaitingAnswers = false
    hasFailedRing = false
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
    var budget = Budget.opening
    let changes = try with(number, &budget) { (port) throws(Failure) in try port.value.takeChanges() }
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
    if changes.acknowledges {
      try with(number, &budget) { (port) throws(Failure) in try port.value.acknowledgeAnnouncement() }
    }
    if changes.wantsRecovery {
      let isUp = try with(number, &budget) { (port) throws(Failure) in try port.value.recover() }
      raise(isUp, VIONET_EVENT_RECOVERED)
    }
    if changes.isWaiting {
      let isUp = try with(number, &budget) { (port) throws(Failure) in try port.value.connectNext() }
      raise(isUp, VIONET_EVENT_CONNECTED)
    }
    return count
  }
}
