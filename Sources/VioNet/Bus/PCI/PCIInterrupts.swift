// SPDX-License-Identifier: BSD-2-Clause
//
// How the interrupts of a function reach those who sleep. Each sleeper has an eventfd of its own: a receive queue's call,
// and one for changes of the configuration. A vector of one sleeper signals that eventfd directly. A vector of several, or
// an INTx line, signals one that all of them watch beside their own; whoever wakes first takes the signal and passes it
// on to the others' own, so that none is lost.

import CLinux
import Linux

struct PCIInterrupts {
  /// What the vector registers say of an event without a vector, and of one that they refuse (virtio 1.4, 4.1.5.1.2).
  static let noVector: UInt16 = 0xffff

  private let hold: PCIHold
  private(set) var plan = VectorPlan.none
  /// By vector: the descriptor it signals.
  private var signalled = InlineArray<257, Int32>(repeating: -1)
  /// By pair: the receive queue's call.
  private var calls = InlineArray<128, Int32>(repeating: -1)
  private var pairs = 0
  /// Where there is no vector: readable after an INTx interrupt, whatever it is about; -1 where there is none either.
  private(set) var line: Int32 = -1
  /// Signalled on a change of the configuration.
  private var change = Descriptor.none
  /// Readable on a change, however it is announced; -1 while nothing is connected.
  private var changes = Descriptor.none

  init(_ hold: PCIHold) { self.hold = hold }

  /// There is an interrupt of some kind.
  var areConnected: Bool { plan.count > 0 || line >= 0 }
  var changeDescriptor: Int32 { changes.number }

  /// Connects as many vectors as the function and the system have. `all` has the call descriptor of each queue.
  mutating func connect(available: UInt32, calls all: Table<Int32>) throws(Failure) {
    disconnect()
    pairs = min(all.count / 2, calls.count)
    for pair in 0..<pairs { calls[pair] = all[2 * pair] }
    if !change.isOpen { change = try Descriptor.event() }
    var room = Int(available)
    while room > 0 {
      plan = VectorPlan(available: room, pairs: pairs)
      try fillSignalled(all)
      let left = connectSignalled()
      if left == 0 { break }
      closeShared()
      // Fewer than it has are left in the system; or, below 0, none can be had.
      room = min(left, plan.count - 1)
      plan = .none
    }
    if plan.count == 0 { line = hold.openLine() }
    if areConnected { try watchChange() }
  }

  /// After a reset, when the device signals nobody any more.
  mutating func disconnect() {
    if plan.count > 0 { unsafe _ = hold.connectVectors(nil, 0) }
    closeShared()
    plan = .none
    if line >= 0 { hold.closeLine(line) }
    line = -1
    pairs = 0
    changes.close()
  }

  mutating func close() {
    disconnect()
    change.close()
  }

  private mutating func fillSignalled(_ all: Table<Int32>) throws(Failure) {
    // From the last queue to the first: of a pair that shares a vector the receive queue's call counts.
    for queue in (0..<2 * pairs).reversed() {
      if let vector = plan.vector(queue: queue) { signalled[vector] = all[queue] }
    }
    if plan.count > 1 { signalled[0] = change.number }
    for vector in 0..<plan.count where plan.isShared(vector) { signalled[vector] = -1 }
    for vector in 0..<plan.count where plan.isShared(vector) {
      var event = try Descriptor.event()
      signalled[vector] = event.take()
    }
  }

  private func connectSignalled() -> Int {
    unsafe withUnsafeBytes(of: signalled) { bytes in
      unsafe hold.connectVectors(bytes.baseAddress?.assumingMemoryBound(to: Int32.self), UInt32(plan.count))
    }
  }

  private mutating func closeShared() {
    for vector in 0..<plan.count where plan.isShared(vector) { _ = sys_close(signalled[vector]) }
  }

  private mutating func watchChange() throws(Failure) {
    changes = try Descriptor.watcher()
    try changes.watch(change.number)
    try changes.watch(plan.count > 0 ? shared(vector: 0) : line)
  }

  // MARK: Passing on what several share

  private func shared(vector: Int) -> Int32 { plan.isShared(vector) ? signalled[vector] : -1 }

  /// What a receive queue's sleeper has to watch beside the queue's own call; -1 for nothing.
  func shared(pair: Int) -> Int32 {
    guard let vector = plan.vector(queue: 2 * pair) else { return line }
    return shared(vector: vector)
  }

  /// Takes a signal that a receive queue shares with others. `causes` is the device's interrupt status, if that is how
  /// the interrupt is told apart.
  func pass(pair: Int, causes: UInt8) {
    if let vector = plan.vector(queue: 2 * pair) { pass(vector: vector) } else { passLine(causes) }
  }

  /// True if the configuration may have changed since the last time.
  func takeChange(causes: UInt8) -> Bool {
    if plan.count > 0 { pass(vector: 0) } else { passLine(causes) }
    return change.isOpen && sys_eventfd_drain(change.number) != 0
  }

  private func pass(vector: Int) {
    let event = shared(vector: vector)
    if event < 0 || sys_eventfd_drain(event) == 0 { return }
    for pair in 0..<pairs where plan.vector(queue: 2 * pair) == vector { _ = sys_eventfd_signal(calls[pair]) }
    if vector == 0 { _ = sys_eventfd_signal(change.number) }
  }

  /// INTx: the device's and the kernel's notes of the last interrupt are cleared, and the line, which the kernel has
  /// switched off, comes on again (4.1.5.5). Bit 0 of the status is for any queue, bit 1 for the configuration.
  private func passLine(_ causes: UInt8) {
    if line < 0 { return }
    // A function that is gone says all at once, and nothing of it is true.
    if causes != 0xff {
      for pair in 0..<pairs where causes & 1 != 0 { _ = sys_eventfd_signal(calls[pair]) }
      if causes & 2 != 0 && change.isOpen { _ = sys_eventfd_signal(change.number) }
    }
    hold.rearmLine(line)
  }
}

extension PCIInterrupts {
  /// A vector register that does not keep what was written to it has refused (4.1.5.1.2.2).
  static func checkVector(_ kept: UInt16, _ vector: UInt16, queue: UInt16?) throws(Failure) {
    if kept == vector { return }
    guard let queue else {
      throw Failure(EBUSY, "the device does not take MSI-X vector ").number(vector)
        .text(" for changes of its configuration; it says ").hex(UInt64(kept))
    }
    throw Failure(EBUSY, "queue ").number(queue).text(" does not take MSI-X vector ").number(vector)
      .text("; it says ").hex(UInt64(kept))
  }
}
