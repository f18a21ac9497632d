// SPDX-License-Identifier: BSD-2-Clause
//
// Devices that take this process's memory by themselves: vDPA devices and PCI functions. The memory is locked for them.

import Glibc

extension AddressCheck {
  /// Bytes of both rings of a pair and what is beside them, rounded up.
  private var ringBytes: UInt64 { UInt64(queues * (queueSize * 96 + 65536)) }

  mutating func checkVDPA() {
    let pool = tryPool()
    checkFiles(perPair: 6, beside: 14)
    if machine.module("vhost_vdpa") != .loaded {
      let isThere = machine.module("vhost_vdpa") == .available
      add(
        Finding(
          "vdpa-module", isThere ? "vhost_vdpa is not loaded" : "this kernel has no vhost_vdpa",
          mend: isThere ? "modprobe vhost_vdpa" : AddressCheck.anotherKernel))
    }
    let nodes = machine.nodes.filter { $0.path.hasPrefix("/dev/vhost-vdpa") }
    if target.isEmpty && nodes.isEmpty || !target.isEmpty && !SysFS.exists(target) {
      add(
        Finding(
          "vdpa-missing",
          "there is no \(target.isEmpty ? "vDPA device" : target): the device is made by its management "
            + "device, and bound to vhost_vdpa", mend: "vdpa mgmtdev show; vdpa dev add name vdpa0 mgmtdev MGMTDEV"))
    } else if !target.isEmpty, let reason = machine.node(target).reason {
      add(Finding("vdpa-access", "\(target): \(reason)", mend: "chown \(user) \(target)"))
    }
    // The kernel counts what it pins for vhost, whatever capabilities there are.
    checkLocked((pool ?? 0) + ringBytes, isFree: false)
  }

  mutating func checkPCI() {
    let pool = tryPool()
    checkFiles(perPair: 6, beside: 16)
    if target.isEmpty {
      if (try? Device.all())?.contains(where: \.isFunction) != true {
        add(Finding("pci-missing", "this machine has no virtio-net PCI function"))
      }
      checkDrivers(machine.iommuGroups > 0 ? .vfio : .uio)
      return checkLocked((pool ?? 0) + ringBytes, isFree: machine.has(.ipcLock))
    }
    let device: Device
    do { device = try Device.named(target, among: try Device.all()) } catch {
      return add(Finding("pci-missing", "\(error)", mend: "vionetctl list"))
    }
    if !device.uses.isEmpty {
      add(
        Finding(
          "pci-used",
          "\(device.interface ?? "") of \(device.name) is up and has \(device.uses.joined(separator: ", ")): without it "
            + "this machine loses that, and bind takes it with --force only"))
    }
    if let reason = device.reason {
      if let driver = Driver.allCases.first(where: { $0 != .kernel && reason.contains($0.rawValue) }) {
        checkDrivers(driver)
      }
      add(Finding("pci-driver", reason, mend: AddressCheck.command(in: reason)))
    }
    let isMapped = isBehindIOMMU(device)
    if !isMapped { checkPhysical(device) }
    checkLocked((isMapped ? pool ?? 0 : 0) + ringBytes, isFree: machine.has(.ipcLock))
    let pages = machine.hugepages.first { $0.kib == 2048 }
    if isMapped, let pages, pages.available == 0 {
      add(
        .advice(
          "hugepages",
          "no hugepage is free; a device that does not offer ACCESS_PLATFORM, as most emulated ones, needs "
            + "one for its rings", mend: "echo 64 > \(Hugepages.file(2048))"))
    }
  }

  /// True if the function gets addresses that an IOMMU translates, once a program has it.
  private func isBehindIOMMU(_ device: Device) -> Bool {
    if device.driver == Driver.uio.name || device.group == nil { return false }
    let name = SysFS.line("\(SysFS.pci)/devices/\(device.name)/iommu_group/name") ?? ""
    return !name.hasPrefix("vfio-noiommu")
  }

  private mutating func checkDrivers(_ driver: Driver) {
    if driver.isLoaded { return }
    let isThere = machine.module(driver.module.split(separator: "-").joined(separator: "_")) != .missing
    add(
      Finding(
        "pci-module", "\(isThere ? "the kernel has not loaded" : "this kernel has not") the driver \(driver.rawValue)",
        mend: isThere ? "modprobe \(driver.rawValue)" : AddressCheck.anotherKernel))
  }

  /// Without an IOMMU: physical addresses are given to the device.
  private mutating func checkPhysical(_ device: Device) {
    let wanted: [Capability] = device.driver == Driver.vfio.name ? [.sysAdmin, .rawIO] : [.sysAdmin]
    for capability in wanted where !machine.has(capability) {
      add(Finding("pci-rights", "a function without an IOMMU wants \(capability.name): run as root"))
    }
    guard let pages = machine.hugepages.first(where: { $0.kib == 2048 }), pages.available == 0 else { return }
    let file = Hugepages.file(2048)
    if let room = pages.cgroupBytes, pages.free > pages.reserved, let group = Cgroup.hugepages(pages.name) {
      return add(
        Finding(
          "hugetlb-cgroup",
          "this process's cgroup leaves \(room >> 10) KiB of hugepages, and the rings of a function "
            + "without an IOMMU lie in one of 2 MiB", mend: "echo \(64 * pages.kib << 10) > \(group.file)"))
    }
    add(
      Finding(
        "hugepages", "no hugepage of 2 MiB is free, and the rings of a function without an IOMMU lie in one",
        mend: "echo 64 > \(file)"))
  }

  private mutating func checkLocked(_ bytes: UInt64, isFree: Bool) {
    guard !isFree, let limit = machine.limit("l"), !limit.allows(bytes) else { return }
    let sentence =
      "the device's memory is locked, \(bytes >> 10) KiB of it, and this process may lock \((limit.soft ?? 0) >> 10) KiB"
    let command = limit.hard.map { $0 >= bytes } ?? true ? limit.raise(to: bytes >> 10) : "ulimit -l unlimited"
    add(Finding("memlock", sentence + AddressCheck.root(limit, bytes >> 10), mend: command))
  }

  /// The command at the end of a sentence of the library's.
  private static func command(in sentence: String) -> String? {
    for word in ["vionetctl bind ", "modprobe ", "chown ", "echo "] {
      guard let start = sentence.indices.first(where: { sentence[$0...].hasPrefix(word) }) else { continue }
      return String(sentence[start...].prefix { $0 != "," })
    }
    return nil
  }
}
