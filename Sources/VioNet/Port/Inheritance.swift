// SPDX-License-Identifier: BSD-2-Clause
//
// Ports in a forked child. They belong to the parent: its device, whose driver can be one process only, and its threads,
// which the child has not got. So the child leaves them alone, its bursts find no queue, and other calls say whose the port
// is. Ports that the child opens itself get numbers of their own.

import CLinux
import CVionet
import Linux

extension PortSlots {
  /// From now on forked children leave the ports there are to this process.
  static func leaveToParentInChild() {
    fork_leaves(Int32(FORK_EVENTS)) { EventCallbackTable.shared.value.forget() }
    fork_leaves(Int32(FORK_PORTS)) { PortSlots.leaveToParent() }
  }

  /// Runs first thing in a forked child. Whatever another thread of the parent was about to do, and whichever locks it
  /// held, no port is looked at.
  private static func leaveToParent() {
    shared.value.lock = SpinLock()
    shared.value.openPorts = 0
    for number in 0..<all.count { all[number].leaveToParent() }
  }

  /// A free number, the lowest; one of the parent's ports if no other is left.
  static var free: UInt16? {
    for number in 0..<UInt16(VIONET_MAX_PORTS) where !all[number].taken { return number }
    for number in 0..<UInt16(VIONET_MAX_PORTS) where all[number].isInherited { return number }
    return nil
  }

  /// Makes the number of a parent's port free in this process.
  static func forget(_ number: UInt16) {
    shared.value.lock.lock()
    defer { shared.value.lock.unlock() }
    if !all[number].isInherited { return }
    all[number].isInherited = false
    all[number].taken = false
  }
}

// Safety: nothing is followed. The blocks of the queues stay with the retained memory of the library.
extension PortSlot {
  fileprivate mutating func leaveToParent() {
    isInherited = taken
    receiveCount = 0
    transmitCount = 0
    unsafe receiveQueues = nil
    unsafe transmitQueues = nil
    unsafe port = nil
    isClosing = false
    backlog = 0
    life &+= 1
    lock = SpinLock()
    callLock = SpinLock()
  }
}
