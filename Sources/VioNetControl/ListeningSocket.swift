// SPDX-License-Identifier: BSD-2-Clause
//
// The socket at a path of the file system, for the user of this process alone.

import CLinux
import Linux

struct ListeningSocket: ~Copyable {
  /// Connections that wait to be accepted.
  private static let backlog: Int32 = 64
  /// The mode of the socket's file from its first moment: read and write for its owner.
  private static let mode: Int32 = 0o600

  private let file: SocketFile
  private let socket: File

  init(_ path: Text, _ explain: (Int32) -> Failure) throws(Failure) {
    guard let address = SocketFile.address(path) else { throw explain(ENAMETOOLONG) }
    let (socket, file) = SocketFile.listen(at: address, backlog: Self.backlog, mode: Self.mode)
    self.socket = File(owning: try check(socket, explain))
    self.file = file
  }

  // The file goes before the socket, which closes itself behind this.
  deinit { file.remove() }

  var number: Int32 { socket.number }
}
