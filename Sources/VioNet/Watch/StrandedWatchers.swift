// SPDX-License-Identifier: BSD-2-Clause
//
// Watchers of closed ports that a thread may still call: it was inside a burst when the port was closed, and did not come out
// in time. Their queues' blocks are never freed, so that a later call can tell whether the thread has left.

import CLinux
import CVionet
import Linux

/// What a watcher has once its port was closed around a thread.
struct Stranded {
  var port: UInt16 = 0
  /// Addresses of the closed port's queues; nil if there was no memory for them, which is as if a thread stays.
  var blocks: Table<UInt>?
  /// Address of the next watcher in the list of all, 0 for none.
  var next: UInt = 0

  /// True as long as a thread may be inside a burst that calls the watcher.
  // Safety: blocks of queues are never freed, and begin with their Virtqueue.
  private var isCalled: Bool {
    guard let blocks else { return true }
    for place in 0..<blocks.count {
      guard let raw = unsafe UnsafeMutableRawPointer(bitPattern: blocks[place]) else { continue }
      if unsafe Cell<Virtqueue>(raw: raw).value.waitUntilLeft(by: Deadline(milliseconds: 0)) { continue }
      return true
    }
    return false
  }

  /// True if a thread may still call the watcher with that user of a port that had this number. Forgets those of the number
  /// that nobody calls any more.
  // Safety: the list is read and changed under the lock of all slots, and holds watchers that only this frees.
  static func isCalled(_ port: UInt16, user: UInt) -> Bool {
    PortSlots.shared.value.lock.lock()
    defer { PortSlots.shared.value.lock.unlock() }
    var isFound = false
    var last: Cell<Watcher>?
    var address = PortSlots.shared.value.strandedWatchers
    while let raw = unsafe UnsafeMutableRawPointer(bitPattern: address) {
      let each = unsafe Cell<Watcher>(raw: raw)
      address = each.value.stranded.next
      if each.value.stranded.port == port && !each.value.stranded.isCalled {
        if let last { last.value.stranded.next = address } else { PortSlots.shared.value.strandedWatchers = address }
        each.value.stranded.blocks?.destroy()
        each.destroy()
        continue
      }
      if each.value.stranded.port == port && each.value.user == user { isFound = true }
      last = each
    }
    return isFound
  }
}

extension Port {
  /// Remembers the watcher of a port that is closed around a thread. Bursts that begin from now on move nothing.
  // Safety: the watcher's address is that of a cell that exchangeWatcher() has set, and which nobody frees but the list.
  mutating func strandWatcher() {
    for pair in 0..<queues.pairsWithBursts {
      unsafe receiveQueue(pair).value.core.entry = Virtqueue.idleBurst
      unsafe transmitQueue(pair).value.core.entry = Virtqueue.idleBurst
    }
    Barrier.reachAll()
    guard let raw = unsafe UnsafeMutableRawPointer(bitPattern: PortSlots.all[number].watcher) else { return }
    let blocks = Table<UInt>.make(count: 2 * Int(queues.pairsWithBursts))
    if let blocks {
      for pair in 0..<Int(queues.pairsWithBursts) {
        unsafe blocks[2 * pair] = UInt(bitPattern: receiveQueue(UInt16(pair)).raw)
        unsafe blocks[2 * pair + 1] = UInt(bitPattern: transmitQueue(UInt16(pair)).raw)
      }
    }
    let watcher = unsafe Cell<Watcher>(raw: raw)
    PortSlots.shared.value.lock.lock()
    watcher.value.stranded = Stranded(port: number, blocks: blocks, next: PortSlots.shared.value.strandedWatchers)
    PortSlots.shared.value.strandedWatchers = UInt(bitPattern: raw)
    PortSlots.shared.value.lock.unlock()
  }
}
