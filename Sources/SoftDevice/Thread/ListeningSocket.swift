// SPDX-License-Identifier: BSD-2-Clause
//
// The unix socket of a served device. Its file is made here, and removed at the end if it is there still.

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

  private let address: sockaddr_un
  private let file: sys_unix_file
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
    var file = sys_unix_file()
    _ = Self.fill(&address, name)
    socket = File(
      owning: try check(unsafe sys_unix_listen(&address, Self.backlog, &file)) {
        Failure($0, "socket ").quoting(name).text(": ").reason($0)
      })
    self.address = address
    self.file = file
  }

  deinit {
    unsafe withUnsafePointer(to: address) { address in
      unsafe withUnsafePointer(to: file) { file in unsafe sys_unix_remove(address, file) }
    }
  }

  var number: Int32 { socket.number }
}
