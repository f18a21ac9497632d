// SPDX-License-Identifier: BSD-2-Clause
//
// Taking hold of a device, and letting go of it.

import CLinux
import Linux

extension Bus {
  /// Takes hold of a PCI function.
  init(pci target: Text) throws(Failure) {
    var state = try PCIBus(target)
    guard let cell = Cell.make(state) else {
      state.close()
      throw Bus.noMemory
    }
    self = .pci(cell)
  }

  /// Joins a TAP interface by the kernel's vhost.
  init(vhostNet name: Text, pairs: UInt16, address: MACAddress?) throws(Failure) {
    var state = try VhostNetBus(name, pairs: pairs, address: address?.inMemory)
    guard let cell = Cell.make(state) else {
      state.close()
      state.destroy()
      throw Bus.noMemory
    }
    self = .vhostNet(cell)
  }

  /// Takes a vDPA device.
  init(vhostVDPA path: Text) throws(Failure) {
    var state = try VhostVDPABus(path)
    guard let cell = Cell.make(state) else {
      state.close()
      throw Bus.noMemory
    }
    self = .vhostVDPA(cell)
  }

  private static var noMemory: Failure { Failure(ENOMEM, "no memory for a bus") }

  /// Lets go of the device for good.
  func destroy() {
    close()
    switch self {
    case .vhostUser(let bus): bus.destroy()
    case .vhostNet(let bus):
      bus.value.destroy()
      bus.destroy()
    case .vhostVDPA(let bus): bus.destroy()
    case .pci(let bus): bus.destroy()
    }
  }

  /// Lets go of the device; it can only be destroyed after that.
  func close() {
    switch self {
    case .vhostUser(let bus): bus.value.close()
    case .vhostNet(let bus): bus.value.close()
    case .vhostVDPA(let bus): bus.value.close()
    case .pci(let bus): bus.value.close()
    }
  }

  /// As destroy(), while a thread may still signal the device: its registers stay where they are, for ever.
  func abandon() {
    if case .pci(let bus) = self { bus.value.stopBusMaster() } else { destroy() }
  }
}
