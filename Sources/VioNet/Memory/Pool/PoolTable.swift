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
    /// Number of the pool that ports share by default, 0 while there is none.
    var defaultPool: UInt16
    /// One more than the highest number in use so far.
    var poolsInUse: UInt16
    /// Frees of pointers that belong to no pool.
    var foreignFrees: UInt64
  }

  // Safety: State lies behind the pools in the same block.
  static var shared: Cell<State> { unsafe Cell(raw: storage_pools() + stateOffset) }

  private static let stateOffset = MemoryLayout<PacketPool>.stride * Int(VIONET_MAX_POOLS)
  /// Bytes of table and state; C sets aside STORAGE_POOLS_BYTES.
  static let bytes = stateOffset + MemoryLayout<State>.stride
}
