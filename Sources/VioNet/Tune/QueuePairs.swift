// SPDX-License-Identifier: BSD-2-Clause
//
// How many of its queue pairs a port uses (virtio 1.4, 5.1.9.5.6). All of them stay set up. Pairs that are not in use
// receive nothing new, and nobody sends on them.

import CLinux
import CVionet
import Linux

extension Port {
  var pairsInUse: UInt16 { settings.pairs == 0 ? options.queuePairs : settings.pairs }

  /// By a command; other back-ends are told by the switches of their rings.
  private var commandsPairs: Bool {
    control != nil && (features.has(VIRTIO_NET_F_MQ) || features.has(VIRTIO_NET_F_RSS))
  }
  /// Pairs whose rings are switched on when the port starts.
  var pairsEnabled: UInt16 { commandsPairs ? queuePairs : pairsInUse }

  mutating func setPairs(_ pairs: UInt16) throws(Failure) {
    if pairs < 1 || pairs > options.queuePairs {
      throw Failure(EINVAL, "queue pairs: 1 to ").number(options.queuePairs).text(", as initialised, not ").number(
        pairs)
    }
    let before = pairsInUse
    if features.has(VIRTIO_NET_F_RSS) { try settings.hashing.check(pairs) }
    if queuePairs != 0 {
      if pairs < before { try closeTransmit(pairs..<before) }
      do throws(Failure) {
        try tellPairs(pairs, before)
        try keepReports(pairs, before)
      } catch {
        openTransmit(before)
        throw error
      }
    }
    settings.pairs = pairs
    openTransmit(pairs)
    if pairs > before { try restoreCoalescing(from: Int(before) * 2) }
  }

  /// Without RSS the other command may have ended the reports of hashes.
  private mutating func keepReports(_ pairs: UInt16, _ before: UInt16) throws(Failure) {
    if !hashes || features.has(VIRTIO_NET_F_RSS) { return }
    do throws(Failure) {
      try tellHashing(settings.hashing, pairs)
    } catch {
      Failure.quietly { () throws(Failure) in try tellPairs(before, pairs) }
      throw error
    }
  }

  /// After a reset a device that takes commands uses the first pair only.
  mutating func restorePairs() throws(Failure) {
    if commandsPairs && queuePairs > 1 && !features.has(VIRTIO_NET_F_RSS) { try tellPairs(pairsInUse, 1) }
    try restoreHashing()
  }

  private mutating func tellPairs(_ pairs: UInt16, _ before: UInt16) throws(Failure) {
    if features.has(VIRTIO_NET_F_RSS) {
      try tellHashing(settings.hashing, pairs)
    } else if commandsPairs {
      var count = pairs.littleEndian
      try unsafe tell(ControlCommand.pairs, &count, 2)
    } else if state == VIONET_STATE_STARTED {
      let (low, high) = (min(pairs, before), max(pairs, before))
      for ring in low * 2..<high * 2 { try bus.enable(ring, pairs > before) }
    }
  }

  // MARK: Those who send

  private func openTransmit(_ pairs: UInt16) {
    if state != VIONET_STATE_STARTED || queuePairs == 0 { return }
    let burst = unsafe transmitPath.burst
    for pair in 0..<pairs { unsafe transmitQueue(pair).value.core.open(burst) }
    PortSlots.all[number].transmitCount = pairs
  }

  /// Keeps senders out before the device hears of it (5.1.9.5.6.1), and gives it a moment for what they have sent.
  private func closeTransmit(_ pairs: Range<UInt16>) throws(Failure) {
    if state != VIONET_STATE_STARTED { return }
    PortSlots.all[number].transmitCount = pairs.lowerBound
    for pair in pairs { unsafe transmitQueue(pair).value.core.burst = Virtqueue.idleBurst }
    Barrier.reachAll()
    let deadline = Deadline(milliseconds: 3000)
    for pair in pairs where !transmitQueue(pair).value.core.isLeft(by: deadline) {
      openTransmit(pairs.upperBound)
      throw Port.staysInside(number)
    }
    let moment = Deadline(milliseconds: 100)
    for pair in pairs {
      let queue = transmitQueue(pair)
      while queue.value.core.fault == .none {
        reclaimSent(queue)
        if queue.value.core.ring.outstanding == 0 || moment.hasPassed { break }
        sys_sleep_microseconds(20)
      }
    }
  }
}
