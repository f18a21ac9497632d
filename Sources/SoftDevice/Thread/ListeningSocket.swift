// SPDX-License-Identifier: BSD-2-Clause
//
// The unix socket of a served device. Its file is made here and removed at the end. A socket that a killed program
// left behind is replaced; one that somebody answers, or a file that is no socket, is left alone.

import CLinux
import Linux

extension Optional where Wrapped == ListeningSocket {
  /// The socket's number; -1 if there is none.
  var number: Int32 {
    switch self {
    case .some(let socket): return socket.number
    case .none: return -1
    }
  }
}

struct ListeningSocket: ~Copyable {
  private static let backlog: Int32 = 4

  private let path: Name
  private let socket: File

  /// A path that a socket can have.
  static func name(_ path: Text) throws(Failure) -> Name {
    guard let name = Name(path), !name.isEmpty else {
      throw Failure(EINVAL, "socket path is empty, has a zero inside or is longer than 255 bytes")
    }
    var address = sockaddr_un()
    if !fill(&address, name) { throw Failure(EINVAL, "socket path ").quoting(name).text(" is longer than 107 bytes") }
    return name
  }

  /// The address of a path; false if it has no room.
  static func fill(_ address: inout sockaddr_un, _ name: Name) -> Bool {
    unsafe name.withCString { unsafe sys_unix_address(&address, $0) } >= 0
  }

  init(_ path: Text) throws(Failure) {
    let name = try Self.name(path)
    var address = sockaddr_un()
    _ = Self.fill(&address, name)
    let socket = File(owning: try Self.check(sys_unix_socket(), name))
    var bound = unsafe sys_unix_bind(socket.number, &address)
    if bound == -EADDRINUSE, Self.isAbandoned(name, &address) {
      _ = unsafe name.withCString { unsafe sys_unlink($0) }
      bound = unsafe sys_unix_bind(socket.number, &address)
    }
    _ = try Self.check(bound, name)
    _ = try Self.check(sys_listen(socket.number, Self.backlog), name)
    self.path = name
    self.socket = socket
  }

  deinit { _ = unsafe path.withCString { unsafe sys_unlink($0) } }

  var number: Int32 { socket.number }

  private static func check(_ result: Int32, _ name: Name) throws(Failure) -> Int32 {
    try Linux.check(result) { Failure($0, "socket ").quoting(name).text(": ").reason($0) }
  }

  /// A socket on which nobody listens any more.
  private static func isAbandoned(_ name: Name, _ address: inout sockaddr_un) -> Bool {
    if unsafe name.withCString({ unsafe sys_is_socket($0) }) != 1 { return false }
    let probe = sys_unix_socket()
    if probe < 0 { return false }
    let answer = unsafe sys_unix_connect(probe, &address)
    _ = sys_close(probe)
    return answer == -ECONNREFUSED
  }
}
