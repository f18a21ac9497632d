// SPDX-License-Identifier: BSD-2-Clause
//
// The virtio-net functions of this machine in the order of their addresses, and what can be said of each without opening it.

import CLinux
import CVionet
import Linux

package struct PCIDevices {
  /// PCIAddress.number of each function, in order. There is room for all entries of the folder.
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
    // A function that was plugged in since they were counted may find no room.
    if count == numbers.count { return }
    var place = count
    while place > 0 && numbers[place - 1] > number {
      numbers[place] = numbers[place - 1]
      place -= 1
    }
    numbers[place] = number
    count += 1
  }

  /// Checks that the address names a virtio-net function, and leaves the function alone.
  package static func pass(over name: Text) throws(Failure) {
    let address = try PCIAddress(parsing: name)
    try PCIFunction(address).checkKind()
    _ = Failure(0, "PCI function ").plain(address.name).text(" is left to a vDPA driver (vdpa=1)")
  }
}

// MARK: One of them

// Safety: sentences end with a zero, and copies are cut to the room of the field.
extension PCIDevices {
  package func describe(_ index: Int, _ device: inout vionet_device) {
    let address = PCIAddress(number: numbers[index])
    device.iommu_group = -1
    PCIDevices.fill(&device.address, Path("pci:").adding(address.name))
    PCIFunction.link(address.file("driver")) { name in PCIDevices.fill(&device.driver, Path("").adding(name)) }
    PCIDevices.fill(&device.interface, PCIDevices.interface(address))
    if let group = IOMMUGroup(address), group.hasIOMMU { device.iommu_group = Int32(clamping: group.number) }
    Failure.keepingSentence {
      do throws(Failure) {
        let function = try PCIFunction(address)
        device.kind = (function.isTransitional ? VIONET_DEVICE_TRANSITIONAL : VIONET_DEVICE_MODERN).rawValue
        try function.check()
        if function.driver == .vfio { try VFIOAccess.checkAccess(address) } else { try UIOAccess.checkAccess(address) }
        device.ready = 1
      } catch {
        let sentence = unsafe Text(sentence_get(Int32(SENTENCE_ERROR)), limit: 255) ?? Text("")
        PCIDevices.fill(&device.reason, Path("").adding(sentence))
      }
    }
  }

  /// The network interface of a function that the kernel's virtio driver uses: virtioN/net/NAME.
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
