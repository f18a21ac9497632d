// SPDX-License-Identifier: BSD-2-Clause
//
// Taking the queues back: the device releases them, every packet returns to its pool, and the memory goes. Each step does
// what there is to do, so that this serves every failed bring-up too.

import CLinux
import CVionet
import Linux

extension Port {
  /// Takes all queues back. Those that a device does not release go into quarantine (Quarantine.swift).
  mutating func tearDown() {
    if quiesce() { releaseQueues() } else { quarantineQueues() }
  }

  /// Disables and stops each ring, then resets the device. False for a PCI device that shows no reset: it may write where it
  /// likes.
  mutating func quiesce() -> Bool {
    // Without a region the device was given nothing since it last released all.
    if queues.region == nil { return true }
    return bus.quiesce(queues.pairs * 2, control: queues.control?.index)
  }

  /// Unmakes the queues, which the device has released.
  mutating func releaseQueues() {
    leaveQuarantine()
    for pair in 0..<queues.pairs { returnPackets(pair) }
    queues.control?.destroy()
    queues.control = nil
    for pair in 0..<queues.pairs {
      statistics.absorb(
        pair, receiveQueue(pair).value.core.counters, transmitQueue(pair).value.core.counters)
      transmitQueue(pair).value.destroy()
      receiveQueue(pair).value.destroy()
    }
    queues.pairs = 0
    queues.receivePathName = ""
    queues.transmitPathName = ""
    queues.region?.destroy()
    queues.region = nil
  }

  /// Gives the packets of one pair back to their pools. What the device has sent by now counts as sent.
  private func returnPackets(_ pair: UInt16) {
    let transmit = transmitQueue(pair)
    if transmit.value.core.fault == .none { reclaimSent(transmit) }
    transmit.value.takeBack()
    receiveQueue(pair).value.takeBack()
  }

  /// Leaves rings, tables and control blocks to a thread that does not come out of a burst, or to a device that does not
  /// release them. The next port in this slot makes new blocks.
  // Safety: the table of blocks is never freed; only its entries are cleared.
  mutating func abandonQueues() {
    for pair in 0..<queues.pairs {
      unsafe PortSlots.all[number].receiveQueues?[Int(pair)] = nil
      unsafe PortSlots.all[number].transmitQueues?[Int(pair)] = nil
    }
    queues.pairs = 0
    queues.control = nil
    queues.region = nil
  }
}
