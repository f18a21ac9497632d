// SPDX-License-Identifier: BSD-2-Clause
//
// Registers of a PCI function, with their names for the log.

/// A register of a PCI function.
struct PCIRegister {
  let offset: Int
  let name: StaticString

  init(_ offset: Int, _ name: StaticString) {
    self.offset = offset
    self.name = name
  }
}
