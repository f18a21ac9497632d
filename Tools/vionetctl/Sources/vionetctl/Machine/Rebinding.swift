// SPDX-License-Identifier: BSD-2-Clause
//
// Moves a function from one driver to another by three writes to sysfs, with checks before and after.
//
// driver_override names the only driver that may take the function; unbind takes it from its present driver;
// drivers_probe makes the kernel look for a driver again.

import ArgumentParser

enum Driver: String, CaseIterable, ExpressibleByArgument {
  case vfio = "vfio-pci"
  case uio = "uio_pci_generic"
  case kernel

  init?(argument: String) {
    // virtio-pci is the name of the kernel's driver.
    self.init(rawValue: argument == "virtio-pci" ? "kernel" : argument)
  }

  /// The name in sysfs.
  var name: String { self == .kernel ? "virtio-pci" : rawValue }
  var module: String { self == .kernel ? "virtio_pci" : rawValue }
  var isLoaded: Bool { SysFS.exists("\(SysFS.pci)/drivers/\(name)") }
}

struct Rebinding {
  let device: Device
  /// The driver that gets the function; nil for none.
  let driver: Driver?

  private var folder: String { "\(SysFS.pci)/devices/\(device.name)" }

  /// The writes that are needed; none if the function has that driver already.
  var writes: [Write] {
    if device.driver == driver?.name { return [] }
    var writes: [Write] = []
    if let driver {
      writes.append(Write(line: driver == .kernel ? "" : driver.name, path: "\(folder)/driver_override"))
    }
    if device.driver != nil { writes.append(Write(line: device.name, path: "\(folder)/driver/unbind")) }
    if driver != nil { writes.append(Write(line: device.name, path: "\(SysFS.pci)/drivers_probe")) }
    return writes
  }

  /// Throws if the driver cannot take the function or, without `force`, if its interface is in use.
  func check(force: Bool) throws {
    if writes.isEmpty { return }
    if let driver, !driver.isLoaded {
      throw Sentence("the kernel has no driver \(driver.name): modprobe \(driver.module)")
    }
    if driver == .vfio && device.group == nil {
      throw Sentence(
        "PCI function \(device.name) is in no IOMMU group, which vfio-pci needs: start the kernel with intel_iommu=on "
          + "(or its like), or bind the function to uio_pci_generic")
    }
    guard !force, let interface = device.interface else { return }
    let uses = Interface(name: interface).uses
    if !uses.isEmpty {
      throw Sentence(
        "PCI function \(device.name) is in use: its interface \(interface) is up and has "
          + "\(uses.joined(separator: ", ")); --force takes it all the same")
    }
  }

  /// Makes the writes and checks their effect. Returns the function in its new state.
  func make() throws -> Device {
    do {
      for write in writes { try write.make() }
    } catch {
      throw Sentence("\(error)\(wayOut)")
    }
    let now = try Device.named(device.name, among: try Device.all())
    if now.driver == driver?.name { return now }
    let wanted = driver?.name ?? "no driver"
    if let other = now.driver { throw Sentence("PCI function \(device.name) is bound to \(other), not to \(wanted)") }
    throw Sentence("\(wanted) did not take PCI function \(device.name), as dmesg may explain\(wayOut)")
  }

  /// A hint for a function that lost its driver and got no other; "" for any other function.
  private var wayOut: String {
    if device.driver == nil || SysFS.link("\(folder)/driver") != nil { return "" }
    return "; it has no driver now: vionetctl bind kernel \(device.name)"
  }
}
