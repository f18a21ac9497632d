// SPDX-License-Identifier: BSD-2-Clause

import ArgumentParser

struct List: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the virtio-net PCI functions and the vDPA devices of this machine.",
    discussion: """
      READY says whether a program can open the device now. If not, the reason is below the table, with the command \
      that helps, and a warning if the device's interface is in use. The command opens no device, so it shows one that \
      another program has open as ready.
      """)

  @Flag(help: "Print a JSON array.")
  var json = false

  func run() throws {
    let devices = try Device.all()
    if json { return print(try JSON.text(devices)) }
    if devices.isEmpty { return print("This machine has no virtio-net PCI functions and no vDPA devices.") }
    var table = Table(
      "ADDRESS", "KIND", "DRIVER", "INTERFACE", "IOMMU GROUP", "READY", styles: ["yes": .green, "no": .red])
    for device in devices {
      table.add(
        device.address, device.kind.rawValue, device.driver ?? "-", device.interface ?? "-",
        device.group.map(String.init) ?? "-", device.reason == nil ? "yes" : "no")
    }
    print(table.text)
    let reasons = devices.flatMap { [List.reason($0), List.warning($0)].compactMap { $0 } }
    if !reasons.isEmpty { print("\n" + reasons.joined(separator: "\n")) }
  }

  /// Why a device is not ready. Most reasons name it already.
  private static func reason(_ device: Device) -> String? {
    guard let reason = device.reason, !reason.contains(device.name) else { return device.reason }
    return device.isFunction ? "PCI function \(device.name): \(reason)" : "\(device.name): \(reason)"
  }

  /// What the machine loses with a device that the kernel uses.
  private static func warning(_ device: Device) -> String? {
    guard let interface = device.interface, !device.uses.isEmpty else { return nil }
    let cut = device.uses.contains(Interface.defaultRoute) ? ", and may be cut off from its network" : ""
    return "Careful: \(interface) of \(device.name) is up and has \(device.uses.joined(separator: ", ")). "
      + "Without it this machine loses that\(cut); bind takes it with --force only"
  }
}
