// SPDX-License-Identifier: BSD-2-Clause
//
// Queues that a PCI device does not let go of. It was told to reset and does not show that it did; asked by way of the
// PCI bus, it still does not (PCIBus.forceReset). Until it is sure to leave them alone, its rings stay in memory and in the
// IOMMU, and no buffer that it has goes back to a pool, where the next packet would be written over. There are four ways
// out: the device shows a reset after all; the function is let go and taken again, whereby the kernel resets it; an IOMMU
// guards the memory, so that letting go of the function, which unmaps it, is enough; the process ends.

import CLinux
import CVionet
import Linux

extension Port {
  mutating func holdQueues() {
    isHeld = true
    PortSlots.all[number].receiveCount = 0
    PortSlots.all[number].transmitCount = 0
    if Log.wanted(.error) {
      Log.line("port").number(number).text("does not let go of").number(heldBuffers)
        .text("buffers: its device shows no reset").send(.error)
    }
  }

  private var heldBuffers: Int {
    var count = 0
    for pair in 0..<queuePairs {
      count += Int(receiveQueue(pair).value.core.ring.outstanding)
      count += Int(transmitQueue(pair).value.core.ring.outstanding)
    }
    return count
  }

  func held() -> Failure {
    Failure(EIO, "port ").number(number).text(": its device shows no reset and may still write to memory, so ")
      .number(heldBuffers).text(" buffers are kept from all others until it does, or ")
      .text(bus.usesPhysicalAddresses ? "the process ends" : "the port is closed")
  }

  /// Makes sure of a device that can be brought up: one that is there, and has let go of the queues it had.
  mutating func revive() throws(Failure) {
    if isHeld { tearDown() }
    if !isHeld && bus.awaitsBackends {
      if bus.isGone { throw Failure(ECONNRESET, "the back-end of port ").number(number).text(" is gone") }
    } else if isHeld || bus.isGone {
      try reconnect()
    }
  }

  /// The function was let go: where an IOMMU stands before it, it has no way to the memory any more.
  mutating func releaseIfGuarded() { if isHeld && !bus.usesPhysicalAddresses { unmakeQueues() } }

  /// The function was taken again, whereby the kernel has reset it.
  mutating func release() throws(Failure) {
    if !isHeld { return }
    if Failure.quietly({ () throws(Failure) in try bus.reset() }) == nil { throw held() }
    unmakeQueues()
  }
}
