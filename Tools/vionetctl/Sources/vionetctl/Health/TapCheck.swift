// SPDX-License-Identifier: BSD-2-Clause
//
// TAP interfaces, and the kernel's vhost on them.

import Glibc

extension AddressCheck {
  mutating func checkVhostNet() {
    _ = tryPool()
    checkFiles(perPair: 8, beside: 16)
    checkNode("/dev/vhost-net", device: "vhost-net", module: "vhost_net", number: "10:238")
    checkTap(target)
  }

  /// The interface is made at open if there is none.
  mutating func checkTap(_ name: String) {
    checkNode("/dev/net/tun", device: "tun", module: "tun", number: "10:200")
    let kind = queues > 1 ? " multi_queue" : ""
    let make = "ip tuntap add dev \(name.isEmpty ? "NAME" : name) mode tap user \(user)\(kind)"
    let folder = "/sys/class/net/\(name)"
    if name.isEmpty || !SysFS.exists(folder) {
      if machine.has(.netAdmin) { return }
      return add(
        Finding(
          "tap-rights",
          "making \(name.isEmpty ? "an interface" : "interface \(name)") takes CAP_NET_ADMIN; as root, "
            + "make one that this user may take", mend: make))
    }
    guard let flags = SysFS.line("\(folder)/tun_flags").flatMap({ UInt32($0.dropFirst(2), radix: 16) }), flags & 2 != 0
    else { return add(Finding("tap-kind", "interface \(name) exists and is no TAP: use another name")) }
    checkKind(name, isMany: flags & 0x100 != 0, make)
    let owner = SysFS.line("\(folder)/owner").flatMap { Int64($0) } ?? -1
    if !machine.has(.netAdmin) && owner != Int64(geteuid()) {
      add(
        Finding(
          "tap-rights",
          "interface \(name) belongs to \(owner < 0 ? "nobody" : "user \(owner)"), and this user has no "
            + "CAP_NET_ADMIN; as root, make it anew", mend: "ip link delete \(name) && \(make)"))
    }
  }

  private mutating func checkKind(_ name: String, isMany: Bool, _ make: String) {
    if queues > 1 && !isMany {
      add(
        Finding(
          "tap-queues", "interface \(name) was made for one queue, and the address asks for \(queues)",
          mend: "ip link delete \(name) && \(make)"))
    }
    // Reading the carrier of an interface that is down fails.
    if !isMany && SysFS.number("/sys/class/net/\(name)/carrier") == 1 {
      add(Finding("tap-used", "another program has interface \(name)"))
    }
  }

  /// A file of /dev that the kernel's module makes, and its device number.
  mutating func checkNode(_ path: String, device: String, module: String, number: String) {
    let node = machine.node(path)
    let isLoaded = SysFS.exists("/sys/class/misc/\(device)")
    if !isLoaded && machine.module(module) == .missing {
      return add(
        Finding(
          "\(device)-module", "this kernel has no \(module), which makes \(path)",
          mend: AddressCheck.anotherKernel))
    }
    if isLoaded && node.mode != nil && node.result != -ENOTTY && !AddressCheck.has(path, number) {
      return add(Finding("\(device)-missing", "\(path) is not the device \(number)"))
    }
    if node.isUsable { return }
    let make = "mkdir -p \(AddressCheck.folder(of: path)) && mknod \(path) c \(AddressCheck.words(number)) && "
    switch node.result {
    case -ENOENT, -ENXIO, -ENODEV:
      add(
        Finding(
          "\(device)-missing",
          isLoaded
            ? "there is no \(path), though the kernel has the device: a container must be given it"
            : "there is no \(path): \(module) is not loaded",
          mend: isLoaded ? make + "chmod \(device == "tun" ? "666" : "660") \(path)" : "modprobe \(module)"))
    case -EACCES:
      add(Finding("\(device)-access", "this user may not open \(path)", mend: access(path, device)))
    case -EPERM:
      add(
        Finding(
          "\(device)-access",
          "the kernel forbids this process \(path), as a container's device cgroup does: start the "
            + "container with --device \(path)"))
    default: add(Finding("\(device)-missing", "\(path): \(node.reason ?? "unusable")"))
    }
  }

  /// The command for root: everybody may have a TAP, and only this user the rest.
  private func access(_ path: String, _ device: String) -> String {
    device == "tun" ? "chmod 666 \(path)" : "chown \(user) \(path)"
  }

  /// True if the file is that device: in a container another one may lie over it.
  private static func has(_ path: String, _ number: String) -> Bool {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { return false }
    let device = status.st_rdev
    // As makedev(3) joins them.
    return "\(device >> 8 & 0xfff):\(device & 0xff | device >> 12 & 0xfff00)" == number
  }

  private static func words(_ number: String) -> String { number.split(separator: ":").joined(separator: " ") }
}
