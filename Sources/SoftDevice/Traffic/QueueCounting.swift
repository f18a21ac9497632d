// SPDX-License-Identifier: BSD-2-Clause
//
// What each queue has done, for a driver that may ask (virtio 1.4, 5.1.9.5.11): counted a batch at a time, before it is
// given back.

import Linux
import Virtio

/// Frames of a transmit queue that were not sent.
struct Lost {
  var frames = 0
  var bytes = 0
  /// Those that were no packets: shorter or longer than one can be.
  var faulty = 0

  mutating func add(_ frame: Frame, isFaulty: Bool) {
    frames &+= 1
    bytes &+= frame.count
    if isFaulty { faulty &+= 1 }
  }
}

extension Device {
  /// Counts a batch of a receive queue.
  @inline(never)
  func note(received tally: Tally, _ batch: Batch, of index: Int) {
    var bytes: UInt64 = 0
    for place in 0..<batch.done { bytes &+= UInt64(batch.chains[place].written) }
    queues[index].counts.packets &+= UInt64(tally.moved)
    queues[index].counts.bytes &+= bytes &- UInt64(tally.moved &* terms.header)
    note(lost: tally.lost, faulty: tally.roomless, of: index)
  }

  /// Counts a batch of a transmit queue, without what was lost of it.
  @inline(never)
  func note(sent batch: Batch, of index: Int, but lost: Lost = Lost()) {
    var bytes: UInt64 = 0
    for place in 0..<batch.done { bytes &+= UInt64(batch.chains[place].total) }
    queues[index].counts.packets &+= UInt64(batch.done &- lost.frames)
    queues[index].counts.bytes &+= bytes &- UInt64(batch.done &* terms.header &+ lost.bytes)
    note(lost: lost.frames, faulty: lost.faulty, of: index)
  }

  /// Counts a batch of a transmit queue that went nowhere. `losing`: for want of a wire that takes it.
  @inline(never)
  func note(discarded batch: Batch, of index: Int, losing: Bool) {
    var lost = Lost()
    for place in 0..<batch.done {
      let bytes = Int(batch.chains[place].total) &- terms.header
      let isFaulty = bytes < Frame.shortest
      if !losing && !isFaulty { continue }
      lost.frames &+= 1
      lost.bytes &+= bytes
      if isFaulty { lost.faulty &+= 1 }
    }
    note(sent: batch, of: index, but: lost)
  }

  /// Counts packets of a queue that were lost.
  func note(lost: Int, faulty: Int, of index: Int) {
    queues[index].counts.drops &+= UInt64(lost)
    queues[index].counts.faultyDrops &+= UInt64(faulty)
  }
}
