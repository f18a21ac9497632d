// SPDX-License-Identifier: BSD-2-Clause
//
// vionet_close(): legal in every phase, from any thread, and never a failure.

import CLinux
import CVionet
import Linux

extension Port {
  /// Frees everything. The caller holds the slot's locks and forgets the port afterwards.
  mutating func close() {
    let isQuiet = !phase.isStarted || Failure.quietly { () throws(Failure) in try disableBursts() } != nil
    if isQuiet {
      finishSending()
      tearDown()
      endStart()
    }
    // A thread that stays in a burst, or a device that no IOMMU guards, may still touch the queues: they stay, and are lost.
    let isLost = !isQuiet || phase.isQuarantined && bus.traits.usesPhysicalAddresses
    bus.destroy(isInUse: !isQuiet)
    if !isQuiet { strandWatcher() }
    if isLost { abandonQueues() } else if phase.isQuarantined { releaseQueues() }
    forgetWatcher(isQuiet: isQuiet)
    // A thread inside a burst may still signal the eventfd, whose number must not become another file's.
    if !isQuiet { _ = watch.signal.take() }
    settings.destroy()
    statistics.destroy()
    hosted?.finish()
    if let pool = pools.receive, !isLost { PacketPools.release(pool, pools.reserved) }
    if !isLost { releaseQueuePools() }
    pools.ofQueues?.destroy()
    for number in 1..<UInt16(VIONET_MAX_POOLS) where pools.shared >> UInt64(number) & 1 != 0 {
      if let pool = PacketPools.existing(number) { PacketPools.release(pool, 0) }
    }
  }
}

extension Ports {
  package static func close(_ number: UInt16) {
    var budget = Budget.usual
    close(number, &budget)
  }

  // Safety: the slot has the address of a live port, and this thread holds both of its locks.
  package static func close(_ number: UInt16, _ budget: inout Budget) {
    if isInherited(number) { return PortSlots.forget(number) }
    guard number < UInt16(VIONET_MAX_PORTS), beginClosing(number) else { return }
    EventCallbacks.raise(number, VIONET_EVENT_CLOSED)
    PortSlots.all[number].callLock.lock()
    PortSlots.all[number].lock.lock()
    if let raw = unsafe PortSlots.all[number].port {
      let port = unsafe Cell<Port>(raw: raw)
      unsafe PortSlots.all[number].port = nil
      port.value.bus.limit(to: budget.run())
      port.value.close()
      port.destroy()
    }
    PortSlots.all[number].isClosing = false
    PortSlots.all[number].lock.unlock()
    PortSlots.all[number].callLock.unlock()
    giveBack(number)
  }

  /// True for the one call that closes the port. False inside its own VIONET_EVENT_NEW, and for a second call.
  // Safety: as close().
  private static func beginClosing(_ number: UInt16) -> Bool {
    PortSlots.all[number].callLock.lock()
    PortSlots.all[number].lock.lock()
    defer {
      PortSlots.all[number].lock.unlock()
      PortSlots.all[number].callLock.unlock()
    }
    guard let raw = unsafe PortSlots.all[number].port else { return false }
    let port = unsafe Cell<Port>(raw: raw)
    if PortSlots.all[number].isClosing || port.value.phase == .probing { return false }
    PortSlots.all[number].isClosing = true
    return true
  }
}
