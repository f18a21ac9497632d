// SPDX-License-Identifier: BSD-2-Clause
//
// Files of sysfs: whether they exist, reading and writing them.

import FoundationEssentials
import Glibc

enum SysFS {
  static let pci = "/sys/bus/pci"

  static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
  static func hasFunction(_ name: String) -> Bool { exists("\(pci)/devices/\(name)") }

  /// True if vfio-pci takes functions without an IOMMU.
  static var allowsNoIOMMU: Bool {
    read("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode")?.first == "Y"
  }

  /// The contents of a file; nil if it cannot be read.
  static func read(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }

  /// The first line of a file; nil if it cannot be read.
  static func line(_ path: String) -> String? { read(path).map { String($0.prefix { $0 != "\n" }) } }

  /// The number in a file; nil if there is none, as in one that says "max".
  static func number(_ path: String) -> UInt64? { line(path).flatMap { UInt64($0) } }

  /// The names in a folder; none if it cannot be read.
  static func names(_ path: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
  }

  /// The words of each line of a file.
  static func rows(_ path: String, separator: Character? = nil) -> [[Substring]] {
    (read(path) ?? "").split(separator: "\n").map { line in
      line.split { separator == nil ? $0 == " " || $0 == "\t" : $0 == separator }
    }
  }

  /// The last part of the target of a symbolic link; nil if there is no link.
  static func link(_ path: String) -> String? {
    (try? FileManager.default.destinationOfSymbolicLink(atPath: path))?.split(separator: "/").last.map(String.init)
  }
}

/// A line that is written to a file, as `echo` would.
struct Write {
  let line: String
  let path: String

  /// A write as a shell command.
  var command: String { line.isEmpty ? "echo > \(path)" : "echo \(line) > \(path)" }

  /// Why this user may not make the write; nil if nothing is known against it.
  var refusal: Sentence? {
    if unsafe access(path, F_OK) != 0 || access(path, W_OK) == 0 { return nil }
    return failure(errno)
  }

  func make() throws {
    let file = unsafe open(path, O_WRONLY | O_CLOEXEC)
    if file < 0 { throw failure(errno) }
    defer { close(file) }
    let bytes = Array((line + "\n").utf8)
    if unsafe write(file, bytes, bytes.count) != bytes.count { throw failure(errno) }
  }

  private func failure(_ code: Int32) -> Sentence {
    let hint = code == EACCES || code == EPERM ? "; run this as root" : ""
    return unsafe Sentence("cannot do \"\(command)\": \(String(cString: strerror(code)))\(hint)")
  }
}
