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

  /// Why the driver cannot take the function, why this user cannot give it or, without `force`, what its interface is in
  /// use for.
  func problems(force: Bool) -> [String] {
    if writes.isEmpty { return [] }
    var problems: [String] = []
    if let driver, !driver.isLoaded {
      problems.append("the kernel has no driver \(driver.name): modprobe \(driver.module)")
    }
    if driver == .vfio && device.group == nil && !SysFS.allowsNoIOMMU {
      problems.append(
        "PCI function \(device.name) is in no IOMMU group, which vfio-pci needs: start the kernel with intel_iommu=on "
          + "(or its like), or bind the function to uio_pci_generic")
    }
    if !force && !device.uses.isEmpty {
      problems.append(
        "PCI function \(device.name) is in use: its interface \(device.interface ?? "") is up and has "
          + "\(device.uses.joined(separator: ", ")); --force takes it all the same")
    }
    if let refused = writes.lazy.compactMap(\.refusal).first { problems.append(refused.description) }
    return problems
  }

  /// Makes the writes and checks their effect. Returns the function in its new state. One that does not get there goes back
  /// to the driver it had.
  func make() throws -> Device {
    let named = SysFS.read("\(folder)/driver_override")
    do {
      for write in writes { try write.make() }
      return try checked()
    } catch {
      throw Sentence("\(error)\(giveBack(named))")
    }
  }

  private func checked() throws -> Device {
    let now = try Device.named(device.name, among: try Device.all())
    if now.driver == driver?.name { return now }
    let wanted = driver?.name ?? "no driver"
    if let other = now.driver { throw Sentence("PCI function \(device.name) is bound to \(other), not to \(wanted)") }
    throw Sentence("\(wanted) did not take PCI function \(device.name), as dmesg may explain")
  }

  /// Writes back what driver_override `named` before, and lets the function's driver take it again. Returns what there is to
  /// say of that: "" for a function that has not lost its driver.
  private func giveBack(_ named: String?) -> String {
    if let named {
      let line = named.split(separator: "\n").first.map(String.init) ?? ""
      // The kernel shows that there is none by this word.
      try? Write(line: line == "(null)" ? "" : line, path: "\(folder)/driver_override").make()
    }
    guard let before = device.driver, SysFS.link("\(folder)/driver") == nil else { return "" }
    try? Write(line: device.name, path: "\(SysFS.pci)/drivers_probe").make()
    if SysFS.link("\(folder)/driver") == before { return "; it has \(before) again" }
    return "; it has no driver now: vionetctl bind kernel \(device.name)"
  }
}
