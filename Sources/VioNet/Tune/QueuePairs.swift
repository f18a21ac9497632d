// SPDX-License-Identifier: BSD-2-Clause
//
// How many of its queue pairs a port uses (virtio 1.4, 5.1.9.5.6). All of them keep their rings. Pairs that are not in use
// receive nothing new, and send nothing.

import CLinux
import CVionet
import Linux
import Virtio

extension Port {
  var pairsInUse: UInt16 { settings.pairs == 0 ? options.queuePairs : settings.pairs }

  /// The number of pairs is set by a command. Other back-ends get each ring enabled or disabled.
  private var commandsPairs: Bool {
    queues.control != nil && (agreed.features.has(Feature.multiqueue) || agreed.features.has(Feature.rss))
  }
  /// Pairs whose rings are enabled when the port starts.
  var pairsEnabled: UInt16 { commandsPairs ? queues.pairs : pairsInUse }

  mutating func setPairs(_ pairs: UInt16) throws(Failure) {
    if pairs < 1 || pairs > options.queuePairs {
      throw Failure(EINVAL, "queue pairs: 1 to ").number(options.queuePairs).text(", as initialised, not ")
        .number(pairs)
    }
    let before = pairsInUse
    if agreed.features.has(Feature.rss) { try settings.hashing.check(pairs) }
    if queues.pairs != 0 {
      if pairs < before { try disableTransmit(pairs..<before) }
      do throws(Failure) {
        try sendPairs(pairs, before)
        try keepReports(pairs, before)
      } catch {
        enableTransmit(upTo: before)
        throw error
      }
    }
    settings.pairs = pairs
    enableTransmit(upTo: pairs)
    if pairs > before { try restoreCoalescing(from: Int(before) * 2) }
  }

  /// Asks for hash reports again, which the command for pairs may have ended on a device without RSS.
  private mutating func keepReports(_ pairs: UInt16, _ before: UInt16) throws(Failure) {
    if !hashes || agreed.features.has(Feature.rss) { return }
    do throws(Failure) {
      try sendHashing(settings.hashing, pairs)
    } catch {
      Failure.quietly { () throws(Failure) in try sendPairs(before, pairs) }
      throw error
    }
  }

  /// Sets pairs and hashing after a reset, when a device uses its first pair only.
  mutating func restorePairs() throws(Failure) {
    if commandsPairs && queues.pairs > 1 && !agreed.features.has(Feature.rss) { try sendPairs(pairsInUse, 1) }
    try restoreHashing()
  }

  // Safety: the command has the two bytes of `count`.
  private mutating func sendPairs(_ pairs: UInt16, _ before: UInt16) throws(Failure) {
    if agreed.features.has(Feature.rss) {
      try sendHashing(settings.hashing, pairs)
    } else if commandsPairs {
      var count = pairs.littleEndian
      try unsafe send(ControlCommand.pairs, &count, 2)
    } else if phase.isStarted {
      let (low, high) = (min(pairs, before), max(pairs, before))
      for ring in low * 2..<high * 2 { try bus.enable(ring, pairs > before) }
    }
  }

  // MARK: Transmit bursts

  private func enableTransmit(upTo pairs: UInt16) {
    if !phase.isStarted || queues.pairs == 0 { return }
    for pair in 0..<pairs { enableTransmit(pair) }
    PortSlots.all[number].transmitCount = pairs
  }

  /// Keeps transmit bursts out before the device is told (virtio 1.4, 5.1.9.5.6.1), and gives the device up to 100 ms to send
  /// what it has.
  // Safety: a burst function is C code that checks its queue; the blocks it is put into are never freed.
  private func disableTransmit(_ pairs: Range<UInt16>) throws(Failure) {
    if !phase.isStarted { return }
    PortSlots.all[number].transmitCount = pairs.lowerBound
    for pair in pairs { unsafe transmitQueue(pair).value.core.entry = Virtqueue.idleBurst }
    Barrier.reachAll()
    let deadline = Deadline(milliseconds: Port.burstDeadline, within: bus.deadline)
    for pair in pairs where !transmitQueue(pair).value.core.waitUntilLeft(by: deadline) {
      enableTransmit(upTo: pairs.upperBound)
      throw Port.burstStays(number)
    }
    // A sleeper finds out that there is nothing to wait for.
    for pair in pairs where transmitQueue(pair).value.core.armed {
      _ = sys_shared_signal(transmitQueue(pair).value.core.call)
    }
    finishSending(pairs)
  }
}
