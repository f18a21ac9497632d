// SPDX-License-Identifier: BSD-2-Clause
//
// The IOMMU group of a PCI function. VFIO makes one for a function that has no IOMMU, too, if the system allows that; it
// protects nothing, so that the kernel gives it another name and asks for more (Linux, drivers/vfio/Kconfig, VFIO_NOIOMMU).

import CLinux
import Linux

struct IOMMUGroup {
  let number: UInt32
  /// False for a group without an IOMMU.
  let hasIOMMU: Bool

  /// Nil if the function is in no group.
  init?(_ address: PCIAddress) {
    let link = PCIFunction.link(address.file("iommu_group")) { name in name.unsignedNumber }
    guard let number = link else { return nil }
    self.number = UInt32(truncatingIfNeeded: number)
    hasIOMMU = !IOMMUGroup.file(address.file("iommu_group/name"), beginsWith: "vfio-noiommu")
  }

  init(of address: PCIAddress) throws(Failure) {
    guard let known = IOMMUGroup(address) else {
      throw Failure(ENODEV, "PCI function ").plain(address.name).text(" is in no IOMMU group: start the kernel with ")
        .text("intel_iommu=on (or its like), or bind the function to uio_pci_generic")
    }
    self = known
  }

  var file: Path { Path(hasIOMMU ? "/dev/vfio/" : "/dev/vfio/noiommu-").adding(number: number) }

  /// The kind of IOMMU that a container is asked for.
  var kind: UInt { UInt(hasIOMMU ? VFIO_TYPE1v2_IOMMU : VFIO_NOIOMMU_IOMMU) }

  private static var permission: Path { Path("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode") }

  /// Fails if the system does not allow a group without an IOMMU, as far as that shows without opening anything.
  func checkPermission() throws(Failure) {
    if !hasIOMMU && !IOMMUGroup.file(IOMMUGroup.permission, beginsWith: "Y") { throw IOMMUGroup.forbidden }
  }

  static var forbidden: Failure {
    Failure(EPERM, "VFIO gives out no function without an IOMMU: as root, echo 1 > ").plain(permission)
  }

  func cannotOpen(_ code: Int32) -> Failure {
    if hasIOMMU || code != EPERM { return VFIOAccess.cannotOpen(file, code) }
    return Failure(code, "cannot open ").plain(file).text(": ").reason(code)
      .text("; a function without an IOMMU wants CAP_SYS_RAWIO and CAP_SYS_ADMIN: run as root")
  }

  // Safety: at most 15 of the 16 bytes are read, and the text ends where they do.
  private static func file(_ file: Path, beginsWith text: StaticString) -> Bool {
    var bytes = InlineArray<16, CChar>(repeating: 0)
    let opened = File(owning: file.open(O_RDONLY))
    if !opened.isOpen { return false }
    return unsafe withUnsafeMutableBytes(of: &bytes) { room in
      let base = unsafe room.baseAddress.unsafelyUnwrapped
      let count = unsafe sys_read(opened.number, base, 15)
      let read = unsafe Text(start: base.assumingMemoryBound(to: CChar.self), count: max(0, count))
      return read.slice(0, text.utf8CodeUnitCount).equals(text)
    }
  }
}
