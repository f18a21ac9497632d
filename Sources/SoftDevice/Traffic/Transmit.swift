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
      while batch.done < batch.count, let frame = frame(batch, batch.done, index) {
        if frame.count < Frame.shortest {
          counters.add(.fromDriverShort, 1)
        } else if frame.count > Frame.longest {
          // Chains may name one segment a thousand times: to read them all would take seconds.
          counters.add(.fromDriverLong, 1)
        } else if let count = wire.write(frame, pair).count {
          counters.add(count, 1)
        }
        batch.done &+= 1
      }
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
      give(target, to)
      give(source, from)
      counters.add(.toDriver, tally.moved)
      counters.add(.fromDriver, from.done)
      if from.done == 0 { break }
      moved &+= from.done
    }
    return moved
  }
}
