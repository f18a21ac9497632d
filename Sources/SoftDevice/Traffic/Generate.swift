// SPDX-License-Identifier: BSD-2-Clause
//
// The generator's loop: copies the template into each receive buffer and stores there what differs from frame to
// frame. The next buffers are prefetched for writing, since the driver's processor had them last.

import CLinux
import Linux

extension Loops {
  /// Writes up to `due` frames; the rest of them is lost when the ring runs empty.
  @inline(__always)
  static func generate<R: Ring & ~Copyable>(
    _ ring: inout R, _ generator: Cell<Generator>, due: Int, _ batch: inout Batch
  ) -> Tally {
    let template = generator.value.template
    let flows = generator.value.flows
    var sequence = generator.value.sequence
    var flow = generator.value.flow
    var memory = batch.memory
    var chain = batch.chain
    var tally = Tally()
    let goal = min(due, Batch.budget)
    while tally.moved < goal {
      ring.prefetch(ahead: 8, memory)
      let taken = ring.take(&chain, &memory)
      if taken != .ready {
        tally.broken = taken == .broken
        break
      }
      if chain.total < template.bytes.count || template.length > batch.longest {
        ring.putBack(chain)
        break
      }
      fill(chain, template, port: UInt16(truncatingIfNeeded: 1024 &+ flow), sequence)
      ring.complete(chain, written: template.bytes.count)
      sequence &+= 1
      flow = flow &+ 1 == flows ? 0 : flow &+ 1
      tally.moved &+= 1
    }
    generator.value.sequence = sequence
    generator.value.flow = flow
    generator.value.account(tally.moved)
    return tally
  }

  @inline(__always)
  private static func fill(_ chain: borrowing Chain, _ template: Template, port: UInt16, _ sequence: UInt64) {
    if chain.count == 1 {
      template.bytes.copy(to: chain.only)
      template.finish(chain.only.dropping(template.header), port: port, sequence: sequence)
    } else {
      template.finish(template.bytes.dropping(template.header), port: port, sequence: sequence)
      chain.write(template.bytes, at: 0)
    }
  }
}
