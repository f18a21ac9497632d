// SPDX-License-Identifier: BSD-2-Clause
//
// How long interrupts may wait for more packets (virtio 1.4, 5.1.9.5.10), of each queue: until there are so many, or so much
// time has passed since the first. With either of the two at zero none waits.

import CLinux
import Linux
import Virtio

struct Coalescing {
  /// Packets, with microseconds in the upper half.
  var limits: UInt64 = 0
  /// The driver wants an interrupt for what it was given back.
  var isPending = false
  /// Buffers given back since then, and when the first was.
  var waiting: UInt64 = 0
  var since: UInt64 = 0

  var packets: UInt64 { limits & 0xffff_ffff }
  var nanoseconds: UInt64 { (limits >> 32) &* 1000 }
  var isActive: Bool { packets != 0 && nanoseconds != 0 }

  /// The interrupt has waited long enough.
  func isDue(_ now: UInt64) -> Bool { !isActive || waiting >= packets || now &- since >= nanoseconds }
}

extension Device {
  /// Notes what was given back on a queue whose interrupts may wait.
  @inline(never)
  mutating func hold(_ index: Int, wanted: Bool, _ buffers: Int) {
    if !queues[index].coalescing.isPending {
      if !wanted { return }
      queues[index].coalescing.isPending = true
      queues[index].coalescing.waiting = 0
      queues[index].coalescing.since = sys_nanoseconds()
    }
    queues[index].coalescing.waiting &+= UInt64(buffers)
    if queues[index].coalescing.waiting >= queues[index].coalescing.packets { release(index) }
  }

  /// Sends the interrupt that waits, unless the driver has asked for none meanwhile.
  mutating func release(_ index: Int) {
    queues[index].coalescing.isPending = false
    if queues[index].call < 0 { return }
    let isWanted = queues[index].agreement.hasEventIndex || wantsInterrupt(index, since: queues[index].used)
    if isWanted { interrupt(index) }
  }

  /// Sends all interrupts that have waited long enough.
  @inline(never)
  mutating func releaseDue() {
    let now = sys_nanoseconds()
    for index in 0..<2 * pairsInUse where queues[index].coalescing.isPending && queues[index].coalescing.isDue(now) {
      release(index)
    }
  }

  /// Nanoseconds until the next interrupt has waited long enough; nil if none waits.
  func nextRelease(_ now: UInt64) -> UInt64? {
    var least: UInt64?
    for index in 0..<2 * pairsInUse where queues[index].coalescing.isPending {
      let end = queues[index].coalescing.since &+ queues[index].coalescing.nanoseconds
      let left = end > now ? end &- now : 0
      least = min(least ?? left, left)
    }
    return least
  }

  // MARK: Commands

  mutating func setCoalescing(_ command: UInt64, _ request: ControlRequest, _ result: inout ControlResult) -> Bool {
    switch UInt8(command) {
    case ControlCommand.coalesceTransmit.number: return coalesceAll(1, request)
    case ControlCommand.coalesceReceive.number: return coalesceAll(0, request)
    case ControlCommand.coalesceQueue.number: return coalesceQueue(request)
    case ControlCommand.readCoalescing.number: return readCoalescing(request, &result)
    default: return false
    }
  }

  /// All queues of a direction, also those that are enabled later. `direction`: 0 receives, 1 sends.
  private mutating func coalesceAll(_ direction: Int, _ request: ControlRequest) -> Bool {
    if !session.has(Feature.coalescing) || request.count != 10 { return false }  // tested by CoalescingTests
    let limits = request.number(2, 8)
    if direction == 0 { session.receiveLimits = limits } else { session.transmitLimits = limits }
    for index in stride(from: direction, to: 2 * config.pairs, by: 2) { setLimits(index, limits) }
    return true
  }

  /// One queue; its reserved word is ignored (5.1.9.5.10.6).
  private mutating func coalesceQueue(_ request: ControlRequest) -> Bool {
    if !session.has(Feature.queueCoalescing) || request.count != 14 { return false }  // tested by CoalescingTests
    let index = Int(request.number(2, 2))
    if !isEnabledQueue(index) { return false }  // tested by CoalescingTests
    setLimits(index, request.number(6, 8))
    return true
  }

  private func readCoalescing(_ request: ControlRequest, _ result: inout ControlResult) -> Bool {
    if !session.has(Feature.queueCoalescing) || request.count != 6 { return false }  // tested by CoalescingTests
    let index = Int(request.number(2, 2))
    if !isEnabledQueue(index) { return false }  // tested by CoalescingTests
    scratch.store(0, queues[index].coalescing.limits.littleEndian)
    result.add(scratch.first(8))
    return true
  }

  /// A receive or transmit queue that runs, of a pair in use.
  private func isEnabledQueue(_ index: Int) -> Bool {
    if index >= 2 * config.pairs || queues[index].direction == .both || !queues[index].running { return false }
    return index / 2 < (index % 2 == 0 ? receivingPairs : session.receivingPairs(config))
  }

  /// What waits is looked at with the new limits at once (5.1.9.5.10.4).
  private mutating func setLimits(_ index: Int, _ limits: UInt64) {
    queues[index].coalescing.limits = limits
    if queues[index].coalescing.isPending && queues[index].coalescing.isDue(sys_nanoseconds()) { release(index) }
    coalesces = queues[index].coalescing.isActive || coalesces && hasLimits
  }

  /// Interrupts of some queue may wait.
  private var hasLimits: Bool {
    for index in 0..<2 * config.pairs where queues[index].coalescing.isActive { return true }
    return false
  }

  /// A queue that is enabled has the limits of all queues of its direction.
  mutating func restoreLimits(_ index: Int) {
    setLimits(index, index % 2 == 0 ? session.receiveLimits : session.transmitLimits)
  }

  /// Gives queues of pairs that come into use the limits that all queues of their direction have.
  mutating func restoreLimits(ofPairs pairs: Range<Int>) {
    for index in 2 * pairs.lowerBound..<2 * pairs.upperBound { restoreLimits(index) }
  }
}
