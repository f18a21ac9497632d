// SPDX-License-Identifier: BSD-2-Clause
//
// The list of virtio-net functions, read from a folder that stands in for sysfs.

import CLinux
import CVionet
import Linux
import Testing

@testable import VioNet

/// Stands in for /sys/bus/pci/devices, and for the folders of drivers and IOMMU groups that links there lead to.
private struct MadeUp {
  let root: String

  init() throws {
    var template = Array("/tmp/vionet-test-XXXXXX".utf8CString)
    root = unsafe String(cString: try #require(unsafe mkdtemp(&template)))
    folder("devices")
    unsafe (root + "/devices").withCString { name in
      if let text = unsafe Text(name, limit: 255) { unsafe PCIAddress.madeUp = Path("").adding(text) }
    }
  }

  func end() {
    unsafe PCIAddress.madeUp = nil
    #expect(unsafe system("rm -rf \(root)") == 0)
  }

  func folder(_ name: String) { unsafe _ = mkdir(root + "/" + name, 0o755) }

  func file(_ name: String, _ content: String) {
    let file = unsafe sys_open(root + "/" + name, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    unsafe _ = sys_write(file, content, content.utf8.count)
    _ = sys_close(file)
  }

  func link(_ name: String, to target: String) { unsafe _ = symlink(target, root + "/" + name) }

  func function(_ address: String, _ id: String, driver: String? = nil, group: Int? = nil) {
    let ids = id.split(separator: ":")
    folder("devices/\(address)")
    file("devices/\(address)/vendor", "0x\(ids[0])\n")
    file("devices/\(address)/device", "0x\(ids[1])\n")
    if let driver { link("devices/\(address)/driver", to: "../../../bus/pci/drivers/\(driver)") }
    guard let group else { return }
    for made in ["groups", "groups/\(group)", "groups/\(group)/devices"] { folder(made) }
    link("devices/\(address)/iommu_group", to: "../../groups/\(group)")
    link("groups/\(group)/devices/\(address)", to: "../../../devices/\(address)")
  }
}

private func text<Room>(_ room: Room) -> String {
  unsafe withUnsafeBytes(of: room) { bytes in String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
}

private func listed() throws -> [vionet_device] {
  let devices = try PCIDevices()
  defer { devices.destroy() }
  return (0..<devices.count).map { index in
    var device = vionet_device()
    devices.describe(index, &device)
    return device
  }
}

@Suite(.serialized) struct DevicesTests {
  @Test func onlyVirtioNetInTheOrderOfAddresses() throws {
    let tree = try MadeUp()
    defer { tree.end() }
    for address in ["0001:00:00.0", "0000:ff:1f.7", "0000:00:0a.1", "0000:0a:00.0", "0000:00:0a.0"] {
      tree.function(address, "1af4:1041")
    }
    tree.function("0000:00:02.0", "1af4:1000")
    tree.function("0000:00:03.0", "1af4:1042")  // a disk
    tree.function("0000:00:04.0", "8086:1041")
    tree.folder("devices/0000:00:05.0")  // has no ids
    tree.folder("devices/junk")
    let all = try listed()
    #expect(
      all.map { text($0.address) } == [
        "pci:0000:00:02.0", "pci:0000:00:0a.0", "pci:0000:00:0a.1", "pci:0000:0a:00.0", "pci:0000:ff:1f.7",
        "pci:0001:00:00.0",
      ])
    #expect(all[0].kind == VIONET_DEVICE_TRANSITIONAL.rawValue && all[1].kind == VIONET_DEVICE_MODERN.rawValue)
    for device in all {
      #expect(device.ready == 0 && device.iommu_group == -1 && text(device.driver) == "")
      let name = text(device.address).dropFirst(4)
      #expect(text(device.reason) == "PCI function \(name) has no driver: vionetctl bind uio_pci_generic \(name)")
    }
  }

  @Test func aFunctionOfTheKernelHasAnInterface() throws {
    let tree = try MadeUp()
    defer { tree.end() }
    tree.function("0000:00:05.0", "1af4:1041", driver: "virtio-pci", group: 17)
    for part in ["virtio3", "virtio3/net", "virtio3/net/ens5"] { tree.folder("devices/0000:00:05.0/\(part)") }
    tree.function("0000:00:06.0", "1af4:1041", driver: "a-driver-whose-name-is-longer-than-the-room-for-it")
    let all = try listed()
    try #require(all.count == 2)
    #expect(text(all[0].driver) == "virtio-pci" && text(all[0].interface) == "ens5" && all[0].iommu_group == 17)
    #expect(
      text(all[0].reason)
        == "PCI function 0000:00:05.0 belongs to the kernel's driver virtio-pci: vionetctl bind vfio-pci 0000:00:05.0")
    #expect(text(all[1].driver) == "a-driver-whose-name-is-longer-t" && text(all[1].interface) == "")
  }

  @Test func functionsThatAreBoundToUsButCannotBeUsed() throws {
    let tree = try MadeUp()
    defer { tree.end() }
    tree.function("0000:00:02.0", "1af4:1041", driver: "vfio-pci")
    tree.function("0000:00:03.0", "1af4:1041", driver: "vfio-pci", group: 990_001)
    tree.function("0000:00:04.0", "1af4:1041", driver: "vfio-pci", group: 990_002)
    tree.function("0000:00:04.1", "8086:10d3", driver: "e1000e", group: 990_002)
    tree.function("0000:00:05.0", "1af4:1041", driver: "vfio-pci", group: 990_003)
    tree.function("0000:00:05.1", "8086:10d3", driver: "pci-stub", group: 990_003)
    tree.function("0000:00:05.2", "1af4:1041", driver: "vfio-pci", group: 990_004)
    tree.file("groups/990004/name", "vfio-noiommu\n")
    tree.function("0000:00:06.0", "1af4:1000", driver: "uio_pci_generic")
    tree.function("0000:00:07.0", "1af4:1000", driver: "uio_pci_generic")
    tree.file("devices/0000:00:07.0/config", "")
    for part in ["uio", "uio/uio990"] { tree.folder("devices/0000:00:07.0/\(part)") }
    let all = try listed()
    let reasons = all.map { text($0.reason) }
    try #require(reasons.count == 7)
    #expect(reasons[0].contains("in no IOMMU group"))
    #expect(reasons[1].contains("/dev/vfio/"))
    #expect(reasons[2].contains("IOMMU group 990002 has functions with other drivers"))
    #expect(reasons[3].contains("/dev/vfio/"))
    #expect(all.map { $0.iommu_group } == [-1, 990_001, 990_002, 990_003, -1, -1, -1])
    #expect(reasons[4].contains("echo 1 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode"))
    #expect(reasons[5].contains("0000:00:06.0/config"))
    #expect(reasons[6].contains("/dev/uio990"))
  }

  @Test func aListLeavesTheLastSentenceAndTheOpenFilesAlone() throws {
    let tree = try MadeUp()
    defer { tree.end() }
    tree.function("0000:00:05.0", "1af4:1041")
    tree.function("0000:00:06.0", "1af4:1041", driver: "virtio-pci")
    let files = { (0..<1024).count { sys_file_size(Int32($0)) != -Int64(EBADF) } }
    let before = files()
    _ = Failure(EIO, "an error of before")
    #expect(try listed().count == 2)
    #expect(unsafe String(cString: sentence_get(Int32(SENTENCE_ERROR))) == "an error of before")
    #expect(files() == before)
  }

  @Test func aMissingFolderIsNamed() throws {
    let tree = try MadeUp()
    defer { tree.end() }
    unsafe _ = rmdir(tree.root + "/devices")
    let error = #expect(throws: Failure.self) { try PCIDevices() }
    #expect(error?.code == ENOENT)
    #expect(unsafe String(cString: sentence_get(Int32(SENTENCE_ERROR))).contains(tree.root + "/devices"))
  }

  @Test func aFunctionForVDPAMustBeAVirtioNetDevice() throws {
    let tree = try MadeUp()
    defer { tree.end() }
    tree.function("0000:00:05.0", "1af4:1041", driver: "virtio-pci")
    tree.function("0000:00:06.0", "1af4:1042")
    try PCIDevices.pass(over: Text("00:05.0"))
    #expect(throws: Failure.self) { try PCIDevices.pass(over: Text("00:06.0")) }
    #expect(throws: Failure.self) { try PCIDevices.pass(over: Text("00:07.0")) }
    #expect(throws: Failure.self) { try PCIDevices.pass(over: Text("00:08")) }
  }
}
