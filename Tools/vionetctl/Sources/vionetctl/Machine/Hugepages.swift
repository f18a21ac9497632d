// SPDX-License-Identifier: BSD-2-Clause
//
// Hugepages of one size: how many there are, what this process may have of them, and where they are mounted.

import Glibc

struct Hugepages: Encodable {
  let kib: UInt64
  let total: UInt64
  let free: UInt64
  /// Free pages that somebody has reserved.
  let reserved: UInt64
  let mounts: [String]
  /// Bytes that this process's cgroups leave; nil: as many as there are.
  let cgroupBytes: UInt64?

  private enum CodingKeys: String, CodingKey {
    case kib = "size_kib"
    case total, free, reserved, mounts
    case cgroupBytes = "cgroup_bytes"
  }

  func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: CodingKeys.self)
    try object.encode(kib, forKey: .kib)
    try object.encode(total, forKey: .total)
    try object.encode(free, forKey: .free)
    try object.encode(reserved, forKey: .reserved)
    try object.encode(mounts, forKey: .mounts)
    try object.encode(cgroupBytes, forKey: .cgroupBytes)
  }

  /// Pages that this process can take now.
  var available: UInt64 {
    let here = free > reserved ? free - reserved : 0
    return min(here, cgroupBytes.map { $0 / (kib << 10) } ?? here)
  }

  var name: String { kib >= 1 << 20 ? "\(kib >> 20)GB" : kib >= 1 << 10 ? "\(kib >> 10)MB" : "\(kib)KB" }

  /// The file that has the number of pages.
  static func file(_ kib: UInt64) -> String { "\(folder)/hugepages-\(kib)kB/nr_hugepages" }

  private static let folder = "/sys/kernel/mm/hugepages"

  /// Every size of this machine.
  static var all: [Hugepages] {
    let sizes = SysFS.names(folder).compactMap { UInt64($0.dropFirst("hugepages-".count).dropLast(2)) }
    let mounts = mounts
    return sizes.sorted().map { kib in
      func count(_ name: String) -> UInt64 { SysFS.number("\(folder)/hugepages-\(kib)kB/\(name)") ?? 0 }
      let found = Hugepages(
        kib: kib, total: count("nr_hugepages"), free: count("free_hugepages"), reserved: count("resv_hugepages"),
        mounts: mounts.filter { $0.kib == kib }.map(\.path), cgroupBytes: nil)
      return Hugepages(
        kib: kib, total: found.total, free: found.free, reserved: found.reserved, mounts: found.mounts,
        cgroupBytes: Cgroup.hugepageRoom(found.name))
    }
  }

  private static var mounts: [(path: String, kib: UInt64)] {
    let standard = (SysFS.read("/proc/meminfo") ?? "").split(separator: "\n").first { $0.hasPrefix("Hugepagesize:") }
    let usual = standard.flatMap { UInt64($0.split(separator: " ").dropLast().last ?? "") } ?? 2048
    return SysFS.rows("/proc/mounts").filter { $0.count > 3 && $0[2] == "hugetlbfs" }.map { row in
      let option = row[3].split(separator: ",").first { $0.hasPrefix("pagesize=") }?.dropFirst("pagesize=".count)
      return (String(row[1]), option.flatMap(kib) ?? usual)
    }
  }

  /// "2M" or "1G" in KiB.
  private static func kib(_ text: Substring) -> UInt64? {
    guard let number = UInt64(text.prefix { $0.isNumber }) else { return nil }
    switch text.last {
    case "G": return number << 20
    case "M": return number << 10
    case "K", "k": return number
    default: return number >> 10
    }
  }
}
