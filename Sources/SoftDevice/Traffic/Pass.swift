// SPDX-License-Identifier: BSD-2-Clause
//
// One pass over all queues: what the wire needs, a few batches per queue at most, so that control messages are never
// far away.

import CLinux
import Linux

extension Device {
  /// Frames moved on one queue in one pass.
  static let budget = 256

  /// Moves frames both ways and returns how many, lost ones included.
  mutating func pass() -> Int {
    if !isRunning { return 0 }
    if coalesces { releaseDue() }
    var moved = hasControl ? control() : 0
    for pair in 0..<pairsInUse where queues[Queue.transmit(pair)].running { moved &+= moveSent(pair) }
    if case .generate(let generator) = wire.kind { return moved &+ generate(generator) }
    return wire.isSource ? moved &+ receive() : moved
  }

  private mutating func moveSent(_ pair: Int) -> Int {
    if case .loopback = wire.kind { return loopback(pair) }
    return transmit(pair)
  }

  /// Moves what a transmit queue has before the driver disables or stops it: frames sent before that are not lost for how
  /// late the device's thread runs. Once around the ring at most, since a driver could go on adding.
  mutating func finishSent(_ index: Int) {
    let pair = index / 2
    if !isRunning || pair >= pairsInUse || index != Queue.transmit(pair) { return }
    var left = Int(queues[index].size)
    while left > 0, fault < 0, queues[index].running, queues[index].enabled {
      let moved = moveSent(pair)
      if moved == 0 { return }
      left -= moved
    }
  }

  /// A pair's frames come back on that pair, or on another one if it does not receive; with RSS, where the table says.
  private mutating func loopback(_ pair: Int) -> Int {
    if !isReceiving || !queues[Queue.transmit(pair)].enabled { return discard(pair, losing: true) }
    if terms.steers { return steer(from: Queue.transmit(pair)) }
    let other = canReceive(pair) ? pair : Int(receivers[pair % receivers.count])
    return loopback(from: Queue.transmit(pair), to: Queue.receive(other))
  }

  /// Takes chains of a queue until the batch has `limit`; a driver that breaks a rule there is left after this pass.
  @inline(never)
  mutating func take(_ index: Int, _ batch: inout Batch, limit: Int, _ touch: Touch) {
    guard let rings = queues[index].rings else { return }
    let good =
      queues[index].agreement.isPacked
      ? PackedRing.take(&queues[index], rings, &batch, &translation, limit: limit, touch)
      : SplitRing.take(&queues[index], rings, &batch, &translation, limit: limit, touch)
    if !good { fault = index }
  }

  /// Whether the driver wants an interrupt for what was given back since a position.
  @inline(__always)
  func wantsInterrupt(_ index: Int, since old: Position) -> Bool {
    guard let rings = queues[index].rings else { return false }
    return queues[index].agreement.isPacked
      ? PackedRing.wantsInterrupt(queues[index], rings, since: old)
      : SplitRing.wantsInterrupt(queues[index], rings, since: old)
  }

  @inline(__always)
  func interrupt(_ index: Int) {
    queues[index].counts.interrupts &+= 1
    signal(queues[index].call)
  }

  /// Gives back what is done of a batch, puts the rest back into the ring, and interrupts the driver if it wants that:
  /// what was given back must be visible before it is asked.
  @inline(never)
  mutating func give(_ index: Int, _ batch: Batch) {
    if batch.done > 0, let rings = queues[index].rings {
      queues[index].shortAt = nil
      let old = queues[index].used
      let isPacked = queues[index].agreement.isPacked
      if isPacked {
        PackedRing.give(&queues[index], rings, batch)
      } else {
        SplitRing.give(&queues[index], rings, batch)
      }
      if queues[index].call >= 0 {
        shared_fence()
        let isWanted = wantsInterrupt(index, since: old)
        if queues[index].coalescing.isActive {
          hold(index, wanted: isWanted, batch.done)
        } else if isWanted {
          interrupt(index)
        }
      }
    }
    queues[index].putBack()
  }
}
