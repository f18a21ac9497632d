// SPDX-License-Identifier: BSD-2-Clause

import ArgumentParser

struct Unbind: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Take virtio-net PCI functions from their drivers.",
    discussion: "No driver has them until the next bind.")

  @OptionGroup var options: RebindingOptions

  func run() throws { try options.rebind(to: nil) }
}
