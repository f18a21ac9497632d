// SPDX-License-Identifier: BSD-2-Clause
//
// How much memory there is for this process: on the machine, and in the memory cgroups that it is in, of either version
// (Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst). A process that takes more than a cgroup has
// is not refused but killed, when it first uses the memory. So whoever takes much asks first.

import CLinux

package struct MemoryRoom {
  /// Bytes that are left.
  private(set) var bytes = UInt64.max
  /// A cgroup leaves them, not the machine.
  package private(set) var isCgroup = false
  /// Some cgroup has a limit.
  package private(set) var hasLimit = false

  /// Bytes for what the library, the program and the kernel need beside a large piece.
  private static let margin: UInt64 = 2 << 20
  private static let mostLevels = 32

  /// Looks at the machine and at every cgroup from this process's own to the root.
  @inline(never)
  package init() {
    self.init(machine: Path("/proc/meminfo"), groups: Path("/proc/self/cgroup"), root: Path("/sys/fs/cgroup"))
  }

  /// From files of the kernel's, or ones that look like them.
  @inline(never)
  package init(machine: Path, groups: Path, root: Path) {
    var swap: UInt64 = 0
    if let machine = SmallFile(machine) {
      swap = (machine.number("SwapFree:") ?? 0) &* 1024
      if let available = machine.number("MemAvailable:") { bytes = available &* 1024 &+ swap }
    }
    guard var level = MemoryCgroup(groups, root) else { return }
    var left = MemoryRoom.mostLevels
    repeat {
      if let room = level.room(swap) {
        hasLimit = true
        if room < bytes {
          bytes = room
          isCgroup = true
        }
      }
      left -= 1
    } while left > 0 && level.ascend()
  }

  package func holds(_ wanted: Int) -> Bool { UInt64(wanted) &+ UInt64(wanted) / 16 &+ MemoryRoom.margin <= bytes }

  /// Throws if that many bytes would be too many.
  @inline(never)
  package func mustHold(_ wanted: Int) throws(Failure) {
    if holds(wanted) { return }
    let failure = Failure(ENOMEM, "no memory for ").number(wanted).text(" bytes of packets or rings: ")
      .text(isCgroup ? "this process's memory cgroup has " : "the machine has ").number(bytes).text(" bytes left")
    throw failure.text(isCgroup ? "; raise its limit (memory.max), or take" : "; take")
      .text(" fewer packets (pool_packets=) or smaller rings (queue_size=)")
  }
}

/// One memory cgroup.
private struct MemoryCgroup {
  /// Above that a limit is none: version 1 writes the highest number of whole pages.
  private static let unlimited: UInt64 = 1 << 60

  private let isFirstVersion: Bool
  private let root: Path
  /// From the root down. Cut, it names no folder, and the one above it counts.
  private var folder: Path

  /// The one that this process is in; nil if there is none.
  init?(_ groups: Path, _ root: Path) {
    guard let file = SmallFile(groups) else { return nil }
    if let first = file.first({ MemoryCgroup.folder($0, of: "memory") }) {
      self.init(true, root.adding("/memory"), first)
    } else if let second = file.first({ MemoryCgroup.folder($0, of: "") }) {
      self.init(false, root, second)
    } else {
      return nil
    }
  }

  private init(_ isFirstVersion: Bool, _ root: Path, _ folder: Path) {
    self.isFirstVersion = isFirstVersion
    self.root = root
    self.folder = folder
  }

  /// The folder in a line like "4:cpu,memory:/a/b" if the controller is in its list.
  @inline(never)
  private static func folder(_ line: Text, of controller: StaticString) -> Path? {
    guard let (controllers, folder) = line.split(at: 0x3a)?.tail.split(at: 0x3a) else { return nil }
    var rest: Text? = controllers
    while let list = rest {
      let parts = list.split(at: 0x2c)
      if (parts?.head ?? list).equals(controller) { return Path("").adding(folder) }
      rest = parts?.tail
    }
    return nil
  }

  /// Goes on to the one above; false behind the root.
  mutating func ascend() -> Bool { folder.dropLast() }

  @inline(never)
  private func file(_ name: StaticString) -> SmallFile? { SmallFile(root.adding(folder).adding("/").adding(name)) }

  @inline(never)
  private func number(_ name: StaticString) -> UInt64 { file(name)?.number ?? 0 }

  @inline(never)
  private func limit(_ name: StaticString) -> UInt64? {
    guard let number = file(name)?.number, number < MemoryCgroup.unlimited else { return nil }
    return number
  }

  /// Bytes that it leaves, with `swap` bytes on the machine; nil without a limit. What the kernel keeps of files does not
  /// count, since it lets go of that.
  @inline(never)
  func room(_ swap: UInt64) -> UInt64? {
    guard let most = limit(isFirstVersion ? "memory.limit_in_bytes" : "memory.max") else { return nil }
    let taken = number(isFirstVersion ? "memory.usage_in_bytes" : "memory.current")
    let statistics = file("memory.stat")
    let kept =
      (statistics?.number(isFirstVersion ? "total_inactive_file" : "inactive_file") ?? 0)
      &+ (statistics?.number(isFirstVersion ? "total_active_file" : "active_file") ?? 0)
    let used = taken > kept ? taken - kept : 0
    return (most > used ? most - used : 0) &+ min(swap, swapRoom)
  }

  private var swapRoom: UInt64 {
    if isFirstVersion { return limit("memory.memsw.limit_in_bytes") == nil ? .max : 0 }
    guard let most = limit("memory.swap.max") else { return .max }
    let used = number("memory.swap.current")
    return most > used ? most - used : 0
  }
}
