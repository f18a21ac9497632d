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
    container = try VFIOHold.open(Path("/dev/vfio/vfio"))
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
    let number = PCIFunction.link(address.file("iommu_group")) { name in name.unsignedNumber }
    guard let number else {
      throw Failure(ENODEV, "PCI function ").plain(address.name).text(" is in no IOMMU group: start the kernel with ")
        .text("intel_iommu=on (or its like), or bind the function to uio_pci_generic")
    }
    let group = try open(Path("/dev/vfio/").adding(number: UInt32(truncatingIfNeeded: number)))
    do throws(Failure) {
      return (group, try take(container, group, UInt32(truncatingIfNeeded: number), address))
    } catch {
      _ = sys_close(group)
      throw error
    }
  }

  private static func take(
    _ container: Int32, _ group: Int32, _ number: UInt32, _ address: PCIAddress
  ) throws(Failure) -> Int32 {
    var status = vfio_group_status(argsz: UInt32(MemoryLayout<vfio_group_status>.size), flags: 0)
    _ = try check(unsafe sys_ioctl(group, SYS_VFIO_GROUP_GET_STATUS, &status)) {
      Failure($0, "IOMMU group ").number(number).text(": ").reason($0)
    }
    if status.flags & UInt32(VFIO_GROUP_FLAGS_VIABLE) == 0 {
      throw Failure(EBUSY, "IOMMU group ").number(number)
        .text(" has functions with other drivers: bind all of them to vfio-pci or unbind them")
    }
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
    try check(unsafe path.withCString { name in unsafe sys_open(name, O_RDWR, 0) }) {
      let failure = Failure($0, "cannot open ").plain(path).text(": ").reason($0)
      return switch $0 {
      case ENOENT: failure.text("; modprobe vfio-pci, and bind the function to it")
      case EACCES, EPERM: failure.text("; the file must be readable and writable for this user")
      case EBUSY: failure.text("; another process or port has its IOMMU group")
      default: failure
      }
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
