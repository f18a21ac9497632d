// SPDX-License-Identifier: BSD-2-Clause
//
// Start and stop: packets begin to flow, and every buffer comes back.

import CLinux
import CVionet
import Linux

extension Port {
  package mutating func start() throws(Failure) {
    try mustBeProbed()
    switch state {
    case VIONET_STATE_INITIALISED: break
    case VIONET_STATE_STOPPED: startNanoseconds = probeNanoseconds
    case VIONET_STATE_STARTED: throw Failure(EALREADY, "port ").number(number).text(" is started already")
    default: throw Failure(EINVAL, "port ").number(number).text(" is not initialised: call vionet_init")
    }
    do throws(Failure) {
      if isHeld { try revive() }
      try prepareReturn()
      let isUp = queuePairs != 0 ? true : try isThere()
      if isUp {
        try timed { (port) throws(Failure) in
          if port.queuePairs == 0 { try port.bringUp() }
          try port.letFlow()
        }
        settled = features
      } else {
        try startWaiting()
      }
    } catch {
      endStart()
      throw error
    }
    state = VIONET_STATE_STARTED
  }

  /// Fills the receive rings, opens the doors, wakes the device.
  mutating func letFlow() throws(Failure) {
    do throws(Failure) {
      for pair in 0..<queuePairs {
        let receive = receiveQueue(pair)
        _ = receive.value.fill()
        // While the device was away the pool may have run dry, and it is filled again.
        if receive.value.core.ring.idle.count != 0 && settled.isEmpty {
          throw Failure(ENOBUFS, "the pool has too few packets left to fill receive queue ").number(pair)
        }
      }
      for pair in 0..<queuePairs { try makeWake(pair) }
      try makeNews()
      for index in 0..<pairsEnabled * 2 { try bus.enable(index, true) }
    } catch {
      // What was filled is with the device already.
      stopWatching()
      tearDown()
      throw error
    }
    receiveName = receivePath.name
    transmitName = transmitPath.name
    for pair in 0..<queuePairs { sendAgain(pair) }
    openDoors()
    for pair in 0..<queuePairs {
      // The device may have been idle since it saw the ring empty.
      receiveQueue(pair).value.core.notifyDevice()
      transmitQueue(pair).value.core.notifyDevice()
    }
    control?.letsOthersIn = true
  }

  package mutating func stop() throws(Failure) {
    try mustBeProbed()
    if state != VIONET_STATE_STARTED { return }
    try shutDoors()
    tearDown()
    endStart()
    state = VIONET_STATE_STOPPED
    if isHeld { throw held() }
  }

  /// The port is not started, or no more: nothing is kept, nothing watched. The doors are shut.
  mutating func endStart() {
    forgetKept()
    news.close()
    doors = 0
    isWaiting = false
    bus.endMeeting()
  }
}
