// SPDX-License-Identifier: BSD-2-Clause
//
// vionet_start() and vionet_stop(): packets begin to flow, and every buffer comes back.

import CLinux
import CVionet
import Linux
import Virtio

extension Port {
  package mutating func start() throws(Failure) {
    try mayStart()
    var before = phase
    do throws(Failure) {
      if phase.isQuarantined { try revive() }
      before = phase
      try prepareRecovery()
      let isThere = queues.pairs != 0 ? true : try deviceIsThere()
      if isThere {
        try timed { (port) throws(Failure) in
          if port.queues.pairs == 0 { try port.bringUp() }
          try port.startTraffic()
        }
        agreed.startFeatures = agreed.features
        enter(.running)
      } else {
        try startWaiting()
      }
    } catch {
      endStart()
      undoWaiting(before)
      throw error
    }
  }

  private mutating func mayStart() throws(Failure) {
    try mustBeProbed()
    if phase.isStarted { throw Failure(EALREADY, "port ").number(number).text(" is started already") }
    try mustBeInitialised()
    if phase != .initialised { timing.restart() }
  }

  /// Fills the receive rings, lets bursts in and notifies the device; undone on failure.
  mutating func startTraffic() throws(Failure) {
    do throws(Failure) {
      try fillReceiveRings()
      for pair in 0..<queues.pairs { try makeWake(pair) }
      try watchEvents()
      for index in 0..<pairsEnabled * 2 { try bus.enable(index, true) }
    } catch {
      // The device has the buffers already.
      stopWatching()
      tearDown()
      throw error
    }
    queues.receivePathName = receivePath.name
    queues.transmitPathName = transmitPath.name
    for pair in 0..<queues.pairs { sendBacklog(pair) }
    for pair in 0..<queues.pairs {
      // The device may have been idle since it saw the ring empty. The counts and the ring are the bursts' as soon as those
      // are let in.
      receiveQueue(pair).value.core.notifyDevice()
      transmitQueue(pair).value.core.notifyDevice()
    }
    enableBursts()
    queues.control?.setPortLocked = { port, isLocked in
      if isLocked { PortSlots.all[port].lock.lock() } else { PortSlots.all[port].lock.unlock() }
    }
  }

  private func fillReceiveRings() throws(Failure) {
    for pair in 0..<queues.pairs {
      let receive = receiveQueue(pair)
      _ = receive.value.fill()
      // While a device was away the pool may have run dry. Then the ring is filled as packets come back.
      if receive.value.core.ring.idle.count != 0 && agreed.startFeatures.isEmpty {
        throw Failure(ENOBUFS, "the pool has too few packets left to fill receive queue ").number(pair)
          .text(": make a larger one with vionet_pool_create")
      }
    }
  }

  package mutating func stop() throws(Failure) {
    try mustBeProbed()
    if !phase.isStarted { return }
    try disableBursts()
    finishSending()
    tearDown()
    endStart()
    enter(.stopped)
    if phase.isQuarantined { throw quarantineFailure() }
  }

  /// Ends what a start made besides queues: the backlog, and what is watched. Bursts are kept out already.
  mutating func endStart() {
    dropBacklog()
    watch.end()
    queues.pairsWithBursts = 0
    bus.connector?.end()
  }
}
