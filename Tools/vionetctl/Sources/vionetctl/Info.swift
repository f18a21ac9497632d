// SPDX-License-Identifier: BSD-2-Clause

import ArgumentParser
import Glibc

struct Info: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a device offers and which features libvionet negotiates with it.",
    discussion: """
      Opens the device, resets it, negotiates features and closes it. If the device cannot be initialised, the command \
      shows what is known and fails.
      """)

  @Flag(help: "Print a JSON object.")
  var json = false

  @Argument(
    help: """
      A device address, such as pci:0000:00:05.0, vhost-vdpa:/dev/vhost-vdpa-0, vhost-user:/run/x.sock or \
      soft:loopback. A PCI address needs no "pci:", and the name of a network interface stands for its device.
      """, completion: .custom(Device.completions))
  var device: String

  func run() throws {
    let address = try Device.address(device)
    let found = try Progress.during("waiting for \(address)") { _ in
      try Port.probe(address) { port in
        let trouble = Result { try port.initialise() }
        return (trouble, try port.information())
      }
    }
    guard let (trouble, information) = found else { throw Library.sentence }
    print(json ? try JSON.text(information) : Info.text(information))
    fflush(nil)  // so that an error comes behind it, also if both go to one file
    try trouble.get()
  }

  private static func text(_ port: PortInformation) -> String {
    let ring = port.ring.map(\.rawValue) ?? "none yet"
    var lines = [
      port.device,
      "  MAC          \(port.mac ?? "not known")\(port.macIsRandom ? " (random)" : "")",
      "  MTU          \(port.mtu)",
      "  link         \(port.linkIsUp ? "up" : "down")",
      "  queue pairs  \(port.queuePairs) of \(port.maximumQueuePairs)",
      "  rings        \(ring), \(port.receiveDescriptors) descriptors to receive, "
        + "\(port.transmitDescriptors) to transmit",
      "  header       \(port.headerSize) bytes before each frame",
      "  features",
    ]
    for feature in port.features {
      let bit = String(repeating: " ", count: 3 - String(feature.bit).count) + String(feature.bit)
      let name = feature.name ?? "(no name)"
      let blanks = String(repeating: " ", count: max(1, 34 - name.count))
      lines.append("    \(bit)  \(name)\(blanks)\(feature.isNegotiated ? "in use" : "offered")")
    }
    return lines.joined(separator: "\n")
  }
}
