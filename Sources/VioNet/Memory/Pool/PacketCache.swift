// SPDX-License-Identifier: BSD-2-Clause
//
// A queue's own stack of free packets of one pool. Only the queue's thread touches it: a burst takes and gives packets
// here, and locks the pool once for many packets.

import CLinux
import Linux

struct PacketCache {
  let table: PacketTable
  let pool: Cell<PacketPool>
  let view: PoolView
  /// Packets moved to or from the pool at once.
  let bulk: Int
  var count: Int

  /// Room for four of the largest bulks, whichever pool it serves.
  static let capacity = 4 * PacketPool.largestBulk

  /// Makes an empty cache for packets of `pool`, in a table that another cache had.
  init(table: PacketTable, pool: Cell<PacketPool>) {
    self.table = table
    self.pool = pool
    view = PoolView(pool)
    bulk = pool.value.bulk
    count = 0
  }

  init(pool: Cell<PacketPool>) throws(Failure) {
    guard let table = PacketTable(count: PacketCache.capacity) else {
      throw Failure(ENOMEM, "no memory for a queue's packet cache")
    }
    self.init(table: table, pool: pool)
  }

  /// Takes packets from the pool until there are `wanted` and a bulk more, as far as pool and room allow.
  @inline(never)
  mutating func fill(_ wanted: Int) {
    let target = min(wanted &+ bulk, PacketCache.capacity)
    if target > count { count &+= pool.value.take(target &- count, to: table, at: count) }
  }

  /// True if there are enough packets to lock the pool for.
  @inline(__always) var hasBulk: Bool { count >= bulk }

  /// Returns all packets to the pool.
  @inline(never)
  mutating func empty() {
    pool.value.give(count, from: table, at: 0)
    count = 0
  }

  mutating func destroy() {
    empty()
    table.destroy()
  }
}
