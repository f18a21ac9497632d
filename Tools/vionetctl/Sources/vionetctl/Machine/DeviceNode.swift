// SPDX-License-Identifier: BSD-2-Clause
//
// A device file below /dev: who may use it, and whether this process can.

import Glibc

struct DeviceNode: Encodable {
  let path: String
  /// The mode as ls prints it, "crw-rw----"; nil if there is no such file.
  let mode: String?
  let owner: String?
  let group: String?
  /// Why this process cannot use it, a negative errno; 0 if it can.
  let result: Int32

  /// Looks at the file and opens it, unless to open is to use: `isOpened` says that it may be.
  init(_ path: String, isOpened: Bool) {
    self.path = path
    var status = stat()
    if unsafe stat(path, &status) != 0 {
      (mode, owner, group, result) = (nil, nil, nil, -errno)
      return
    }
    mode = DeviceNode.text(status.st_mode)
    owner = unsafe getpwuid(status.st_uid).map { unsafe String(cString: $0.pointee.pw_name) } ?? "\(status.st_uid)"
    group = unsafe getgrgid(status.st_gid).map { unsafe String(cString: $0.pointee.gr_name) } ?? "\(status.st_gid)"
    if status.st_mode & S_IFMT != S_IFCHR {
      result = -ENOTTY
    } else if isOpened {
      let file = unsafe open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK)
      result = file < 0 ? -errno : 0
      if file >= 0 { close(file) }
    } else {
      result = unsafe access(path, R_OK | W_OK) == 0 ? 0 : -errno
    }
  }

  var isUsable: Bool { result == 0 }
  var reason: String? {
    if isUsable { return nil }
    return result == -ENOTTY ? "it is no character device" : unsafe String(cString: strerror(-result))
  }

  private static func text(_ mode: mode_t) -> String {
    let kind = mode & S_IFMT == S_IFCHR ? "c" : mode & S_IFMT == S_IFDIR ? "d" : "-"
    return kind
      + (0..<9).map { place in mode >> mode_t(8 - place) & 1 == 0 ? "-" : ["r", "w", "x"][place % 3] }.joined()
  }

  private enum Key: String, CodingKey { case path, mode, owner, group, usable, reason }

  func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: Key.self)
    try object.encode(path, forKey: .path)
    try object.encode(mode, forKey: .mode)
    try object.encode(owner, forKey: .owner)
    try object.encode(group, forKey: .group)
    try object.encode(isUsable, forKey: .usable)
    try object.encode(reason, forKey: .reason)
  }
}
