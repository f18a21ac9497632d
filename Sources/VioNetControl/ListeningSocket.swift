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

  private let socket: File
  private let address: sockaddr_un
  /// The file that was made, which is another when another program has taken the path.
  private let file: sys_unix_file

  // Safety: both structs live longer than the calls that read and fill them.
  init(_ path: Text, _ explain: (Int32) -> Failure) throws(Failure) {
    var address = sockaddr_un()
    var file = sys_unix_file()
    if !Self.fill(&address, path) { throw explain(ENAMETOOLONG) }
    let listening = unsafe sys_unix_listen_with_mode(&address, Self.backlog, Self.mode, &file)
    socket = File(owning: try check(listening, explain))
    self.address = address
    self.file = file
  }

  // Safety: as above.
  deinit {
    unsafe withUnsafePointer(to: address) { address in
      unsafe withUnsafePointer(to: file) { file in unsafe sys_unix_remove(address, file) }
    }
  }

  var number: Int32 { socket.number }

  /// False if the path is too long for an address.
  // Safety: copy() writes no further than the path's field.
  private static func fill(_ address: inout sockaddr_un, _ path: Text) -> Bool {
    address.sun_family = UInt16(AF_UNIX)
    return unsafe withUnsafeMutableBytes(of: &address.sun_path) { room in
      let start = unsafe room.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CChar.self)
      return unsafe path.copy(to: start, room: room.count)
    }
  }
}
