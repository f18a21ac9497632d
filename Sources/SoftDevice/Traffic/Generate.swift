// SPDX-License-Identifier: BSD-2-Clause
//
// The generator's loop: copies the template into each receive buffer and stores there what differs from frame to
// frame.

import CLinux
import Linux

extension Device {
  /// Moves the frames that are due into the queue pairs that receive, a batch for each in turn. With a rate, what found
  /// no buffer is lost.
  mutating func generate(_ generator: Cell<Generator>) -> Int {
    if !isReceiving { return 0 }
    let due = min(generator.value.due(generator.value.rate == 0 ? 0 : sys_nanoseconds()), Self.budget)
    var moved = 0
    var vain = 0
    var last = Delivery.waits
    while moved < due, vain < receivers.count {
      let turn = generator.value.turn
      generator.value.turn = turn &+ 1 < receivers.count ? turn &+ 1 : 0
      let place = turn < receivers.count ? turn : 0
      let goal = min(due &- moved, Batch.burst)
      let now = terms.steers ? steer(generator, goal, &last) : generate(generator, place, goal, &last)
      moved &+= now
      vain = now == 0 ? terms.steers ? receivers.count : vain &+ 1 : 0
    }
    if generator.value.rate != 0, moved < due {
      generator.value.lose(due &- moved)
      lose(due &- moved, last, generator.value.turn)
    } else if moved == 0, last.count != nil {
      // As many as the driver takes, which takes none: the one that was tried is lost.
      lose(1, last, generator.value.turn)
    }
    return moved
  }

  /// Counts frames that were lost, all for the reason that was met last. `turn` is the receiver behind the one that met it.
  @inline(never)
  private func lose(_ frames: Int, _ last: Delivery, _ turn: Int) {
    counters.add(last.count ?? .toDriverNoBuffer, frames)
    let place = turn == 0 || turn > receivers.count ? receivers.count &- 1 : turn &- 1
    let roomless = last == .waits || last == .noRoom ? frames : 0
    if last != .unwanted { note(lost: frames, faulty: roomless, of: Queue.receive(Int(receivers[place]))) }
  }

  /// One batch for the receiver at `place`: of every flow whose number leaves that remainder. `last` becomes what ended
  /// it before its goal.
  @_optimize(speed)
  private mutating func generate(
    _ generator: Cell<Generator>, _ place: Int, _ goal: Int, _ last: inout Delivery
  ) -> Int {
    let index = Queue.receive(Int(receivers[place]))
    let stride = UInt32(truncatingIfNeeded: receivers.count)
    let flows = generator.value.flows
    if UInt32(truncatingIfNeeded: place) >= flows || !queues[index].hasBuffers { return 0 }
    let template = generator.value.template
    if terms.filters, !filter.accepts(Frame(template.frame), session.mac, scratch: scratch) {
      last = .unwanted
      return 0
    }
    var batch = incoming
    batch.clear()
    take(index, &batch, limit: goal, .write)
    let lastFlow = (flows &- 1 &- UInt32(truncatingIfNeeded: place)) / stride
    var sequence = generator.value.sequence
    var flow = min(generator.value.flow, lastFlow)
    var moved = 0
    while moved < goal {
      let port = UInt16(truncatingIfNeeded: 1024 &+ flow &* stride &+ UInt32(truncatingIfNeeded: place))
      if batch.done < batch.count, isFit(batch.chains[batch.done], template) {
        template.write(to: batch.chains[batch.done].only, port: port, sequence: sequence)
        batch.chains[batch.done].written = UInt32(truncatingIfNeeded: template.bytes.count)
        batch.done &+= 1
      } else {
        template.finish(template.frame, port: port, sequence: sequence)
        last = deliver(Frame(template.frame, template.asks), to: index, &batch)
        if last != .placed { break }
      }
      sequence &+= 1
      flow = flow == lastFlow ? 0 : flow &+ 1
      moved &+= 1
    }
    if terms.counts { note(received: Tally(moved: moved), batch, of: index) }
    give(index, batch)
    generator.value.sequence = sequence
    generator.value.flow = flow
    generator.value.account(moved)
    counters.add(.toDriver, moved)
    return moved
  }

  /// The template goes into this chain as it is.
  @inline(__always)
  private func isFit(_ chain: Chain, _ template: Template) -> Bool {
    chain.count == 1 && Int(chain.total) >= template.bytes.count && template.length <= terms.longest && !terms.reports
  }

  /// Frames that follow each other and that the driver's table leads to one queue. Flows have the same ports as without a
  /// table.
  @inline(never)
  private mutating func steer(_ generator: Cell<Generator>, _ goal: Int, _ last: inout Delivery) -> Int {
    let template = generator.value.template
    var sequence = generator.value.sequence
    var flow = min(generator.value.flow, generator.value.flows &- 1)
    func frame() -> Frame {
      template.finish(template.frame, port: UInt16(truncatingIfNeeded: 1024 &+ flow), sequence: sequence)
      return Frame(template.frame, template.asks)
    }
    func step() {
      sequence &+= 1
      flow = flow &+ 1 < generator.value.flows ? flow &+ 1 : 0
    }
    let pair = receiver(of: frame())
    let index = Queue.receive(pair)
    var tally = Tally()
    if !canReceive(pair) {
      loseStopped(pair)
      tally.others = 1
      step()
    } else if queues[index].hasBuffers {
      var batch = incoming
      batch.clear()
      take(index, &batch, limit: goal, .write)
      while tally.moved < goal, receiver(of: frame()) == pair {
        last = deliver(frame(), to: index, &batch)
        if last != .placed { break }
        tally.moved &+= 1
        step()
      }
      if terms.counts { note(received: tally, batch, of: index) }
      give(index, batch)
      counters.add(.toDriver, tally.moved)
    }
    generator.value.sequence = sequence
    generator.value.flow = flow
    generator.value.account(tally.total)
    return tally.total
  }
}
