// SPDX-License-Identifier: BSD-2-Clause
//
// The loops that move frames, one batch each. They are generic over the ring and the wire and specialised for each
// pair; a batch works on local copies of all cursors. `header` is the length of the virtio-net header: 12 bytes, or 10
// for a driver without VERSION_1 (virtio 1.4, 5.1.9).

import CLinux
import Linux

/// What one batch needs besides its ring.
struct Batch {
  static let budget = 256
  static let shortest = 14

  var memory: Translation
  var chain: Chain
  let header: Int
  /// Longest frame the driver may be given (virtio 1.4, 5.1.4.1: MTU).
  let longest: Int

  /// The header of a frame that needs nothing done: zeroes, and one buffer.
  @inline(__always)
  func writeHeader(_ chain: borrowing Chain, _ blank: Bytes) { chain.write(blank.first(header), at: 0) }
}

enum Loops {
  /// From the driver's transmit ring to a wire.
  @inline(__always)
  static func transmit<R: Ring & ~Copyable, T: FrameTarget & ~Copyable>(
    _ ring: inout R, to target: inout T, _ batch: inout Batch
  ) -> Tally {
    var tally = Tally()
    var memory = batch.memory
    var chain = batch.chain
    let header = batch.header
    while tally.moved < Batch.budget {
      let taken = ring.take(&chain, &memory)
      if taken == .nothing { break }
      if taken == .broken || chain.total < header {
        tally.broken = true
        break
      }
      if chain.total < header &+ Batch.shortest || !target.take(chain, header: header) { tally.dropped &+= 1 }
      ring.complete(chain, written: 0)
      tally.moved &+= 1
    }
    return tally
  }

  /// From a wire to the driver's receive ring. A frame waits while there is no buffer; one that is longer than the
  /// buffer at hand, or than the driver's MTU, or shorter than an Ethernet header, is lost, and the buffer stays.
  @inline(__always)
  static func receive<R: Ring & ~Copyable, S: FrameSource & ~Copyable>(
    _ ring: inout R, from source: inout S, _ batch: inout Batch, blank: Bytes
  ) -> Tally {
    var tally = Tally()
    while tally.total < Batch.budget, !ring.isEmpty, let frame = source.peek() {
      let taken = ring.take(&batch.chain, &batch.memory)
      if taken != .ready {
        tally.broken = taken == .broken
        break
      }
      let fits = batch.chain.total >= batch.header &+ frame.count
      if !fits || frame.count > batch.longest || frame.count < Batch.shortest {
        ring.putBack(batch.chain)
        tally.dropped &+= 1
      } else {
        batch.writeHeader(batch.chain, blank)
        batch.chain.write(frame, at: batch.header)
        ring.complete(batch.chain, written: batch.header &+ frame.count)
        tally.moved &+= 1
      }
      source.advance()
    }
    return tally
  }

  /// From the transmit ring to the receive ring. A frame waits for a buffer, so that none is lost however slowly the
  /// driver receives. `first.dropped` counts frames too long for their buffer.
  @inline(__always)
  static func loopback<R: Ring & ~Copyable>(
    from source: inout R, to target: inout R, _ batch: inout Batch, _ space: Chain, blank: Bytes
  ) -> Tally {
    var tally = Tally()
    var from = batch.chain
    var to = space
    var memory = batch.memory
    let header = batch.header
    while tally.total < Batch.budget, !target.isEmpty, !source.isEmpty {
      source.prefetch(ahead: 4, memory)
      if source.take(&from, &memory) != .ready || from.total < header || target.take(&to, &memory) != .ready {
        tally.broken = true
        break
      }
      let length = from.total &- header
      if to.total < from.total || length > batch.longest || length < Batch.shortest {
        target.putBack(to)
        tally.dropped &+= 1
      } else {
        to.write(blank.first(header), at: 0)
        from.copy(from: header, to: to, at: header)
        target.complete(to, written: from.total)
        tally.moved &+= 1
      }
      source.complete(from, written: 0)
    }
    return tally
  }
}
