// SPDX-License-Identifier: BSD-2-Clause
//
// check_threads=1: a burst that finds another thread in a burst of the same queue does nothing, and the log names the queue.
// Without the key two such threads spoil the queue's records, and whatever goes wrong then looks like the device's fault.

import CLinux
import CVionet
import Linux

extension Virtqueue {
  /// Calls the burst alone on the queue; does nothing if another thread is on it.
  // Safety: the mark is the queue's own and is changed atomically; the caller passes what it was given.
  @inline(__always)
  mutating func alone(_ burst: () -> UInt16) -> UInt16 {
    if unsafe shared_exchange8_acquire(&isOccupied, 1) != 0 {
      tellOfThreads()
      return 0
    }
    let result = burst()
    unsafe shared_store8_release(&isOccupied, 0)
    return result
  }

  // Safety: the mark is the queue's own and is changed atomically, since several threads may be turned away at once.
  @inline(never)
  private mutating func tellOfThreads() {
    if !Log.wanted(.error) { return }
    if unsafe shared_exchange8_acquire(&hasToldOfThreads, 1) != 0 { return }
    Log.line("port").number(port).text(index % 2 == 0 ? "receive queue" : "transmit queue").number(index / 2)
      .text("has two threads at once: a queue takes one in each direction, and a transmit buffer more").send(.error)
  }

  /// Checks the queue's thread around the burst in use.
  // Safety: a control block begins with its Virtqueue, and the burst is the one that was made for it.
  static let checkedBurst: Burst = { block, packets, count in
    let core = unsafe Cell<Virtqueue>(raw: block)
    return core.value.alone { unsafe core.value.countedBurst(block, packets, count) }
  }
}
