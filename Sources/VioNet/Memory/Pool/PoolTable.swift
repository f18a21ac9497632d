// SPDX-License-Identifier: BSD-2-Clause
//
// The table of pools, in static storage: a pool's number finds it at a fixed address for as long as the library is
// loaded.

import CLinux
import CVionet
import Linux

enum PoolTable {
  static var pools: Table<PacketPool> {
    // Safety: the block is static, as long as PoolTable.bytes, and holds nothing but these pools and State.
    unsafe Table(base: storage_pools().assumingMemoryBound(to: PacketPool.self), count: Int(VIONET_MAX_POOLS))
  }

  /// What concerns all pools.
  struct State {
    /// Held while a pool is opened, destroyed, or reserved from.
    var lock: SpinLock
    private var numberOfDefault: UInt16
    private var end: UInt16
    /// Frees of pointers that belong to no pool; changed atomically.
    var foreignFrees: UInt64
  }

  // Safety: State lies behind the pools in the same block.
  static var shared: Cell<State> { unsafe Cell(raw: storage_pools() + stateOffset) }

  /// From now on forked children leave the pools there are to this process.
  static func leaveToParentInChild() {
    fork_leaves(Int32(FORK_POOLS)) {
      PoolTable.shared.value.lock = SpinLock()
      PoolTable.shared.value.defaultPool = 0
      for number in 0..<PoolTable.pools.count { PoolTable.leaveToParent(number) }
    }
  }

  /// Forgets a pool, whoever holds its lock. Its memory is not mapped in a forked child.
  // Safety: all-zero is a number without a pool.
  private static func leaveToParent(_ number: Int) {
    let isOfParent = pools[number].isOpen || pools[number].isInherited
    unsafe _ = memset(pools.base + number, 0, MemoryLayout<PacketPool>.stride)
    pools[number].isInherited = isOfParent
  }

  /// A number without a pool, the lowest from 1 on; one of the parent's pools if no other is left.
  static var free: UInt16? {
    var found: UInt16?
    for number in 1..<UInt16(VIONET_MAX_POOLS) where !pools[number].isOpen {
      if !pools[number].isInherited { return number }
      found = found ?? number
    }
    return found
  }

  private static let stateOffset = MemoryLayout<PacketPool>.stride * Int(VIONET_MAX_POOLS)
  /// Bytes of table and state; C sets aside STORAGE_POOLS_BYTES.
  static let bytes = stateOffset + MemoryLayout<State>.stride
}

// Safety: as below.
extension PacketPool {
  /// The pool is the parent's, from which this process was forked. Threads read it without the lock.
  var isInherited: Bool {
    mutating get { unsafe shared_load8(&inherited) != 0 }
    set { unsafe shared_store8(&inherited, newValue ? 1 : 0) }
  }
}

/// What threads read without the lock. Whoever sees a number sees the pool that has it.
// Safety: each member is a field of the state, read and written in one access.
extension PoolTable.State {
  /// Number of the pool that ports share by default, 0 while there is none.
  @inline(__always)
  var defaultPool: UInt16 {
    mutating get { unsafe shared_load16_acquire(&numberOfDefault) }
    set { unsafe shared_store16_release(&numberOfDefault, newValue) }
  }
  /// One more than the highest number in use so far.
  @inline(__always)
  var poolsInUse: UInt16 {
    mutating get { unsafe shared_load16_acquire(&end) }
    set { unsafe shared_store16_release(&end, newValue) }
  }
}
