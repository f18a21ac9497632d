// SPDX-License-Identifier: BSD-2-Clause
//
// From a wire to the driver's receive queues. Which queue a frame goes to says the driver's table (RSS). Without one it is the
// wire's own matter, or a hash of the frame's addresses and ports where the wire has but one stream (virtio 1.4, 5.1.9.5.6).

import CLinux
import Linux
import Virtio

extension Device {
  /// Moves frames into the queue pairs that receive, each flow into one of them, in the order of the stream; or to each
  /// pair its own. A frame waits while its queue has no buffer; one that the driver cannot take is lost, and the buffer
  /// stays.
  mutating func receive() -> Int {
    var moved = 0
    if wire.isSorted {
      for place in 0..<receivers.count {
        let pair = Int(receivers[place])
        moved &+= terms.steers ? receive(from: pair) : receive(sorted: pair)
      }
      return moved
    }
    moved = receive(from: 0)
    wire.settle()
    return moved
  }

  private mutating func receive(sorted pair: Int) -> Int {
    var moved = 0
    while moved < Self.budget {
      let total = receiveBatch(pair, from: pair)
      if total == 0 { break }
      moved &+= total
    }
    return moved
  }

  /// Spreads the frames of one stream of the wire.
  private mutating func receive(from source: Int) -> Int {
    var moved = 0
    while moved < Self.budget, isReceiving, let frame = wire.peek(source) {
      let pair = receiver(of: frame)
      let total = terms.steers && !canReceive(pair) ? lose(pair, from: source) : receiveBatch(pair, from: source)
      if total == 0 { break }
      moved &+= total
    }
    return moved
  }

  /// Loses a frame that the driver's table leads to a queue which does not receive (5.1.9.5.7.3).
  private mutating func lose(_ pair: Int, from source: Int) -> Int {
    loseStopped(pair)
    wire.advance(source)
    return 1
  }

  /// Counts a frame for a queue that does not receive.
  func loseStopped(_ pair: Int) {
    counters.add(.toDriverStopped, 1)
    note(lost: 1, faulty: 0, of: Queue.receive(pair))
  }

  /// One batch for one pair, of the frames that follow each other there.
  private mutating func receiveBatch(_ pair: Int, from source: Int) -> Int {
    let index = Queue.receive(pair)
    if !queues[index].hasBuffers || wire.peek(source) == nil { return 0 }
    let isShared = terms.steers || receivers.count > 1 && !wire.isSorted
    var tally = Tally()
    var batch = incoming
    batch.clear()
    take(index, &batch, limit: Batch.burst, .write)
    while tally.total < Batch.burst, let frame = wire.peek(source) {
      if isShared && receiver(of: frame) != pair { break }
      let delivery = deliver(frame, to: index, &batch)
      if delivery == .waits { break }  // tested by CaptureTests
      counters.note(delivery, in: &tally)
      wire.advance(source)
    }
    if terms.counts { note(received: tally, batch, of: index) }
    give(index, batch)
    counters.add(.toDriver, tally.moved)
    return tally.total
  }

  /// The pair whose receive queue is to get a frame.
  @inline(__always)
  func receiver(of frame: Frame) -> Int {
    receivers.count == 1 && !terms.steers ? Int(receivers[0]) : spreadReceiver(of: frame)
  }

  @inline(never)
  private func spreadReceiver(of frame: Frame) -> Int {
    if terms.steers { return steering.pair(of: frame, scratch: scratch) }
    let hash = frame.flowHash(scratch: scratch)
    return Int(receivers[Int(truncatingIfNeeded: (UInt64(hash) &* UInt64(receivers.count)) >> 32)])
  }
}

extension Frame {
  /// What follows the Ethernet header and up to two VLAN tags: its type, and where it begins.
  @inline(__always)
  func network(scratch: Bytes) -> (type: UInt16, at: Int) {
    var at = 12
    while at < 20, EtherType.isTag(UInt16(word(at, scratch: scratch) >> 48)) { at &+= 4 }
    return (UInt16(word(at, scratch: scratch) >> 48), at &+ 2)
  }

  /// A number that all frames of a connection in one direction share.
  func flowHash(scratch: Bytes) -> UInt32 {
    let (type, at) = network(scratch: scratch)
    var mixed: UInt64 = 0
    switch type {
    case EtherType.ipv4:
      let start = word(at, scratch: scratch)
      mixed = word(at &+ 12, scratch: scratch)
      // Fragments behind the first have no ports, so none of them counts.
      if start & 0x3fff == 0, Self.hasPorts(UInt8(truncatingIfNeeded: word(at &+ 2, scratch: scratch))) {
        mixed ^= word(at &+ Int(start >> 56 & 15) &* 4, scratch: scratch) >> 32
      }
    case EtherType.ipv6:
      for part in 0..<4 { mixed = (mixed ^ word(at &+ 8 &+ 8 &* part, scratch: scratch)) &* 0x9e37_79b9_7f4a_7c15 }
      if Self.hasPorts(UInt8(truncatingIfNeeded: word(at &+ 6, scratch: scratch) >> 56)) {
        mixed ^= word(at &+ 40, scratch: scratch) >> 32
      }
    default: mixed = word(0, scratch: scratch) ^ word(6, scratch: scratch)
    }
    let product = mixed &* 0x9e37_79b9_7f4a_7c15
    return UInt32(truncatingIfNeeded: ((product ^ product >> 32) &* 0xd6e8_feb8_6659_fd93) >> 32)
  }

  private static func hasPorts(_ next: UInt8) -> Bool { next == 6 || next == 17 }
}
