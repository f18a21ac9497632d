// SPDX-License-Identifier: BSD-2-Clause
//
// A PCI function through VFIO: its group in a container of our own, its registers as regions of the device file, its
// view of memory as mappings in the container's IOMMU, its interrupts as eventfds.

import CLinux
import Linux

struct VFIOHold {
  private let container: Int32
  private let group: Int32
  let device: Int32
  let address: PCIAddress

  init(_ address: PCIAddress) throws(Failure) {
    self.address = address
    container = try VFIOHold.open(VFIOHold.containers)
    do throws(Failure) {
      (group, device) = try VFIOHold.join(container, address)
    } catch {
      _ = sys_close(container)
      throw error
    }
  }

  func close() {
    _ = sys_close(device)
    _ = sys_close(group)
    _ = sys_close(container)
  }

  /// Group into container, IOMMU on, device out of group.
  private static func join(_ container: Int32, _ address: PCIAddress) throws(Failure) -> (Int32, Int32) {
    if sys_ioctl_value(container, SYS_VFIO_GET_API_VERSION, 0) != VFIO_API_VERSION
      || sys_ioctl_value(container, SYS_VFIO_CHECK_EXTENSION, UInt(VFIO_TYPE1v2_IOMMU)) != 1
    {
      throw Failure(ENOTSUP, "this kernel's VFIO has no type 1 IOMMU: modprobe vfio_iommu_type1")
    }
    let number = try knownGroup(address)
    let group = try open(file(number))
    do throws(Failure) {
      return (group, try take(container, group, number, address))
    } catch {
      _ = sys_close(group)
      throw error
    }
  }

  /// The number of the function's IOMMU group, nil if it is in none.
  static func group(_ address: PCIAddress) -> UInt32? {
    PCIFunction.link(address.file("iommu_group")) { name in name.unsignedNumber }
      .map { number in UInt32(truncatingIfNeeded: number) }
  }

  private static func knownGroup(_ address: PCIAddress) throws(Failure) -> UInt32 {
    if let number = group(address) { return number }
    throw Failure(ENODEV, "PCI function ").plain(address.name).text(" is in no IOMMU group: start the kernel with ")
      .text("intel_iommu=on (or its like), or bind the function to uio_pci_generic")
  }

  /// Opened, it is a new container.
  private static var containers: Path { Path("/dev/vfio/vfio") }
  private static func file(_ group: UInt32) -> Path { Path("/dev/vfio/").adding(number: group) }

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
    _ = try check(unsafe path.withCString { name in unsafe sys_may_use(name) }) { cannotOpen(path, $0) }
  }

  /// A driver that does not keep its IOMMU group from being given to a program.
  private static func isHarmless(_ driver: Text) -> Bool {
    driver.isEmpty || driver.equals("vfio-pci") || driver.equals("pci-stub") || driver.equals("pcieport")
  }

  private static func isShared(_ group: UInt32) -> Failure {
    Failure(EBUSY, "IOMMU group ").number(group)
      .text(" has functions with other drivers: bind all of them to vfio-pci or unbind them")
  }

  private static func take(
    _ container: Int32, _ group: Int32, _ number: UInt32, _ address: PCIAddress
  ) throws(Failure) -> Int32 {
    var status = vfio_group_status(argsz: UInt32(MemoryLayout<vfio_group_status>.size), flags: 0)
    _ = try check(unsafe sys_ioctl(group, SYS_VFIO_GROUP_GET_STATUS, &status)) {
      Failure($0, "IOMMU group ").number(number).text(": ").reason($0)
    }
    if status.flags & UInt32(VFIO_GROUP_FLAGS_VIABLE) == 0 { throw isShared(number) }
    var file = container
    _ = try check(unsafe sys_ioctl(group, SYS_VFIO_GROUP_SET_CONTAINER, &file)) {
      Failure($0, "IOMMU group ").number(number).text(" cannot be used: ").reason($0)
    }
    _ = try check(sys_ioctl_value(container, SYS_VFIO_SET_IOMMU, UInt(VFIO_TYPE1v2_IOMMU))) {
      Failure($0, "the IOMMU cannot be set up: ").reason($0)
    }
    let device = unsafe address.name.withCString { name in
      unsafe sys_ioctl(group, SYS_VFIO_GROUP_GET_DEVICE_FD, UnsafeMutableRawPointer(mutating: name))
    }
    return try check(device) { Failure($0, "PCI function ").plain(address.name).text(" cannot be opened: ").reason($0) }
  }

  private static func open(_ path: Path) throws(Failure) -> Int32 {
    try check(unsafe path.withCString { name in unsafe sys_open(name, O_RDWR, 0) }) { cannotOpen(path, $0) }
  }

  private static func cannotOpen(_ path: Path, _ code: Int32) -> Failure {
    let failure = Failure(code, "cannot open ").plain(path).text(": ").reason(code)
    return switch code {
    case ENOENT: failure.text("; modprobe vfio-pci, and bind the function to it")
    case EACCES, EPERM: failure.text("; the file must be readable and writable for this user")
    case EBUSY: failure.text("; another process or port has its IOMMU group")
    default: failure
    }
  }

  /// Where a region lies in the device file, how long it is, and whether it can be mapped.
  func region(_ index: Int32) -> vfio_region_info? {
    var info = vfio_region_info()
    info.argsz = UInt32(MemoryLayout<vfio_region_info>.size)
    info.index = UInt32(index)
    let result = unsafe sys_ioctl(device, SYS_VFIO_DEVICE_GET_REGION_INFO, &info)
    return result < 0 || info.size == 0 ? nil : info
  }

  // MARK: The device's view of memory

  /// From now on the device finds these bytes at their own address.
  func map(_ address: UInt64, _ length: UInt64) throws(Failure) {
    var request = vfio_iommu_type1_dma_map()
    request.argsz = UInt32(MemoryLayout<vfio_iommu_type1_dma_map>.size)
    request.flags = UInt32(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)
    request.vaddr = address
    request.iova = address
    request.size = length
    _ = try check(unsafe sys_ioctl(container, SYS_VFIO_IOMMU_MAP_DMA, &request)) {
      let failure = Failure($0, "the IOMMU cannot map ").number(length).text(" bytes at ").hex(address).text(": ")
        .reason($0)
      return switch $0 {
      case ENOMEM: failure.text("; raise the limit of locked memory (ulimit -l)")
      case EINVAL: failure.text("; the address may lie beyond the width of this IOMMU")
      default: failure
      }
    }
  }

  func unmap(_ address: UInt64, _ length: UInt64) {
    var request = vfio_iommu_type1_dma_unmap()
    request.argsz = UInt32(MemoryLayout<vfio_iommu_type1_dma_unmap>.size)
    request.iova = address
    request.size = length
    unsafe _ = sys_ioctl(container, SYS_VFIO_IOMMU_UNMAP_DMA, &request)
  }
}
