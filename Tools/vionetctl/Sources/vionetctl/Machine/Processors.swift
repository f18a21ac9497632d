// SPDX-License-Identifier: BSD-2-Clause
//
// What matters of the processors to a program that polls.

import Glibc

struct Processors: Encodable {
  let online: Int
  /// Those that this process may run on.
  let allowed: Int
  /// Kept free of other programs by isolcpus=; "" if none is.
  let isolated: String
  let nodes: Int
  let model: String?
  /// True in a guest: notifications and interrupts cost an exit.
  let isVirtual: Bool
  /// The share of a processor that the cgroup allows, such as 1.5; nil without a limit.
  let quota: Double?

  private enum CodingKeys: String, CodingKey {
    case online, allowed, isolated, nodes, model
    case isVirtual = "virtual"
    case quota = "cgroup_quota"
  }

  init() {
    let lines = SysFS.rows("/proc/cpuinfo", separator: ":")
    func value(_ name: String) -> String? {
      lines.first { $0.first.map { $0.hasPrefix(name) } ?? false }?.last.map { String($0.drop { $0 == " " }) }
    }
    online = sysconf(Int32(_SC_NPROCESSORS_ONLN))
    let list = SysFS.rows("/proc/self/status").first { $0.first == "Cpus_allowed_list:" }?.last
    allowed = list.map(Processors.count) ?? online
    isolated = SysFS.line("/sys/devices/system/cpu/isolated") ?? ""
    nodes = max(1, SysFS.names("/sys/devices/system/node").filter { $0.hasPrefix("node") }.count)
    model = value("model name")
    isVirtual = value("flags")?.split(separator: " ").contains("hypervisor") ?? false
    let most = SysFS.rows("/sys/fs/cgroup/cpu.max").first ?? []
    quota = most.count == 2 ? Double(most[0]).flatMap { share in Double(most[1]).map { share / $0 } } : nil
  }

  /// How many numbers a list such as "0-3,8" has.
  private static func count(_ list: Substring) -> Int {
    list.split(separator: ",").reduce(0) { sum, part in
      let ends = part.split(separator: "-").compactMap { Int($0) }
      return sum + (ends.count == 2 ? ends[1] - ends[0] + 1 : ends.count)
    }
  }

  func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: CodingKeys.self)
    try object.encode(online, forKey: .online)
    try object.encode(allowed, forKey: .allowed)
    try object.encode(isolated, forKey: .isolated)
    try object.encode(nodes, forKey: .nodes)
    try object.encode(model, forKey: .model)
    try object.encode(isVirtual, forKey: .isVirtual)
    try object.encode(quota, forKey: .quota)
  }
}
