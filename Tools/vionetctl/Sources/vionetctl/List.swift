// SPDX-License-Identifier: BSD-2-Clause

import ArgumentParser

struct List: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the virtio-net PCI functions and the vDPA devices of this machine.",
    discussion: """
      READY says whether a program can open the device now. If not, the reason is below the table, with the command \
      that helps. The command opens no device, so it shows one that another program has open as ready.
      """)

  @Flag(help: "Print a JSON array.")
  var json = false

  func run() throws {
    let devices = try Device.all()
    if json { return print(try JSON.text(devices)) }
    if devices.isEmpty { return print("This machine has no virtio-net PCI functions and no vDPA devices.") }
    var table = Table("ADDRESS", "KIND", "DRIVER", "INTERFACE", "IOMMU GROUP", "READY")
    for device in devices {
      table.add(
        device.address, device.kind.rawValue, device.driver ?? "-", device.interface ?? "-",
        device.group.map(String.init) ?? "-", device.reason == nil ? "yes" : "no")
    }
    print(table.text)
    let reasons = devices.compactMap { device in
      // Most reasons name the device already.
      device.reason.map { reason in
        if reason.contains(device.name) { return reason }
        return device.isFunction ? "PCI function \(device.name): \(reason)" : "\(device.name): \(reason)"
      }
    }
    if !reasons.isEmpty { print("\n" + reasons.joined(separator: "\n")) }
  }
}
