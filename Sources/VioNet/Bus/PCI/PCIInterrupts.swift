// SPDX-License-Identifier: BSD-2-Clause
//
// How interrupts of a function reach the threads that sleep. Each sleeper has an eventfd of its own: the call descriptor of
// a receive queue, or one for changes of the configuration. A vector with one sleeper signals that eventfd directly. A
// vector with several sleepers, and an INTx line, signals a shared descriptor that all of them watch as well. The first to
// wake takes that signal and passes it on to the other eventfds, so that no signal is lost.

import CLinux
import Linux

struct PCIInterrupts: ~Copyable {
  /// What a vector register reads as if there is no vector, or if the device refused one (virtio 1.4, 4.1.5.1.2).
  static let noVector: UInt16 = 0xffff

  private(set) var plan = VectorPlan.none
  /// The descriptor that each vector signals.
  private var signalled = InlineArray<257, Int32>(repeating: -1)
  /// The call descriptor of each pair's receive queue.
  private var calls = InlineArray<128, Int32>(repeating: -1)
  private var pairs = 0
  /// Readable after an INTx interrupt, which is used if there is no vector; -1 if there is neither.
  private(set) var line: Int32 = -1
  /// Owns the descriptor of the line if it was made for it.
  private var lineEvent = File.none
  /// Signalled when the configuration changes.
  private var change = File.none
  /// Readable when the configuration changes, whichever way that is announced; -1 while nothing is connected.
  private var changes = File.none

  /// True if there is an interrupt of some kind.
  var areConnected: Bool { plan.count > 0 || line >= 0 }
  var changeDescriptor: Int32 { changes.number }

  /// Connects as many vectors as the function and the system have. `all` holds the call descriptor of each queue.
  mutating func connect(_ access: borrowing PCIAccess, available: UInt32, calls all: Table<Int32>) throws(Failure) {
    disconnect(access)
    pairs = min(all.count / 2, calls.count)
    for pair in 0..<pairs { calls[pair] = all[2 * pair] }
    if !change.isOpen { change = try File.event() }
    var room = Int(available)
    while room > 0 {
      plan = VectorPlan(available: room, pairs: pairs)
      try fillSignalled(all)
      let left = connectSignalled(access)
      if left == 0 { break }
      closeShared()
      // The system has only `left` vectors; a negative number means none at all.
      room = min(left, plan.count - 1)
      plan = .none
    }
    if plan.count == 0 { line = access.openLine(&lineEvent) }
    if areConnected { try watchChange() }
  }

  /// Disconnects everything. Call after a reset, when the device signals no more.
  mutating func disconnect(_ access: borrowing PCIAccess) {
    // Safety: without files there is nothing to point at.
    if plan.count > 0 { unsafe _ = access.connectVectors(nil, 0) }
    closeShared()
    plan = .none
    if line >= 0 { access.closeLine() }
    line = -1
    lineEvent.close()
    pairs = 0
    changes.close()
  }

  mutating func close(_ access: borrowing PCIAccess) {
    disconnect(access)
    change.close()
  }

  private mutating func fillSignalled(_ all: Table<Int32>) throws(Failure) {
    // Goes from the last queue to the first, so that a pair that shares a vector ends up with its receive queue's call.
    for queue in (0..<2 * pairs).reversed() {
      if let vector = plan.vector(queue: queue) { signalled[vector] = all[queue] }
    }
    if plan.count > 1 { signalled[0] = change.number }
    for vector in 0..<plan.count where plan.isShared(vector) { signalled[vector] = -1 }
    for vector in 0..<plan.count where plan.isShared(vector) {
      var event = try File.event()
      signalled[vector] = event.take()
    }
  }

  // Safety: the array is alive for the call and has room for every vector of a plan.
  private func connectSignalled(_ access: borrowing PCIAccess) -> Int {
    unsafe withUnsafeBytes(of: signalled) { bytes in
      unsafe access.connectVectors(bytes.baseAddress?.assumingMemoryBound(to: Int32.self), UInt32(plan.count))
    }
  }

  private mutating func closeShared() {
    for vector in 0..<plan.count where plan.isShared(vector) { _ = sys_close(signalled[vector]) }
  }

  private mutating func watchChange() throws(Failure) {
    changes = try File.watcher()
    try changes.borrowed.watch(change.number)
    try changes.borrowed.watch(plan.count > 0 ? shared(vector: 0) : line)
  }

  // MARK: Shared signals

  private func shared(vector: Int) -> Int32 { plan.isShared(vector) ? signalled[vector] : -1 }

  /// The descriptor that sleepers of a pair watch as well as the receive queue's call; -1 if there is none.
  func shared(pair: Int) -> Int32 {
    guard let vector = plan.vector(queue: 2 * pair) else { return line }
    return shared(vector: vector)
  }

  /// Takes a signal that a receive queue shares with others and passes it on. `causes` is the device's interrupt status,
  /// which says what an INTx interrupt is about.
  func pass(pair: Int, causes: UInt8, _ access: borrowing PCIAccess) {
    if let vector = plan.vector(queue: 2 * pair) { pass(vector: vector) } else { passLine(causes, access) }
  }

  /// True if the configuration may have changed since the last time.
  func takeChange(causes: UInt8, _ access: borrowing PCIAccess) -> Bool {
    if plan.count > 0 { pass(vector: 0) } else { passLine(causes, access) }
    return change.isOpen && sys_eventfd_drain(change.number) != 0
  }

  private func pass(vector: Int) {
    let event = shared(vector: vector)
    if event < 0 || sys_eventfd_drain(event) == 0 { return }
    for pair in 0..<pairs where plan.vector(queue: 2 * pair) == vector { _ = sys_eventfd_signal(calls[pair]) }
    if vector == 0 { _ = sys_eventfd_signal(change.number) }
  }

  /// Takes an INTx interrupt, passes it on, and unmasks the line, which the kernel has masked (virtio 1.4, 4.1.5.5). Bit 0
  /// of `causes` stands for any queue, bit 1 for the configuration.
  private func passLine(_ causes: UInt8, _ access: borrowing PCIAccess) {
    if line < 0 { return }
    // A function that is gone reads as all ones, which means nothing.
    if causes != 0xff {
      for pair in 0..<pairs where causes & 1 != 0 { _ = sys_eventfd_signal(calls[pair]) }
      if causes & 2 != 0 && change.isOpen { _ = sys_eventfd_signal(change.number) }
    }
    access.rearmLine(line)
  }
}

extension PCIInterrupts {
  /// Fails if a vector register does not keep what was written to it: the device refuses (virtio 1.4, 4.1.5.1.2.2).
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
