// SPDX-License-Identifier: BSD-2-Clause
//
// Where a port is in its life. docs/architecture.md has the same as a table; Tests/VioNetTests/PhaseTests.swift walks it.

import CLinux
import CVionet
import Linux

enum Phase: Equatable {
  /// vionet_probe() is delivering VIONET_EVENT_NEW: callbacks may look at the port, and nothing may change it.
  case probing
  /// The device is known. It has no queues.
  case probed
  /// vionet_init() succeeded. The device has its queues, unless its back-end is still to come.
  case initialised
  /// Packets flow.
  case running
  /// The port is started and its back-end is away; vionet_event_handle() connects to the next one.
  case waiting
  /// vionet_stop() took the queues back. The settings of vionet_init() stay.
  case stopped
  /// The device did not release its queues, so their memory and buffers go to nobody until it shows a reset.
  /// `isInitialised` tells whether vionet_start() may try again, or vionet_init() has to.
  case quarantined(isInitialised: Bool)

  var isStarted: Bool { self == .running || self == .waiting }

  var isQuarantined: Bool {
    if case .quarantined = self { return true }
    return false
  }

  /// Options and pool of vionet_init() are there.
  var isInitialised: Bool {
    switch self {
    case .probing, .probed: false
    case .initialised, .running, .waiting, .stopped: true
    case .quarantined(let isInitialised): isInitialised
    }
  }

  /// True if one step leads from this phase to `next`. vionet_init() goes through `probed` wherever it starts.
  func leads(to next: Phase) -> Bool {
    switch (self, next) {
    case (.probing, .probed): true
    case (.probed, .initialised): true
    case (.initialised, .running), (.initialised, .waiting), (.initialised, .probed): true
    case (.running, .waiting), (.running, .stopped): true
    case (.waiting, .running), (.waiting, .stopped): true
    case (.stopped, .running), (.stopped, .waiting), (.stopped, .probed): true
    case (.probing, .quarantined): false
    // A failed bring-up may leave queues with the device wherever there is one.
    case (_, .quarantined): true
    case (.quarantined(let isInitialised), _): next == (isInitialised ? .stopped : .probed)
    default: false
    }
  }

  /// What vionet_info() shows. `isBroken`: a queue is broken or the device is gone.
  func shown(isBroken: Bool) -> vionet_state {
    switch self {
    case .waiting: VIONET_STATE_WAITING
    case .quarantined: VIONET_STATE_BROKEN
    case _ where isBroken: VIONET_STATE_BROKEN
    case .probing: vionet_state(rawValue: 0)
    case .probed: VIONET_STATE_ATTACHED
    case .initialised: VIONET_STATE_INITIALISED
    case .running: VIONET_STATE_STARTED
    case .stopped: VIONET_STATE_STOPPED
    }
  }
}

extension Port {
  /// Changes the phase. A quarantine outlasts the call that led to it: leaveQuarantine() alone ends it.
  mutating func enter(_ next: Phase) {
    let next = phase.isQuarantined ? .quarantined(isInitialised: next.isInitialised) : next
    assert(phase == next || phase.leads(to: next))
    phase = next
  }

  mutating func enterQuarantine() { enter(.quarantined(isInitialised: phase.isInitialised)) }

  /// The device has released its queues after all.
  mutating func leaveQuarantine() {
    if phase.isQuarantined { phase = phase.isInitialised ? .stopped : .probed }
  }

  /// A start that was to wait for a back-end failed: the port is where it was.
  mutating func undoWaiting(_ before: Phase) { if phase == .waiting { phase = before } }

  // MARK: What a call asks for

  /// Throws if the port is still inside its own VIONET_EVENT_NEW, where nothing may change it.
  func mustBeProbed() throws(Failure) {
    if phase == .probing { throw Failure(EBUSY, "port ").number(number).text(" is still being probed") }
  }

  func mustBeInitialised() throws(Failure) {
    try mustBeProbed()
    if !phase.isInitialised {
      throw Failure(EINVAL, "port ").number(number).text(" is not initialised: call vionet_init")
    }
  }

  @inline(never)
  func mustBeStarted() throws(Failure) {
    if !phase.isStarted { throw Failure(EINVAL, "port ").number(number).text(" is not started: call vionet_start") }
  }
}
