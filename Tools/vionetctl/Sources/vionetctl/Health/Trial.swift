// SPDX-License-Identifier: BSD-2-Clause
//
// What concerns this process alone is tried: a device of its own, or a pool of packets, is made and given back. Limits of
// memory, files and threads then say what the library says.

import CVionet
import Glibc

extension AddressCheck {
  /// Keys that a soft:sink does not take.
  private static let others = ["server", "vdpa", "iova", "vf_token", "out", "format", "snaplen", "follow"]
  private static let ofGenerator = ["length", "rate", "flows", "checksum"]

  /// The address of a device of this process's own that takes what this one does. A wire with nothing outside is its own.
  private var ownAddress: String {
    let isGenerator = target == "generate"
    let wire = ["loopback", "generate", "sink"].contains(target) && scheme == "soft" ? target : "sink"
    let left = AddressCheck.others + (isGenerator ? [] : AddressCheck.ofGenerator)
    let taken = keys.filter { scheme == "soft" && target == wire || !left.contains($0.key) }
    return "soft:\(wire)" + taken.sorted { $0.key < $1.key }.map { ",\($0.key)=\($0.value)" }.joined()
  }

  /// False if the library takes no such address: a key or a value is wrong.
  mutating func checkKeys() -> Bool {
    if target.isEmpty || !["soft", "vhost-user", "vhost-net", "vhost-vdpa", "pci"].contains(scheme) { return true }
    var port: UInt16 = 0
    let result = unsafe vionet_probe(ownAddress, &port)
    if result == 0 { vionet_close(port) }
    if result != -EINVAL { return true }
    let sentence = Library.sentence.description.split(separator: ownAddress, omittingEmptySubsequences: false)
    add(Finding("address", sentence.joined(separator: address)))
    return false
  }

  /// Opens a device of this process's own with the sizes of the address, while that many descriptors are taken.
  mutating func tryPort(reserving descriptors: Int) {
    let taken = (0..<descriptors).map { _ in dup(STDIN_FILENO) }
    defer { for file in taken where file >= 0 { close(file) } }
    var port: UInt16 = 0
    let isShort = taken.contains { $0 < 0 } && machine.openFiles > 0
    let result = isShort ? -EMFILE : unsafe vionet_open(ownAddress, &port)
    if result == 0 { return vionet_close(port) }
    add(
      explain(-result, isShort ? "too few descriptors are left for the device's files" : Library.sentence.description))
  }

  /// Makes a pool such as the port would have. Returns its bytes of shared memory; nil if it cannot be had.
  mutating func tryPool() -> UInt64? {
    var settings = unsafe vionet_pool_config()
    unsafe settings.size = MemoryLayout<vionet_pool_config>.size
    unsafe settings.packets = UInt32(keys["pool_packets"] ?? "") ?? 0
    unsafe settings.memory_fd = -1
    var pool: UInt16 = 0
    let result = unsafe vionet_pool_create(&settings, &pool)
    if result < 0 {
      add(explain(-result, Library.sentence.description))
      return nil
    }
    defer { vionet_pool_destroy(pool) }
    var info = vionet_pool_info()
    info.size = MemoryLayout<vionet_pool_info>.size
    return unsafe vionet_pool_info(pool, &info) == 0 ? info.memory : nil
  }

  /// Compares the limit of descriptors with what a port takes.
  mutating func checkFiles(perPair: Int, beside: Int) {
    let wanted = UInt64(machine.openFiles + beside + perPair * queues)
    guard let limit = machine.limit("n"), !limit.allows(wanted) else { return }
    add(explain(EMFILE, "the port takes about \(wanted) descriptors, and this process may have \(limit.soft ?? 0)"))
  }

  /// A finding for an error of the library's, with the command that raises the limit that it names.
  private func explain(_ code: Int32, _ sentence: String) -> Finding {
    for (option, id) in [("n", "nofile"), ("f", "fsize"), ("v", "as"), ("d", "data"), ("u", "nproc")]
    where sentence.contains("(ulimit -\(option))") || (code == EMFILE && option == "n") {
      guard let limit = machine.limit(option) else { continue }
      return Finding(id, sentence + AddressCheck.root(limit, 4096), mend: AddressCheck.raise(limit))
    }
    if sentence.contains("cgroup has"), let room = machine.memory {
      let limit = (SysFS.number(room.file) ?? 0) + (UInt64(AddressCheck.number(sentence)) + 64) << 20
      return Finding("memory-cgroup", sentence, mend: "echo \(limit) > \(room.file)")
    }
    return Finding(code == EINVAL ? "address" : "memory", sentence)
  }

  private static func raise(_ limit: Limit) -> String {
    if limit.unit == 1 { return limit.raise(to: 4096) }
    return "ulimit \(limit.hard == nil ? "-S " : "")-\(limit.option) unlimited"
  }

  /// What to say of a limit that only root can raise.
  static func root(_ limit: Limit, _ wanted: UInt64) -> String {
    let isFixed = limit.unit == 1 ? limit.wantsRoot(wanted) : limit.hard != nil
    return isFixed ? "; its hard limit is root's to raise, or /etc/security/limits.conf's" : ""
  }

  /// MiB of the first number of bytes in a sentence.
  private static func number(_ sentence: String) -> Int {
    let digits = sentence.drop { !$0.isNumber }.prefix { $0.isNumber }
    return (Int(digits) ?? 0) >> 20
  }
}
