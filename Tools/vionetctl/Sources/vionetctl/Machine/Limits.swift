// SPDX-License-Identifier: BSD-2-Clause
//
// The limits of a process that concern devices (ulimit), and its power to be beyond them.

import Glibc

struct Limit {
  /// The letter of ulimit, "l".
  let option: String
  let name: String
  /// Nil: unlimited.
  let soft: UInt64?
  let hard: UInt64?

  /// The command that makes the limit at least `wanted`, which is in the unit of ulimit.
  func raise(to wanted: UInt64) -> String {
    if hard.map({ $0 / unit >= wanted }) ?? true { return "ulimit -S -\(option) \(wanted)" }
    return "ulimit -\(option) \(wanted)"
  }

  /// True if the hard limit keeps this user from raising it.
  func wantsRoot(_ wanted: UInt64) -> Bool { hard.map { $0 / unit < wanted } ?? false }

  /// Bytes, or whatever is counted, in the unit of ulimit.
  var unit: UInt64 { option == "n" || option == "u" ? 1 : 1024 }

  func allows(_ amount: UInt64) -> Bool { soft.map { $0 >= amount } ?? true }
}

enum Limits {
  static var lockedMemory: Limit { limit("l", "memlock", 8) }
  static var files: Limit { limit("n", "nofile", 7) }
  static var fileBytes: Limit { limit("f", "fsize", 1) }
  static var addresses: Limit { limit("v", "as", 9) }
  static var processes: Limit { limit("u", "nproc", 6) }
  static var all: [Limit] { [lockedMemory, files, fileBytes, addresses, processes] }

  /// The numbers of resources are those of every architecture but MIPS and SPARC.
  private static func limit(_ option: String, _ name: String, _ number: Int32) -> Limit {
    var value = rlimit()
    unsafe getrlimit(__rlimit_resource_t(UInt32(number)), &value)
    func bound(_ value: rlim_t) -> UInt64? { value == .max ? nil : UInt64(value) }
    return Limit(option: option, name: name, soft: bound(value.rlim_cur), hard: bound(value.rlim_max))
  }

  /// Descriptors that this process has open.
  static var openFiles: Int { SysFS.names("/proc/self/fd").count }
}

/// Capabilities of this process (capabilities(7)).
enum Capability: Int, CaseIterable {
  case netAdmin = 12
  case ipcLock = 14
  case rawIO = 17
  case sysAdmin = 21

  var name: String {
    switch self {
    case .netAdmin: "CAP_NET_ADMIN"
    case .ipcLock: "CAP_IPC_LOCK"
    case .rawIO: "CAP_SYS_RAWIO"
    case .sysAdmin: "CAP_SYS_ADMIN"
    }
  }

  var isThere: Bool {
    let line = (SysFS.read("/proc/self/status") ?? "").split(separator: "\n").first { $0.hasPrefix("CapEff:") }
    let bits = UInt64((line ?? "").split(separator: "\t").last ?? "", radix: 16) ?? 0
    return bits >> UInt64(rawValue) & 1 != 0
  }
}
