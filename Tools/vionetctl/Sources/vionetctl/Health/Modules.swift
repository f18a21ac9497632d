// SPDX-License-Identifier: BSD-2-Clause
//
// Modules of the kernel: loaded, to be had, or neither.

import Glibc

enum ModuleState: String, Encodable { case loaded, available, missing }

enum Modules {
  static let names = [
    "tun", "vhost_net", "vhost_vdpa", "vfio", "vfio_pci", "vfio_iommu_type1", "uio", "uio_pci_generic",
  ]

  static var all: [String: ModuleState] {
    Dictionary(uniqueKeysWithValues: names.map { ($0, state($0)) })
  }

  static func state(_ name: String) -> ModuleState {
    // What is built into the kernel has a folder only if it has parameters; its device tells of it then.
    if SysFS.exists("/sys/module/\(name)") || isBuiltIn(name) { return .loaded }
    return isListed(name, "modules.dep") ? .available : .missing
  }

  private static func isBuiltIn(_ name: String) -> Bool {
    let devices = ["tun": "tun", "vhost_net": "vhost-net", "vfio": "vfio"]
    if let device = devices[name], SysFS.exists("/sys/class/misc/\(device)") { return true }
    return isListed(name, "modules.builtin")
  }

  /// True if one of the lines begins with the module's file, whose name has - where the module's has _.
  private static func isListed(_ name: String, _ file: String) -> Bool {
    var kernel = utsname()
    unsafe uname(&kernel)
    let wanted = "/\(name).ko"
    return (SysFS.read("/lib/modules/\(Library.text(kernel.release))/\(file)") ?? "").split(separator: "\n").contains {
      let path = $0.prefix { $0 != ":" }
      let base = "/" + (path.split(separator: "/").last ?? "")
      return String(base.map { $0 == "-" ? "_" : $0 }).hasPrefix(wanted)
    }
  }
}
