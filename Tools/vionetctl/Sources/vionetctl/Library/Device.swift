// SPDX-License-Identifier: BSD-2-Clause
//
// A virtio-net PCI function of this machine, or a vDPA device, as vionet_devices() lists it.

import CVionet

struct Device {
  enum Kind: String { case transitional, modern, vdpa }

  /// The address for vionet_probe(), such as "pci:0000:00:05.0".
  let address: String
  let kind: Kind
  let driver: String?
  /// The kernel's network interface, such as "eth0"; nil if there is none.
  let interface: String?
  let group: Int?
  /// Why a program cannot open the device now; nil if it can.
  let reason: String?

  init(_ device: vionet_device) {
    address = Library.text(device.address)
    kind =
      switch device.kind {
      case VIONET_DEVICE_TRANSITIONAL.rawValue: .transitional
      case VIONET_DEVICE_VDPA.rawValue: .vdpa
      default: .modern
      }
    driver = Library.name(device.driver)
    interface = Library.name(device.interface)
    group = device.iommu_group < 0 ? nil : Int(device.iommu_group)
    reason = device.ready != 0 ? nil : Library.text(device.reason)
  }

  /// The address without its scheme: "0000:00:05.0", as in sysfs, or "/dev/vhost-vdpa-0".
  var name: String { String(address.drop { $0 != ":" }.dropFirst()) }

  var isFunction: Bool { kind != .vdpa }

  /// What depends on the device's interface; empty if nothing does.
  var uses: [String] { interface.map { Interface(name: $0).uses } ?? [] }

  static func all() throws -> [Device] {
    var list: [vionet_device] = []
    var found = Int(try Library.check(vionet_devices(nil, 0)))
    // Devices may be plugged in between two calls: ask again until all fit.
    while found > list.count {
      list = Array(repeating: vionet_device(), count: found)
      list[0].size = MemoryLayout<vionet_device>.size
      found = Int(try Library.check(unsafe vionet_devices(&list, list.count)))
    }
    return list.prefix(found).map { Device($0) }
  }
}

// MARK: By name

extension Device {
  /// The function with a PCI address, in full or short, or with a network interface of that name.
  static func named(_ text: String, among all: [Device]) throws -> Device {
    let name = PCIName(text)
    let functions = all.filter(\.isFunction)
    if let device = functions.first(where: { $0.interface == text || $0.name == name?.full }) { return device }
    guard let name else {
      throw Sentence(
        "\"\(text)\" is neither a PCI address like 0000:00:05.0 nor the interface of a virtio-net function")
    }
    throw Sentence(
      SysFS.hasFunction(name.full)
        ? "PCI function \(name.full) is not a virtio-net device" : "there is no PCI function \(name.full)")
  }

  /// The names of all functions, for completions in a shell; none if they cannot be listed.
  @Sendable
  static func completions(_ arguments: [String], _ index: Int, _ prefix: String) -> [String] {
    ((try? all()) ?? []).filter(\.isFunction).map(\.name)
  }
}

// MARK: Addresses

extension Device {
  /// The device address that a user means by one, by a PCI address without its scheme, or by a network interface, each with
  /// keys or without.
  static func address(_ text: String) throws -> String {
    let name = String(text.prefix { $0 != "," })
    let keys = text.dropFirst(name.count)
    if let function = PCIName(name) { return PCIName.scheme + function.full + keys }
    if name.contains(":") { return text }
    if let device = try all().first(where: { $0.interface == name }) { return device.address + keys }
    throw Sentence("\"\(name)\" is \(Device.hint(name))")
  }

  /// What a name is that is no device address, and what to write.
  private static func hint(_ name: String) -> String {
    if name.hasPrefix("/dev/vhost-vdpa") { return "a path: write vhost-vdpa:\(name)" }
    if name.contains("/") { return "a path: for the vhost-user socket of a back-end, write vhost-user:\(name)" }
    if SysFS.exists("/sys/class/net/\(name)/tun_flags") {
      return "a TAP interface: write vhost-net:\(name), or soft:tap=NAME for one that is made"
    }
    if SysFS.exists("/sys/class/net/\(name)") {
      return "not the interface of a virtio-net device; vionetctl list shows those"
    }
    return "neither a device address, such as pci:0000:00:05.0, nor a PCI address or an interface of this machine"
  }
}

/// A PCI address, written in full.
struct PCIName {
  static let scheme = "pci:"
  let full: String

  /// Reads "0000:00:05.0", "00:05.0" or "pci:00:05.0"; nil for anything else.
  init?(_ text: String) {
    let bare = text.hasPrefix(PCIName.scheme) ? text.dropFirst(PCIName.scheme.count) : text[...]
    let parts = bare.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2 || parts.count == 3, let last = parts.last else { return nil }
    let slot = last.split(separator: ".", omittingEmptySubsequences: false)
    guard slot.count == 2, let domain = PCIName.digits(parts.count == 3 ? parts[0] : "0", 4, limit: 0xffff),
      let bus = PCIName.digits(parts[parts.count - 2], 2, limit: 0xff),
      let device = PCIName.digits(slot[0], 2, limit: 0x1f), let function = PCIName.digits(slot[1], 1, limit: 7)
    else { return nil }
    full = "\(domain):\(bus):\(device).\(function)"
  }

  /// The hexadecimal number written with `width` digits; nil if it is above `limit`.
  private static func digits(_ text: Substring, _ width: Int, limit: UInt32) -> String? {
    guard let number = UInt32(text, radix: 16), text.first != "+", number <= limit else { return nil }
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: width - digits.count) + digits
  }
}
