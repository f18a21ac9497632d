// SPDX-License-Identifier: BSD-2-Clause
//
// Which addresses the device of a PCI function is given, and the risk of one that no IOMMU stands before.

import CLinux
import Linux
import Virtio

struct PCIAddressing {
  let wish: PCIOptions.Addresses
  let hasIOMMU: Bool

  init(_ wish: PCIOptions.Addresses, _ access: borrowing PCIAccess) {
    self.wish = wish
    hasIOMMU = !access.usesPhysicalAddresses
  }

  /// The addresses for a device that offers these features. Without ACCESS_PLATFORM it bypasses the IOMMU, if there is one
  /// (virtio 1.4, 6.1). That hardware lies behind one all the same, only the user knows.
  func kind(offered: UInt64) -> BusTraits.Addressing {
    hasIOMMU && (PCIAddressing.isPlatform(offered) || wish == .virtual) ? .virtual : .physical
  }

  private static func isPlatform(_ offered: UInt64) -> Bool { offered & Feature.accessPlatform != 0 }

  /// Fails if the device cannot be given the addresses that the user asks for.
  func check(_ address: PCIAddress, offered: UInt64) throws(Failure) {
    if wish == .virtual && !hasIOMMU {
      throw Failure(EINVAL, "iova=va: no IOMMU stands before PCI function ").plain(address.name)
    }
    if wish == .physical && hasIOMMU && PCIAddressing.isPlatform(offered) {
      throw Failure(EINVAL, "iova=pa: PCI function ").plain(address.name)
        .text(" offers VIRTIO_F_ACCESS_PLATFORM, so that an IOMMU translates the addresses it is given")
    }
    if !hasIOMMU { PCIAddressing.sayRisk(address) }
  }

  // Safety: a hint only, read and written as one word. Two threads at once may both say it.
  private nonisolated(unsafe) static var isSaid: UInt64 = 0

  /// Writes to the log, once in a process, what the device may do.
  // Safety: as above; the text does not outlive the C string.
  private static func sayRisk(_ address: PCIAddress) {
    if unsafe !Log.wanted(.info) || shared_load64(&isSaid) != 0 { return }
    unsafe shared_store64(&isSaid, 1)
    unsafe address.name.withCString { name in
      guard let name = unsafe Text(name, limit: 255) else { return }
      Log.line("pci: no IOMMU stands before").text(name)
        .text("so that a faulty or hostile device reaches all memory of this machine").send(.info)
    }
  }
}
