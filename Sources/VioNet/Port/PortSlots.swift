// SPDX-License-Identifier: BSD-2-Clause
//
// The table of port numbers, in static storage. A slot outlives its port, and so do the control blocks of its queues, which
// the next port of that number uses again. That lets a burst with a stale port number return 0 instead of touching freed
// memory.

import CLinux
import CVionet
import Linux

/// One number in the table of ports: 64 bytes. All-zero is a slot never used.
@safe
struct PortSlot {
  /// Control blocks of the receive and transmit queues, one pointer per queue; kept for ever once made.
  var receiveQueues: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
  var transmitQueues: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
  /// Behind receiveCount and transmitCount.
  private var countOfReceive: UInt16
  private var countOfTransmit: UInt16
  /// Held while somebody reads or changes the port, but not while a running port's device is waited for.
  var lock: SpinLock
  private var owner: UnsafeMutableRawPointer?
  /// The slot belongs to a port, or to one being probed.
  var taken: Bool
  /// A thread is on its way to close the port.
  var isClosing: Bool
  private var told: UInt8
  private var inherited: UInt8
  /// Address of an array with the backlog of each pair while the device is away, 0 for none.
  var backlog: UInt
  /// Held by every call that may change the port or talk to its device, from beginning to end; taken before `lock`.
  var callLock: SpinLock
  private var lives: UInt32
  /// Address of the port's Watcher, 0 for none; changed only while bursts are kept out.
  var watcher: UInt
}

/// What threads read without a lock while another one, which has it, may write. Whoever sees a number of queues sees the
/// blocks that it counts.
// Safety: each member is a field of the slot, read and written in one access.
extension PortSlot {
  /// How many of the control blocks a burst may use; 0 while the port is not started.
  @inline(__always)
  var receiveCount: UInt16 {
    mutating get { unsafe shared_load16_acquire(&countOfReceive) }
    set { unsafe shared_store16_release(&countOfReceive, newValue) }
  }
  @inline(__always)
  var transmitCount: UInt16 {
    mutating get { unsafe shared_load16_acquire(&countOfTransmit) }
    set { unsafe shared_store16_release(&countOfTransmit, newValue) }
  }
  /// The open port, which is used under `lock` only.
  var port: UnsafeMutableRawPointer? {
    mutating get { unsafe UnsafeMutableRawPointer(bitPattern: UInt(shared_load64(&owner))) }
    set { unsafe shared_store64(&owner, UInt64(UInt(bitPattern: newValue))) }
  }
  /// The log has told of a burst on a queue that the port does not have.
  var hasToldOfQueue: Bool {
    mutating get { unsafe shared_load8(&told) != 0 }
    set { unsafe shared_store8(&told, newValue ? 1 : 0) }
  }
  /// The port is the parent's, from which this process was forked; a port of this process may take the number when no other
  /// is free.
  var isInherited: Bool {
    mutating get { unsafe shared_load8(&inherited) != 0 }
    set { unsafe shared_store8(&inherited, newValue ? 1 : 0) }
  }
  /// Counts the ports that had the number, so that who knew an earlier one can tell.
  @inline(__always)
  var life: UInt32 {
    mutating get { unsafe shared_load32(&lives) }
    set { unsafe shared_store32(&lives, newValue) }
  }
}

enum PortSlots {
  static var all: Table<PortSlot> {
    // Safety: the block is static, as long as PortSlots.bytes, and holds nothing but these slots and State.
    unsafe Table(base: storage_ports().assumingMemoryBound(to: PortSlot.self), count: Int(VIONET_MAX_PORTS))
  }

  /// The slot of a number below VIONET_MAX_PORTS, at an address that is computed once.
  // Safety: the table has as many slots.
  @inline(__always)
  static func at(_ number: UInt16) -> Cell<PortSlot> { unsafe Cell(all.base + Int(number)) }

  /// What concerns all slots.
  struct State {
    /// Held while a slot is taken or given back.
    var lock: SpinLock
    /// Ports of this process.
    var openPorts: UInt32
    /// Address of the first watcher that a thread stayed in, 0 for none.
    var strandedWatchers: UInt
  }

  // Safety: State lies behind the slots in the same block.
  static var shared: Cell<State> { unsafe Cell(raw: storage_ports() + stateOffset) }

  private static let stateOffset = MemoryLayout<PortSlot>.stride * Int(VIONET_MAX_PORTS)
  /// Bytes of table and state; C sets aside STORAGE_PORTS_BYTES.
  static let bytes = stateOffset + MemoryLayout<State>.stride

  /// Keeps everything while a port is open when the library is unloaded: other threads may be at work then, as at the end
  /// of a process.
  static func keepWhileOpen() { storage_keep_while { PortSlots.shared.value.openPorts != 0 ? 1 : 0 } }
}
