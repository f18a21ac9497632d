// SPDX-License-Identifier: BSD-2-Clause
//
// vhost-user: a socket, and memory that can be shared through it.

import Glibc

extension AddressCheck {
  mutating func checkVhostUser() {
    _ = tryPool()
    checkFiles(perPair: 6, beside: 14)
    if target.isEmpty { return }
    if keys["server"] == "1" { checkOwnSocket() } else { checkSocket() }
  }

  /// The library makes the socket.
  private mutating func checkOwnSocket() {
    let folder = AddressCheck.folder(of: target)
    if unsafe access(folder, W_OK | X_OK) != 0 {
      let reason = AddressCheck.reason(errno)
      let isThere = SysFS.exists(folder)
      add(
        Finding(
          "socket-folder", "no socket can be made in \(folder): \(reason)",
          mend: isThere ? "chown \(user) \(folder)" : "mkdir -p \(folder)"))
    }
    if AddressCheck.isListened(target) { add(Finding("socket-used", "another program listens on \(target)")) }
  }

  /// A back-end listens.
  private mutating func checkSocket() {
    var status = stat()
    if unsafe stat(target, &status) != 0 {
      let code = errno
      if code == ENOENT {
        let wanted = "vionetctl serve \(target) loopback"
        add(
          Finding(
            "socket-missing",
            "there is no socket \(target): the back-end does not run, or has another path; with "
              + "server=1 or recover=auto it may come later", mend: wanted))
      } else {
        add(Finding("socket", "\(target): \(AddressCheck.reason(code))"))
      }
      return
    }
    if status.st_mode & S_IFMT != S_IFSOCK { return add(Finding("socket", "\(target) is no socket")) }
    if unsafe access(target, W_OK) != 0 {
      return add(Finding("socket-access", "the socket \(target) is another user's", mend: "chown \(user) \(target)"))
    }
    // A connection would be taken for a front-end, so that it is made only if nobody is known to listen.
    if AddressCheck.isListened(target) || AddressCheck.accepts(target) { return }
    add(Finding("socket-dead", "nobody listens on \(target): the program that made it has ended"))
  }

  /// True if somebody in this network namespace listens (proc(5), net/unix: the flag is __SO_ACCEPTCON).
  private static func isListened(_ path: String) -> Bool {
    SysFS.rows("/proc/net/unix").contains { row in
      row.count > 7 && row[7] == path && (UInt32(row[3], radix: 16) ?? 0) & 0x10000 != 0
    }
  }

  private static func accepts(_ path: String) -> Bool {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    if path.utf8.count >= MemoryLayout.size(ofValue: address.sun_path) { return false }
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { bytes in unsafe bytes.copyBytes(from: path.utf8) }
    let file = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    defer { close(file) }
    let result = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        unsafe connect(file, generic, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    return result == 0 || errno == EAGAIN || errno == EINPROGRESS
  }
}
