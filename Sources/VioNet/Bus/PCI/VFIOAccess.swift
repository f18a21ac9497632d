// SPDX-License-Identifier: BSD-2-Clause
//
// A PCI function through VFIO: a file whose regions are the function's registers, from an IOMMU group that it may share
// with other functions.

import CLinux
import Linux

struct VFIOAccess: ~Copyable {
  /// The function's file. When it is closed, the kernel stops the function's access to memory and resets it if it can.
  var device: File
  /// The function's place in its group. Ends after `device` is closed and the function's memory is unmapped.
  var membership: VFIOMembership

  init(_ address: PCIAddress, _ token: VFToken?) throws(Failure) {
    let membership = try VFIOGroup.join(address)
    device = try membership.openDevice(token)
    self.membership = membership
  }

  /// Resets the function through the PCI bus; false if it cannot be reset that way.
  func reset() -> Bool { sys_ioctl_value(device.number, SYS_VFIO_DEVICE_RESET, 0) >= 0 }

  /// The place of a region in the device file, its length, and whether it can be mapped.
  // Safety: the kernel fills the local structure whose size it is given.
  func region(_ index: Int32) -> vfio_region_info? {
    var info = vfio_region_info()
    info.argsz = UInt32(MemoryLayout<vfio_region_info>.size)
    info.index = UInt32(index)
    let result = unsafe sys_ioctl(device.number, SYS_VFIO_DEVICE_GET_REGION_INFO, &info)
    return result < 0 || info.size == 0 ? nil : info
  }
}

// MARK: Access rights

extension VFIOAccess {
  /// Each open() of this file makes a VFIO container.
  static var containers: Path { Path("/dev/vfio/vfio") }

  /// Fails as init would, as far as that shows without opening anything.
  static func checkAccess(_ address: PCIAddress) throws(Failure) {
    let group = try IOMMUGroup(of: address)
    let members = address.file("iommu_group/devices")
    let foreign = Folder.first(members) { name in
      PCIFunction.link(members.adding("/").adding(name).adding("/driver")) { driver in !isHarmless(driver) }
    }
    if foreign != nil { throw isShared(group.number) }
    try group.checkPermission()
    _ = try check(containers.mayUse()) { cannotOpen(containers, $0) }
    _ = try check(group.file.mayUse()) { group.cannotOpen($0) }
  }

  /// True for a driver that does not prevent its IOMMU group from being given to a program.
  private static func isHarmless(_ driver: Text) -> Bool {
    driver.isEmpty || driver.equals("vfio-pci") || driver.equals("pci-stub") || driver.equals("pcieport")
  }

  static func isShared(_ group: UInt32) -> Failure {
    Failure(EBUSY, "IOMMU group ").number(group)
      .text(" has functions with other drivers: bind all of them to vfio-pci or unbind them")
  }

  static func cannotOpen(_ path: Path, _ code: Int32) -> Failure {
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
