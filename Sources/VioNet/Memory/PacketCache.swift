// SPDX-License-Identifier: BSD-2-Clause
//
// A queue's own stack of free packets of one pool, touched by the queue's thread alone: a burst takes and gives here
// and goes to the pool, with its lock, once in many packets.

import CLinux
import Linux

struct PacketCache {
  /// Packets moved to or from the pool at once, and twice that is the most the cache keeps.
  static let bulk = 128
  static let capacity = 4 * bulk

  let table: PacketTable
  let pool: Cell<PacketPool>
  let view: PoolView
  var count: Int

  /// Empty, for packets of `pool`, in a table that another cache had.
  init(table: PacketTable, pool: Cell<PacketPool>) {
    self.table = table
    self.pool = pool
    view = PoolView(pool)
    count = 0
  }

  init(pool: Cell<PacketPool>) throws(Failure) {
    guard let table = PacketTable(count: PacketCache.capacity) else {
      throw Failure(ENOMEM, "no memory for a queue's packet cache")
    }
    self.table = table
    self.pool = pool
    view = PoolView(pool)
    count = 0
  }

  /// Makes sure of `wanted` (at most capacity - bulk) packets if the pool has them.
  @inline(never)
  mutating func fill(_ wanted: Int) {
    count &+= pool.value.take(wanted &- count &+ PacketCache.bulk, to: table, at: count)
  }

  /// Sends all but one bulk back to the pool.
  @inline(never)
  mutating func spill() {
    let surplus = count &- PacketCache.bulk
    if surplus <= 0 { return }
    count = PacketCache.bulk
    pool.value.give(surplus, from: table, at: count)
  }

  mutating func empty() {
    pool.value.give(count, from: table, at: 0)
    count = 0
  }

  mutating func destroy() {
    empty()
    table.destroy()
  }
}
