// SPDX-License-Identifier: BSD-2-Clause
//
// What the machine has, and what of it this process may use: read once, for all addresses.

import Glibc

struct Checkup {
  let hugepages = Hugepages.all
  /// Groups of functions that an IOMMU keeps apart; 0 without an IOMMU.
  let iommuGroups = SysFS.names("/sys/kernel/iommu_groups").count
  let iommus = SysFS.names("/sys/class/iommu")
  let allowsNoIOMMU = SysFS.allowsNoIOMMU
  let modules = Modules.all
  let nodes: [DeviceNode]
  let limits = Limits.all
  let openFiles = Limits.openFiles
  /// Free bytes of /dev/shm, which some back-ends take their memory from; nil if it is not mounted.
  let shm: UInt64?
  /// What the memory cgroup leaves; nil without a limit.
  let memory = Cgroup.memory
  /// The machine's memory that can be had.
  let machineMemory: UInt64?
  let memfdNoexec = SysFS.number("/proc/sys/vm/memfd_noexec")
  let processors = Processors()
  let capabilities: [Capability: Bool]

  init() {
    // These files may be opened by anybody without consequences, if that loads no module; the others change their device.
    let harmless = [("tun", "/dev/net/tun"), ("vhost-net", "/dev/vhost-net"), ("vfio", "/dev/vfio/vfio")]
    var nodes = harmless.map { DeviceNode($0.1, isOpened: SysFS.exists("/sys/class/misc/\($0.0)")) }
    for name in SysFS.names("/dev") where name.hasPrefix("vhost-vdpa") || Checkup.isUIO(name) {
      nodes.append(DeviceNode("/dev/\(name)", isOpened: false))
    }
    for name in SysFS.names("/dev/vfio") where name != "vfio" && name != "devices" {
      nodes.append(DeviceNode("/dev/vfio/\(name)", isOpened: false))
    }
    self.nodes = nodes
    var room = statvfs()
    shm = unsafe statvfs("/dev/shm", &room) == 0 ? UInt64(room.f_bavail) * UInt64(room.f_frsize) : nil
    let line = SysFS.rows("/proc/meminfo").first { $0.first == "MemAvailable:" }
    machineMemory = line.flatMap { $0.count > 1 ? UInt64($0[1]) : nil }.map { $0 << 10 }
    capabilities = Dictionary(uniqueKeysWithValues: Capability.allCases.map { ($0, $0.isThere) })
  }

  private static func isUIO(_ name: String) -> Bool { name.hasPrefix("uio") && UInt(name.dropFirst(3)) != nil }

  func has(_ capability: Capability) -> Bool { capabilities[capability] ?? false }
  func node(_ path: String) -> DeviceNode { nodes.first { $0.path == path } ?? DeviceNode(path, isOpened: false) }
  func module(_ name: String) -> ModuleState { modules[name] ?? .missing }
  func limit(_ option: String) -> Limit? { limits.first { $0.option == option } }
}

extension Checkup: Encodable {
  private enum Key: String, CodingKey {
    case hugepages, iommu_groups, iommus, noiommu_allowed, modules, devices, limits, open_files, shm_bytes
    case memory_cgroup_bytes, memory_bytes, memfd_noexec, processors, capabilities
  }

  func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: Key.self)
    try object.encode(hugepages, forKey: .hugepages)
    try object.encode(iommuGroups, forKey: .iommu_groups)
    try object.encode(iommus, forKey: .iommus)
    try object.encode(allowsNoIOMMU, forKey: .noiommu_allowed)
    try object.encode(modules, forKey: .modules)
    try object.encode(nodes, forKey: .devices)
    try object.encode(Dictionary(uniqueKeysWithValues: limits.map { ($0.name, $0.soft) }), forKey: .limits)
    try object.encode(openFiles, forKey: .open_files)
    try object.encode(shm, forKey: .shm_bytes)
    try object.encode(memory?.bytes, forKey: .memory_cgroup_bytes)
    try object.encode(machineMemory, forKey: .memory_bytes)
    try object.encode(memfdNoexec, forKey: .memfd_noexec)
    try object.encode(processors, forKey: .processors)
    let granted = capabilities.map { ($0.key.name, $0.value) }
    try object.encode(Dictionary(uniqueKeysWithValues: granted), forKey: .capabilities)
  }
}

// MARK: As text

extension Checkup {
  /// Names with what there is to say.
  var lines: [(String, String)] {
    var lines: [(String, String)] = []
    lines.append(("processors", processorText))
    lines.append(("memory", memoryText))
    for each in hugepages {
      var text = "\(each.kib >> 10) MiB: \(each.free) free of \(each.total)"
      text += each.mounts.isEmpty ? ", not mounted" : ", mounted at \(each.mounts.joined(separator: " "))"
      if let room = each.cgroupBytes { text += ", the cgroup leaves \(room >> 20) MiB" }
      lines.append(("hugepages", text))
    }
    let unsafe = allowsNoIOMMU ? "; VFIO without one is allowed" : ""
    lines.append(("IOMMU", iommuGroups == 0 ? "none in use\(unsafe)" : "\(iommuGroups) groups\(unsafe)"))
    let states = Modules.names.map { name in module(name) == .loaded ? name : "\(name) (\(module(name)))" }
    lines.append(("modules", states.joined(separator: ", ")))
    for node in nodes {
      let mode = node.mode.map { "\($0) \(node.owner ?? "") \(node.group ?? "")" } ?? "not there"
      let reason = node.mode == nil ? nil : node.reason
      lines.append((node.path, mode + (reason.map { ": \($0)" } ?? "")))
    }
    lines.append(("limits", limits.map(Checkup.text).joined(separator: ", ") + "; \(openFiles) files open"))
    lines.append(("/dev/shm", shm.map { "\($0 >> 20) MiB free" } ?? "not mounted"))
    lines.append(("memfd_noexec", memfdNoexec.map(String.init) ?? "not known to this kernel"))
    let granted = Capability.allCases.filter(has).map(\.name)
    lines.append(("capabilities", granted.isEmpty ? "none that matters" : granted.joined(separator: " ")))
    return lines
  }

  private var processorText: String {
    var text = "\(processors.allowed) of \(processors.online)"
    if let quota = processors.quota { text += ", of which the cgroup allows \(Decimals.text(quota, 1))" }
    if !processors.isolated.isEmpty { text += ", isolated: \(processors.isolated)" }
    if processors.nodes > 1 { text += ", \(processors.nodes) NUMA nodes" }
    if processors.isVirtual { text += ", of a virtual machine" }
    return text + (processors.model.map { ", \($0)" } ?? "")
  }

  private var memoryText: String {
    let machine = machineMemory.map { "\($0 >> 20) MiB can be had" } ?? "not known"
    return memory.map { "\(machine), the cgroup leaves \($0.bytes >> 20) MiB (\($0.file))" } ?? machine
  }

  private static func text(_ limit: Limit) -> String {
    guard let soft = limit.soft else { return "\(limit.name) unlimited" }
    return limit.unit == 1 ? "\(limit.name) \(soft)" : "\(limit.name) \(soft >> 10) KiB"
  }
}
