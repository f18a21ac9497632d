// SPDX-License-Identifier: BSD-2-Clause
//
// Queues that a PCI device does not release. It was told to reset and does not show that it did, not even after a reset
// through the PCI bus. Until it is sure to leave them alone, its rings stay in memory and in the IOMMU, and no buffer that it
// has goes back to a pool, where it would write over the next packet. Four things end this: the device shows a reset after
// all; the function is closed and opened again, whereby the kernel resets it; the function is closed and an IOMMU guards the
// memory, since closing unmaps it; the process ends.

import CLinux
import CVionet
import Linux

extension Port {
  mutating func quarantineQueues() {
    enterQuarantine()
    PortSlots.all[number].receiveCount = 0
    PortSlots.all[number].transmitCount = 0
    if Log.wanted(.error) {
      Log.line("port").number(number).text("keeps").number(quarantinedBuffers)
        .text("buffers in quarantine: its device shows no reset").send(.error)
    }
  }

  private var quarantinedBuffers: Int {
    var count = 0
    for pair in 0..<queues.pairs {
      count += Int(receiveQueue(pair).value.core.ring.outstanding)
      count += Int(transmitQueue(pair).value.core.ring.outstanding)
    }
    return count
  }

  /// What a call says whose device keeps its queues.
  func quarantineFailure() -> Failure {
    Failure(EIO, "port ").number(number).text(": its device shows no reset and may still write to memory, so ")
      .number(quarantinedBuffers).text(" buffers are kept from all others until it does, or ")
      .text(bus.traits.usesPhysicalAddresses ? "the process ends" : "the port is closed")
  }

  /// Makes sure of a device that can be brought up: it is there, and has released the queues it had.
  mutating func revive() throws(Failure) {
    if phase.isQuarantined { tearDown() }
    if !phase.isQuarantined && bus.connector != nil {
      if bus.isGone { throw Failure(ECONNRESET, "the back-end of port ").number(number).text(" is gone") }
    } else if phase.isQuarantined || bus.isGone {
      try reconnect()
    }
  }

  /// Releases the queues of a function that was closed, if an IOMMU stands before it: closing took its way to the memory.
  mutating func releaseIfGuarded() { if phase.isQuarantined && !bus.traits.usesPhysicalAddresses { releaseQueues() } }

  /// Releases the queues of a function that was opened again, whereby the kernel has reset it.
  mutating func releaseAfterReset() throws(Failure) {
    if !phase.isQuarantined { return }
    if Failure.quietly({ () throws(Failure) in try bus.reset() }) == nil { throw quarantineFailure() }
    releaseQueues()
  }
}
