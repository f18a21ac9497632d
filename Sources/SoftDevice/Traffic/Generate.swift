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
      let now = generate(generator, place, min(due &- moved, Batch.burst), &last)
      moved &+= now
      vain = now == 0 ? vain &+ 1 : 0
    }
    if generator.value.rate != 0, moved < due {
      generator.value.lose(due &- moved)
      counters.add(last.count ?? .toDriverNoBuffer, due &- moved)
    } else if moved == 0, let count = last.count {
      // As many as the driver takes, which takes none: the one that was tried is lost.
      counters.add(count, 1)
    }
    return moved
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
    chain.count == 1 && Int(chain.total) >= template.bytes.count && template.length <= terms.longest
  }
}
