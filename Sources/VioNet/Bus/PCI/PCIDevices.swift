// SPDX-License-Identifier: BSD-2-Clause
//
// The virtio-net functions of this machine: a list in the order of their addresses, and for each what can be seen from
// outside, with nothing opened.

import CLinux
import CVionet
import Linux

package struct PCIDevices {
  /// As PCIAddress has them, in order; there is room for all entries of the folder.
  private let numbers: Table<UInt32>
  package private(set) var count = 0

  package init() throws(Failure) {
    var entries = 0
    let folder = try Folder(PCIAddress.folder)
    while folder.next() != nil { entries += 1 }
    folder.close()
    guard let numbers = Table<UInt32>.make(count: entries) else {
      throw Failure(ENOMEM, "no memory for a list of ").number(entries).text(" PCI functions")
    }
    self.numbers = numbers
    _ = Folder.first(PCIAddress.folder) { name in
      if let address = PCIAddress(name), isVirtioNet(address) { insert(address.number) }
      return false
    }
  }

  package func destroy() { numbers.destroy() }

  private func isVirtioNet(_ address: PCIAddress) -> Bool {
    Failure.quietly { () throws(Failure) in try PCIFunction(address).isVirtioNet } ?? false
  }

  private mutating func insert(_ number: UInt32) {
    // One that was plugged in since they were counted may find no room.
    if count == numbers.count { return }
    var place = count
    while place > 0 && numbers[place - 1] > number {
      numbers[place] = numbers[place - 1]
      place -= 1
    }
    numbers[place] = number
    count += 1
  }

  /// Fails if there is no virtio-net function of that address, and leaves it alone otherwise.
  package static func pass(over name: Text) throws(Failure) {
    let address = try PCIAddress(parsing: name)
    try PCIFunction(address).checkKind()
    _ = Failure(0, "PCI function ").plain(address.name).text(" is left to a vDPA driver (vdpa=1)")
  }
}

// MARK: One of them

extension PCIDevices {
  package func describe(_ index: Int, _ device: inout vionet_device) {
    let address = PCIAddress(number: numbers[index])
    device.iommu_group = -1
    PCIDevices.fill(&device.address, Path("pci:").adding(address.name))
    PCIFunction.link(address.file("driver")) { name in PCIDevices.fill(&device.driver, Path("").adding(name)) }
    PCIDevices.fill(&device.interface, PCIDevices.interface(address))
    if let group = VFIOHold.group(address) { device.iommu_group = Int32(clamping: group) }
    Failure.keepingSentence {
      do throws(Failure) {
        let function = try PCIFunction(address)
        device.kind = (function.isTransitional ? VIONET_DEVICE_TRANSITIONAL : VIONET_DEVICE_MODERN).rawValue
        try function.check()
        if function.driver == .vfio { try VFIOHold.checkAccess(address) } else { try UIOHold.checkAccess(address) }
        device.ready = 1
      } catch {
        let sentence = unsafe Text(sentence_get(Int32(SENTENCE_ERROR)), limit: 255) ?? Text("")
        PCIDevices.fill(&device.reason, Path("").adding(sentence))
      }
    }
  }

  /// The network interface of a function that the kernel's virtio driver has: virtioN/net/NAME.
  private static func interface(_ address: PCIAddress) -> Path {
    let folder = address.file("")
    guard let virtio = Folder.first(folder, { name in name.slice(0, 6).equals("virtio") }) else { return Path("") }
    return Folder.first(folder.adding(virtio).adding("/net")) { _ in true } ?? Path("")
  }

  static func fill<Room>(_ room: inout Room, _ text: Path) {
    unsafe withUnsafeMutableBytes(of: &room) { to in
      guard let base = to.baseAddress else { return }
      unsafe text.withCString { from in
        if let text = unsafe Text(from, limit: 255) {
          unsafe text.copy(to: base.assumingMemoryBound(to: CChar.self), room: to.count)
        }
      }
    }
  }
}
