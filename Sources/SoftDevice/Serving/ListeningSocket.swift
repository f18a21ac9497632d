// SPDX-License-Identifier: BSD-2-Clause
//
// The listening socket of a served device, and its file.

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

  private let file: SocketFile
  private let socket: File

  /// A path that a socket can have.
  static func name(_ path: Text) throws(Failure) -> Path {
    guard let name = Path(exactly: path), !name.isEmpty else {
      throw Failure(EINVAL, "socket path is empty, has a zero inside or is longer than 255 bytes")
    }
    _ = try address(path)
    return name
  }

  private static func address(_ path: Text) throws(Failure) -> sockaddr_un {
    guard let address = SocketFile.address(path) else {
      throw Failure(EINVAL, "socket path ").quoting(path).text(" is longer than 107 bytes")
    }
    return address
  }

  init(_ path: Text) throws(Failure) {
    _ = try Self.name(path)
    let address = try Self.address(path)
    let (socket, file) = SocketFile.listen(at: address, backlog: Self.backlog)
    self.socket = File(owning: try check(socket) { Failure($0, "socket ").quoting(path).text(": ").reason($0) })
    self.file = file
  }

  // The file goes before the socket, which closes itself behind this.
  deinit { file.remove() }

  var number: Int32 { socket.number }
}
