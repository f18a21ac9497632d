// SPDX-License-Identifier: BSD-2-Clause
//
// What one device address needs, compared with what there is. An address without a target, such as "pci:", asks about its
// kind. What concerns this process alone is tried; a device is not opened, since that resets it.

import CVionet
import Glibc

struct AddressCheck {
  let address: String
  let scheme: String
  let target: String
  let keys: [String: String]
  let machine: Checkup
  private(set) var findings: [Finding] = []

  /// What a user has written: an address, a PCI address, or an interface.
  init(named text: String, _ machine: Checkup) {
    do { self.init(try Device.address(text), machine) } catch {
      self.init(text, machine, refused: Finding("address", "\(error)"))
    }
  }

  private init(_ address: String, _ machine: Checkup, refused finding: Finding) {
    (self.address, scheme, target, keys) = (address, "", "", [:])
    self.machine = machine
    findings = [finding]
  }

  init(_ address: String, _ machine: Checkup) {
    self.address = address
    self.machine = machine
    let parts = address.split(separator: ",", omittingEmptySubsequences: false)
    let first = parts.first ?? ""
    scheme = String(first.prefix { $0 != ":" })
    target = String(first.dropFirst(scheme.count + 1))
    var keys: [String: String] = [:]
    for part in parts.dropFirst() {
      let name = String(part.prefix { $0 != "=" })
      keys[name] = String(part.dropFirst(name.count + 1))
    }
    self.keys = keys
    if !checkKeys() { return }
    switch scheme {
    case "soft": checkSoft()
    case "vhost-user": checkVhostUser()
    case "vhost-net": checkVhostNet()
    case "vhost-vdpa": checkVDPA()
    case "pci": checkPCI()
    default: add(Finding("address", "\"\(address)\" is no device address: its scheme is unknown"))
    }
    checkSpeed()
  }

  var works: Bool { !findings.contains(where: \.isNeeded) }
  /// Numbers out of range are refused by the library, and do no harm here.
  var queues: Int { min(max(keys["queues"].flatMap(Int.init) ?? 1, 1), 128) }
  var queueSize: Int { min(max(keys["queue_size"].flatMap(Int.init) ?? 256, 2), 32768) }
  /// The user as a command names it.
  var user: String { "\(geteuid())" }

  mutating func add(_ finding: Finding) {
    if !findings.contains(where: { $0.id == finding.id && $0.sentence == finding.sentence }) {
      findings.append(finding)
    }
  }

  /// The wire of a soft: address.
  private var wire: String { String(target.prefix { $0 != "=" }) }
  private var wireTarget: String { String(target.dropFirst(wire.count + 1)) }

  private mutating func checkSoft() {
    if wire == "tap" {
      checkTap(wireTarget)
    } else if wire == "pcap" {
      checkCapture()
    }
    // A TAP takes a descriptor for each queue, one for netlink, and one for the first look at the interface.
    tryPort(reserving: wire == "tap" ? queues + 1 : wire == "pcap" ? 2 : 0)
  }

  private mutating func checkCapture() {
    let isReadable = unsafe access(wireTarget, R_OK) == 0
    if !wireTarget.isEmpty && !isReadable {
      add(Finding("capture", "\(wireTarget) cannot be read: \(AddressCheck.reason(errno))"))
    }
    guard let out = keys["out"], !out.isEmpty else { return }
    let folder = AddressCheck.folder(of: out)
    let isThere = unsafe access(out, F_OK) == 0
    let place = isThere ? out : folder
    if unsafe access(place, W_OK) != 0 {
      add(Finding("capture", "\(out) cannot be written: \(AddressCheck.reason(errno))"))
    }
  }

  /// What works, but could be faster.
  private mutating func checkSpeed() {
    let pages = machine.hugepages.first { $0.kib == 2048 }
    if scheme != "pci", let pages, pages.available == 0 {
      let mend = "echo 64 > \(Hugepages.file(2048))"
      add(.advice("hugepages", "no hugepage is free: plain pages work and are slower", mend: mend))
    }
    if scheme == "soft" && machine.processors.allowed == 1 {
      add(
        .advice(
          "processors",
          "this process may run on one processor, which it shares with the device's thread: sleep, or "
            + "call sched_yield() when nothing came"))
    }
    if let quota = machine.processors.quota, quota < 1 {
      add(
        .advice(
          "cpu-quota",
          "the cgroup allows \(Decimals.text(quota, 2)) processors (cpu.max): who polls is stopped for the "
            + "rest of each period"))
    }
  }

  /// A kernel of Debian's, which has all modules that matter.
  static let anotherKernel = "apt install linux-image-$(dpkg --print-architecture) && reboot"

  static func reason(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }

  static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
