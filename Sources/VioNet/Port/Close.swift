// SPDX-License-Identifier: BSD-2-Clause
//
// The end of a port: legal in every state, from any thread, and never a failure.

import CLinux
import CVionet
import Linux

extension Port {
  /// Frees all; the caller holds the slot's locks and forgets the port afterwards.
  package mutating func close() {
    let isQuiet = state != VIONET_STATE_STARTED || Failure.quietly { () throws(Failure) in try shutDoors() } != nil
    if isQuiet {
      tearDown()
      endStart()
    }
    // A thread sits in a burst, or a device that no IOMMU guards writes where it likes: what they may still touch stays,
    // and is lost.
    let isLost = !isQuiet || isHeld && bus.usesPhysicalAddresses
    if isQuiet { bus.destroy() } else { bus.abandon() }
    if isLost { abandonQueues() } else if isHeld { unmakeQueues() }
    PortSlots.all[number].eventSignal = 0
    if isQuiet { poke.close() }
    settings.destroy()
    statistics.destroy()
    companion?.finish()
    if let pool, !isLost { PacketPools.letGo(pool, promised) }
    for number in 1..<UInt16(VIONET_MAX_POOLS) where lent >> UInt64(number) & 1 != 0 {
      if let pool = PacketPools.existing(number) { PacketPools.letGo(pool, 0) }
    }
  }
}

extension Ports {
  package static func close(_ number: UInt16) {
    guard number < UInt16(VIONET_MAX_PORTS), beginClosing(number) else { return }
    Events.raise(number, VIONET_EVENT_CLOSED)
    PortSlots.all[number].callLock.lock()
    PortSlots.all[number].lock.lock()
    if let raw = unsafe PortSlots.all[number].port {
      let port = unsafe Cell<Port>(raw: raw)
      unsafe PortSlots.all[number].port = nil
      port.value.close()
      port.destroy()
    }
    PortSlots.all[number].lock.unlock()
    PortSlots.all[number].callLock.unlock()
    giveBack(number)
  }

  /// True for the one call that is to close the port; not one from inside the event of another, nor while it is probed.
  private static func beginClosing(_ number: UInt16) -> Bool {
    PortSlots.all[number].callLock.lock()
    PortSlots.all[number].lock.lock()
    defer {
      PortSlots.all[number].lock.unlock()
      PortSlots.all[number].callLock.unlock()
    }
    guard let raw = unsafe PortSlots.all[number].port else { return false }
    let port = unsafe Cell<Port>(raw: raw)
    if port.value.isClosing || port.value.state.rawValue == 0 { return false }
    port.value.isClosing = true
    return true
  }
}
