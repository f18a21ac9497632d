// SPDX-License-Identifier: BSD-2-Clause
//
// From the driver's transmit queues to a wire, to nowhere, or back to the driver.

import CLinux
import Linux

extension Device {
  /// Moves frames of one transmit queue to a wire. A queue that is started but disabled is emptied all the same.
  mutating func transmit(_ pair: Int) -> Int {
    let index = Queue.transmit(pair)
    let isEnabled = queues[index].enabled
    if !isEnabled || !wire.isTarget { return discard(pair, losing: !isEnabled) }
    var moved = 0
    while moved < Self.budget, queues[index].hasBuffers {
      var batch = outgoing
      batch.clear()
      take(index, &batch, limit: Batch.burst, .read)
      var lost = Lost()
      while batch.done < batch.count, let frame = frame(batch, batch.done, index) {
        if frame.count < Frame.shortest {
          lost.add(frame, isFaulty: true)
          counters.add(.fromDriverShort, 1)
        } else if frame.count > Frame.longest {
          // Chains may name one segment a thousand times: to read them all would take seconds.
          lost.add(frame, isFaulty: true)
          counters.add(.fromDriverLong, 1)
        } else if let count = wire.write(frame, pair).count {
          lost.add(frame, isFaulty: false)
          counters.add(count, 1)
        }
        batch.done &+= 1
      }
      if terms.counts { note(sent: batch, of: index, but: lost) }
      give(index, batch)
      counters.add(.fromDriver, batch.done)
      if batch.done == 0 { break }
      moved &+= batch.done
    }
    wire.settle()
    return moved
  }

  /// Gives back what a transmit queue has, unread.
  mutating func discard(_ pair: Int, losing: Bool) -> Int {
    let index = Queue.transmit(pair)
    var moved = 0
    while moved < Self.budget, queues[index].hasBuffers {
      var batch = outgoing
      batch.clear()
      take(index, &batch, limit: Batch.burst, .none)
      let short = countShort(&batch, index)
      if terms.counts { note(discarded: batch, of: index, losing: losing) }
      give(index, batch)
      counters.add(.fromDriver, batch.done)
      counters.add(.fromDriverShort, short)
      if losing { counters.add(.fromDriverStopped, batch.done &- short) }
      if batch.done == 0 { break }
      moved &+= batch.done
    }
    return moved
  }

  /// Goes through a batch, and returns how many of its frames are shorter than an Ethernet header.
  @_optimize(speed)
  private mutating func countShort(_ batch: inout Batch, _ index: Int) -> Int {
    var short = 0
    var done = 0
    let header = UInt32(truncatingIfNeeded: terms.header)
    let shortest = header &+ UInt32(Frame.shortest)
    while done < batch.count {
      let length = batch.chains[done].total
      if length < header {
        fault = index
        break
      }
      if length < shortest { short &+= 1 }
      done &+= 1
    }
    batch.done = done
    return short
  }

  /// The frame in a chain of a transmit queue; nil, and a fault, if not even its header is there.
  @inline(__always)
  private mutating func frame(_ batch: Batch, _ place: Int, _ index: Int) -> Frame? {
    let chain = batch.chains[place]
    if Int(chain.total) < terms.header {
      fault = index
      return nil
    }
    return Frame(
      chain, in: batch, behind: terms.header, reading: terms.readsHeaders, hasTunnel: terms.hasTunnels,
      scratch: scratch)
  }

  /// From a transmit queue to a receive queue. A frame waits for a buffer, so that none is lost however slowly the
  /// driver receives; one that it cannot take is.
  @_optimize(speed)
  mutating func loopback(from source: Int, to target: Int) -> Int {
    var moved = 0
    while moved < Self.budget, queues[source].hasBuffers, queues[target].hasBuffers {
      var tally = Tally()
      var from = outgoing
      var to = incoming
      from.clear()
      to.clear()
      take(source, &from, limit: Batch.burst, .read)
      take(target, &to, limit: Batch.burst, .write)
      while from.done < from.count, let frame = frame(from, from.done, source) {
        let delivery = deliver(frame, to: target, &to)
        if delivery == .waits { break }
        counters.note(delivery, in: &tally)
        from.done &+= 1
      }
      if terms.counts {
        note(received: tally, to, of: target)
        note(sent: from, of: source)
      }
      give(target, to)
      give(source, from)
      counters.add(.toDriver, tally.moved)
      counters.add(.fromDriver, from.done)
      if from.done == 0 { break }
      moved &+= from.done
    }
    return moved
  }

  /// From a transmit queue to the receive queues that the driver's table leads to, of each queue those that follow each
  /// other. A frame waits for a buffer of its queue; one whose queue does not receive is lost.
  @inline(never)
  mutating func steer(from source: Int) -> Int {
    var moved = 0
    while moved < Self.budget, queues[source].hasBuffers {
      var from = outgoing
      from.clear()
      take(source, &from, limit: Batch.burst, .read)
      while let frame = next(from, source) {
        let pair = receiver(of: frame)
        if !canReceive(pair) {
          loseStopped(pair)
          from.done &+= 1
        } else if !steer(&from, source, to: pair) {
          break
        }
      }
      if terms.counts { note(sent: from, of: source) }
      give(source, from)
      counters.add(.fromDriver, from.done)
      if from.done == 0 { break }
      moved &+= from.done
    }
    return moved
  }

  /// Moves the next frame, which is for that pair, and those behind it that are, too; false if there is no buffer for them. The
  /// first is not asked again where it goes: the driver could change it between, for ever.
  private mutating func steer(_ from: inout Batch, _ source: Int, to pair: Int) -> Bool {
    let target = Queue.receive(pair)
    if !queues[target].hasBuffers { return false }
    var tally = Tally()
    var to = incoming
    to.clear()
    take(target, &to, limit: Batch.burst, .write)
    let first = from.done
    var hasRoom = true
    while let frame = next(from, source), from.done == first || receiver(of: frame) == pair {
      let delivery = deliver(frame, to: target, &to)
      hasRoom = delivery != .waits
      if !hasRoom { break }
      counters.note(delivery, in: &tally)
      from.done &+= 1
    }
    if terms.counts { note(received: tally, to, of: target) }
    give(target, to)
    counters.add(.toDriver, tally.moved)
    return hasRoom
  }

  /// The next frame of a batch that is neither given back nor moved; nil behind the last.
  private mutating func next(_ from: Batch, _ source: Int) -> Frame? {
    from.done < from.count ? frame(from, from.done, source) : nil
  }
}
