// SPDX-License-Identifier: BSD-2-Clause
//
// The registers of a PCI function: those of a modern device, or those from before virtio 1.0.

import CLinux
import Linux

enum PCIRegisters: ~Copyable {
  case modern(ModernPCI)
  case legacy(LegacyPCI)
  /// The function was let go.
  case none

  var isNone: Bool {
    switch self {
    case .modern: false
    case .legacy: false
    case .none: true
    }
  }

  /// How many interrupt vectors the function has.
  var vectors: UInt32 {
    switch self {
    case .modern(let modern): modern.vectors
    case .legacy(let legacy): legacy.vectors
    case .none: 0
    }
  }

  /// Tells a legacy device's registers that MSI-X is on, which moves the configuration.
  mutating func setVectorsAreOn(_ on: Bool) {
    switch consume self {
    case .legacy(var legacy):
      legacy.vectorsAreOn = on
      self = .legacy(legacy)
    case .modern(let modern): self = .modern(modern)
    case .none: self = .none
    }
  }

  /// Chooses the modern registers if all four structures are there, and else the legacy ones if the device has them. Which
  /// kind it is says sysfs, since a virtual function does not.
  // Safety: the closure passes on the buffer that ConfigurationSpace sized.
  static func choose(_ access: borrowing PCIAccess, isTransitional: Bool) throws(Failure) -> PCIRegisters {
    let space = try unsafe ConfigurationSpace { room, count in unsafe access.readConfiguration(0, room, count) }
    let capabilities = PCICapabilities(space) { bar in access.memoryLength(bar: bar) }
    if capabilities.isModern {
      if Log.wanted(.info) { Log.line("pci: modern device,").number(capabilities.vectors).text("vectors").send(.info) }
      return .modern(try ModernPCI(access, capabilities))
    }
    if !isTransitional {
      throw Failure(ENOTSUP, "the function has no usable capability ").text(capabilities.missing ?? "")
        .text(" and, not being transitional, no legacy interface")
    }
    if Log.wanted(.info) { Log.line("pci: legacy device,").number(capabilities.vectors).text("vectors").send(.info) }
    return .legacy(try LegacyPCI(try access.openPorts(), capabilities))
  }
}
