// SPDX-License-Identifier: BSD-2-Clause
//
// What the cgroups of this process leave it, of either version: of memory and of hugepages. The lowest limit from its own
// group to the root counts.

enum Cgroup {
  struct Room {
    /// Bytes that are left, without what the kernel keeps of files.
    let bytes: UInt64
    /// The file that has the limit.
    let file: String
  }

  /// Above that a limit is none: version 1 writes the highest number of whole pages.
  private static let unlimited: UInt64 = 1 << 60
  private static let root = "/sys/fs/cgroup"

  /// What is left of memory; nil without a limit.
  static var memory: Room? {
    guard let (folder, isFirst, place) = group("memory") else { return nil }
    return levels(folder).compactMap { level -> Room? in
      let path = place + level
      let file = "\(path)/\(isFirst ? "memory.limit_in_bytes" : "memory.max")"
      guard let most = limit(file) else { return nil }
      let taken = SysFS.number("\(path)/\(isFirst ? "memory.usage_in_bytes" : "memory.current")") ?? 0
      let rows = SysFS.rows("\(path)/memory.stat")
      let prefix = isFirst ? "total_" : ""
      let kept = rows.filter { $0.first == "\(prefix)inactive_file" || $0.first == "\(prefix)active_file" }
        .reduce(UInt64(0)) { $0 + (UInt64($1.last ?? "") ?? 0) }
      let used = taken > kept ? taken - kept : 0
      return Room(bytes: most > used ? most - used : 0, file: file)
    }.min { $0.bytes < $1.bytes }
  }

  /// Bytes that are left of hugepages of a size such as "2MB"; nil without a limit.
  static func hugepageRoom(_ size: String) -> UInt64? { hugepages(size)?.bytes }

  static func hugepages(_ size: String) -> Room? {
    guard let (folder, isFirst, place) = group("hugetlb") else { return nil }
    return levels(folder).compactMap { level -> Room? in
      let file = "\(place)\(level)/hugetlb.\(size).\(isFirst ? "limit_in_bytes" : "max")"
      guard let most = limit(file) else { return nil }
      let used = SysFS.number("\(place)\(level)/hugetlb.\(size).\(isFirst ? "usage_in_bytes" : "current")") ?? 0
      return Room(bytes: most > used ? most - used : 0, file: file)
    }.min { $0.bytes < $1.bytes }
  }

  /// The group of this process for a controller, its version, and where its tree is mounted.
  private static func group(_ controller: String) -> (folder: String, isFirst: Bool, place: String)? {
    let lines = (SysFS.read("/proc/self/cgroup") ?? "").split(separator: "\n").map {
      $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
    }
    if let first = lines.first(where: { $0.count == 3 && $0[1].split(separator: ",").contains(Substring(controller)) })
    {
      let mount = SysFS.rows("/proc/mounts").first {
        $0.count > 3 && $0[2] == "cgroup" && $0[3].split(separator: ",").contains(Substring(controller))
      }
      return mount.map { (String(first[2]), true, String($0[1])) }
    }
    guard let second = lines.first(where: { $0.count == 3 && $0[0] == "0" }) else { return nil }
    return (String(second[2]), false, root)
  }

  /// A folder and those above it, the root as "".
  private static func levels(_ folder: String) -> [String] {
    let parts = folder.split(separator: "/")
    return (0...parts.count).map { count in parts.prefix(count).map { "/\($0)" }.joined() }
  }

  private static func limit(_ file: String) -> UInt64? {
    guard let number = SysFS.number(file), number < unlimited else { return nil }
    return number
  }
}
