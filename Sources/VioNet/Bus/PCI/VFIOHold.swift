// SPDX-License-Identifier: BSD-2-Clause
//
// A PCI function through VFIO: out of its IOMMU group, which it shares with others; its registers as regions of its file.

import CLinux
import Linux

struct VFIOHold {
  let address: PCIAddress
  let group: Cell<VFIOGroup>
  let device: Int32

  init(_ address: PCIAddress) throws(Failure) {
    self.address = address
    (group, device) = try VFIOGroup.take(address)
  }

  /// The kernel stops the function's access to memory and resets it as far as it can.
  func closeDevice() { _ = sys_close(device) }

  /// After that, and after all of the function's memory was unmapped.
  func leave() { VFIOGroup.leave(group, address) }

  /// The way of the PCI bus, whatever the virtio registers do; false if the function has none.
  func reset() -> Bool { sys_ioctl_value(device, SYS_VFIO_DEVICE_RESET, 0) >= 0 }

  /// Where a region lies in the device file, how long it is, and whether it can be mapped.
  func region(_ index: Int32) -> vfio_region_info? {
    var info = vfio_region_info()
    info.argsz = UInt32(MemoryLayout<vfio_region_info>.size)
    info.index = UInt32(index)
    let result = unsafe sys_ioctl(device, SYS_VFIO_DEVICE_GET_REGION_INFO, &info)
    return result < 0 || info.size == 0 ? nil : info
  }
}

// MARK: Whether it can be had, and why not

extension VFIOHold {
  /// The number of the function's IOMMU group, nil if it is in none.
  static func group(_ address: PCIAddress) -> UInt32? {
    PCIFunction.link(address.file("iommu_group")) { name in name.unsignedNumber }
      .map { number in UInt32(truncatingIfNeeded: number) }
  }

  static func knownGroup(_ address: PCIAddress) throws(Failure) -> UInt32 {
    if let number = group(address) { return number }
    throw Failure(ENODEV, "PCI function ").plain(address.name).text(" is in no IOMMU group: start the kernel with ")
      .text("intel_iommu=on (or its like), or bind the function to uio_pci_generic")
  }

  /// Opened, it is a new container.
  static var containers: Path { Path("/dev/vfio/vfio") }
  static func file(_ group: UInt32) -> Path { Path("/dev/vfio/").adding(number: group) }

  /// Fails as init would, as far as that can be seen with nothing opened.
  static func checkAccess(_ address: PCIAddress) throws(Failure) {
    let group = try knownGroup(address)
    let members = address.file("iommu_group/devices")
    let stranger = Folder.first(members) { name in
      PCIFunction.link(members.adding("/").adding(name).adding("/driver")) { driver in !isHarmless(driver) }
    }
    if stranger != nil { throw isShared(group) }
    try checkAccess(containers)
    try checkAccess(file(group))
  }

  private static func checkAccess(_ path: Path) throws(Failure) {
    _ = try check(path.mayUse()) { cannotOpen(path, $0) }
  }

  /// A driver that does not keep its IOMMU group from being given to a program.
  private static func isHarmless(_ driver: Text) -> Bool {
    driver.isEmpty || driver.equals("vfio-pci") || driver.equals("pci-stub") || driver.equals("pcieport")
  }

  static func isShared(_ group: UInt32) -> Failure {
    Failure(EBUSY, "IOMMU group ").number(group)
      .text(" has functions with other drivers: bind all of them to vfio-pci or unbind them")
  }

  static func open(_ path: Path) throws(Failure) -> Int32 {
    try check(path.open(O_RDWR)) { cannotOpen(path, $0) }
  }

  private static func cannotOpen(_ path: Path, _ code: Int32) -> Failure {
    let failure = Failure(code, "cannot open ").plain(path).text(": ").reason(code)
    return switch code {
    case ENOENT: failure.text("; modprobe vfio-pci, and bind the function to it")
    case EACCES, EPERM: failure.mayUse(path)
    case EBUSY: failure.text("; another process has its IOMMU group")
    default: failure
    }
  }
}

extension Failure {
  /// Adds the command that gives a file to this user.
  @inline(never)
  func mayUse(_ path: Path) -> Failure { text("; as root: chown ").number(geteuid()).text(" ").plain(path) }
}
