// SPDX-License-Identifier: BSD-2-Clause
//
// Where ports, pools and event callbacks are found: tables in static storage at a fixed address. A port's slot outlives
// the port, and so do the control blocks of its queues, which the next port in that slot uses again. That is what lets
// a burst with a stale port number return 0 instead of touching freed memory.

import CLinux
import CVionet
import Linux

enum Registry {
  static var ports: Table<PortSlot> {
    unsafe Table(base: registry_base().assumingMemoryBound(to: PortSlot.self), count: Int(VIONET_MAX_PORTS))
  }

  static var pools: Table<PacketPool> {
    unsafe Table(
      base: (registry_base() + poolOffset).assumingMemoryBound(to: PacketPool.self), count: Int(VIONET_MAX_POOLS))
  }

  static var shared: Cell<RegistryState> { unsafe Cell(raw: registry_base() + stateOffset) }

  /// When the library is unloaded with no port open, what it keeps goes: the queues' blocks, and a shared pool that was
  /// used without a port. With a port open other threads may be at work, as at the end of a process: then nothing does.
  static func prepareForUnload() {
    registry_on_unload {
      if Registry.shared.value.openPorts != 0 { return 0 }
      PacketPools.forgetDefault()
      return 1
    }
  }

  private static let poolOffset = MemoryLayout<PortSlot>.stride * Int(VIONET_MAX_PORTS)
  private static let stateOffset = poolOffset + MemoryLayout<PacketPool>.stride * Int(VIONET_MAX_POOLS)
  /// What all of it takes; the C side sets aside REGISTRY_BYTES.
  static let bytes = stateOffset + MemoryLayout<RegistryState>.stride
}

/// One number in the table of ports: 64 bytes. All-zero is a slot never used.
@safe
struct PortSlot {
  /// Control blocks of the receive and transmit queues, one pointer per queue; kept for ever once made.
  var receiveQueues: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
  var transmitQueues: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
  /// How many of them a burst may use; 0 while the port is not started.
  var receiveCount: UInt16
  var transmitCount: UInt16
  /// Held while somebody reads or changes the port, but not while a running port's device is waited for.
  var lock: SpinLock
  var port: UnsafeMutableRawPointer?
  /// The slot belongs to a port, or to one being probed.
  var taken: Bool
  /// One more than the eventfd that tells of news, 0 for none: for queues that are given up in a burst.
  var news: Int32
  /// What is kept of each pair while the device is away: an array of KeptPair, 0 for none.
  var kept: UInt
  /// Held by every call that may change the port or talk to its device, from beginning to end; taken before `lock`.
  var callLock: SpinLock
  private var padding: (UInt32, UInt32, UInt32)
}

@safe
struct EventEntry {
  var callback: UInt
  var user: UInt
}

struct RegistryState {
  /// Held while entries are taken or given back.
  var lock: SpinLock
  var openPorts: UInt32
  /// Number of the pool that ports share by default, 0 while there is none.
  var defaultPool: UInt16
  var poolsInUse: UInt16
  /// Frees of pointers that no pool knows.
  var strangers: UInt64
  var events: InlineArray<8, EventEntry>
  /// The IOMMU groups that ports hold, one leading to the next; and who works on them.
  var groupLock: SpinLock
  var groups: UInt
}
