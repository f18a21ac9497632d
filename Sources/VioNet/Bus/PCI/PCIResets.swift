// SPDX-License-Identifier: BSD-2-Clause
//
// How a virtio PCI function is made to let go of memory: it is suspended if it can be, reset, and reset through the PCI bus if
// it does not confirm that. Each wait has its limit within the call's.

import CLinux
import Linux
import Virtio

extension PCITransport {
  mutating func quiesce(_ rings: UInt16, control: UInt16?) -> Bool {
    suspend()
    let isReset = Failure.quietly { () throws(Failure) in try reset(by: deadline.earlier(by: 1000)) } != nil
    if !isReset && !forceReset() { return false }
    disconnect()
    forgetMemory()
    return true
  }

  /// Has the device come to rest, within half a second (virtio 1.4, 3.4.1): a reset alone may meet it in the middle of a
  /// packet, and then nothing shows whether that was sent.
  private func suspend() {
    let before = quietStatus
    let isRunning = before & (DeviceStatus.driverOK | DeviceStatus.needsReset) == DeviceStatus.driverOK
    if accepted & Feature.suspend == 0 || !isRunning || isAbsent { return }
    setStatus(before | DeviceStatus.suspend)
    let deadline = Deadline(milliseconds: 500, within: self.deadline.earlier(by: 2000))
    while true {
      let now = quietStatus
      // A device may ask for a reset instead, which comes next anyway. All ones, for one that is gone, has that bit, too.
      if now & DeviceStatus.needsReset != 0 { return }
      if now & (DeviceStatus.suspend | DeviceStatus.driverOK) == DeviceStatus.suspend { return }
      if deadline.hasPassed { return }  // tested by abi-pci-words
      sys_sleep_microseconds(100)
    }
  }

  func reset() throws(Failure) { try reset(by: deadline) }

  private func reset(by end: Deadline) throws(Failure) {
    setStatus(0)
    let deadline = Deadline(milliseconds: 3000, within: end)
    while quietStatus != 0 {
      // tested by abi-pci-resets
      if isAbsent { throw Failure(ENODEV, "the device is gone: its registers read as all ones") }
      if deadline.hasPassed { throw Failure.resetTimedOut }  // tested by abi-pci-resets
      sys_sleep_microseconds(1000)
    }
    _ = status()  // logs the result
  }

  /// Called, with a second left, if the device did not confirm its reset. True if it is certain to leave our memory alone:
  /// it is gone, it shows a late reset, or a reset through the PCI bus worked. Otherwise bus mastering is switched off,
  /// which a device in that state may ignore.
  func forceReset() -> Bool {
    if registers.isNone { return true }
    if !access.isOnBus { return true }
    // The registers may have been switched off.
    Failure.quietly { () throws(Failure) in try access.enable() }
    if isReset() || access.reset() && isReset() { return true }
    stopBusMaster()
    return false
  }

  private func stopBusMaster() { _ = access.stopBusMaster() }

  func stopInPlace() -> Bool {
    stopBusMaster()
    return true
  }

  private func isReset() -> Bool {
    setStatus(0)
    let deadline = Deadline(milliseconds: 500, within: self.deadline)
    while quietStatus != 0 {
      if deadline.hasPassed { return false }  // tested by abi-pci-resets
      sys_sleep_microseconds(1000)
    }
    return true
  }
}
