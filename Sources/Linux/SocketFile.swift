// SPDX-License-Identifier: BSD-2-Clause
//
// The file of a listening unix socket. A file that a killed program left behind is replaced. One that somebody answers,
// or that is no socket, is left alone (EADDRINUSE). Of several programs that begin at the same time, one gets it.

import CLinux

package struct SocketFile {
  private let address: sockaddr_un
  private let identity: Identity

  /// Device and inode of a file; zero if there is none.
  private struct Identity: Equatable {
    var device: UInt64 = 0
    var inode: UInt64 = 0
  }

  /// The address of a path; nil if the path is longer than 107 bytes or has a zero inside.
  // Safety: copy() writes no further than the path's field.
  @inline(never)
  package static func address(_ path: Text) -> sockaddr_un? {
    if path.firstIndex(of: 0) != nil { return nil }
    var address = sockaddr_un()
    address.sun_family = UInt16(AF_UNIX)
    let fits = unsafe withUnsafeMutableBytes(of: &address.sun_path) { room in
      let start = unsafe room.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CChar.self)
      return unsafe path.copy(to: start, room: room.count)
    }
    return fits ? address : nil
  }

  /// A socket that listens, which the caller closes, or a negative errno; and its file, which the caller removes before.
  /// The file has `mode` from its first moment, or what the umask leaves if that is negative.
  @inline(never)
  package static func listen(at address: sockaddr_un, backlog: Int32, mode: Int32 = -1) -> (
    socket: Int32, file: SocketFile
  ) {
    var file = SocketFile(address: address, identity: Identity())
    let socket = File(owning: sys_unix_socket())
    if !socket.isOpen { return (socket.number, file) }
    let lock = FolderLock(folder(of: address))
    // The file gets the mode that the socket has when it is bound.
    var result = mode < 0 ? 0 : sys_change_mode(socket.number, UInt32(mode))
    if result >= 0 { result = bind(socket.number, to: address) }
    if result >= 0 {
      file = SocketFile(address: address, identity: identity(at: address))
      result = sys_listen(socket.number, backlog)
      if result < 0 { file.removeIfOwn() }
    }
    lock.release()
    return (result < 0 ? result : socket.take(), file)
  }

  /// Removes the file, unless another program has taken the path since. This comes before the socket's close: while
  /// the socket is open, no other file gets its inode.
  @inline(never)
  package func remove() {
    let lock = FolderLock(SocketFile.folder(of: address))
    removeIfOwn()
    lock.release()
  }

  @inline(never)
  private func removeIfOwn() {
    if identity != Identity() && SocketFile.identity(at: address) == identity { SocketFile.unlink(address) }
  }

  @inline(never)
  private static func bind(_ socket: Int32, to address: sockaddr_un) -> Int32 {
    let result = bindOnce(socket, to: address)
    if result != -EADDRINUSE || !isAbandoned(address) { return result }
    unlink(address)
    return bindOnce(socket, to: address)
  }

  // Safety: the address is a copy that lives longer than the call that reads it.
  private static func bindOnce(_ socket: Int32, to address: sockaddr_un) -> Int32 {
    var address = address
    return unsafe sys_bind(socket, &address, UInt32(MemoryLayout<sockaddr_un>.size))
  }

  /// True for a socket on which nobody listens.
  // Safety: as in bindOnce().
  @inline(never)
  private static func isAbandoned(_ address: sockaddr_un) -> Bool {
    if unsafe withPath(address, { path in unsafe sys_is_socket(path) }) != 1 { return false }
    let probe = File(owning: sys_unix_socket())
    if !probe.isOpen { return false }
    var address = address
    return unsafe sys_unix_connect(probe.number, &address) == -ECONNREFUSED
  }

  // Safety: the status lives longer than the call that fills it.
  @inline(never)
  private static func identity(at address: sockaddr_un) -> Identity {
    var status = stat()
    let result = unsafe withPath(address) { path in unsafe lstat(path, &status) }
    return result != 0 ? Identity() : Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
  }

  // Safety: withPath() gives a zero-terminated path.
  @inline(never)
  private static func unlink(_ address: sockaddr_un) {
    unsafe withPath(address) { path in unsafe _ = CLinux.unlink(path) }
  }

  /// The folder that has the file.
  // Safety: withPath() gives a zero-terminated path, which the text does not outlive.
  @inline(never)
  private static func folder(of address: sockaddr_un) -> Path {
    unsafe withPath(address) { string in
      guard let path = unsafe Text(string, limit: 108) else { return Path(".") }
      var end = path.count
      while end > 0 && path[end - 1] != UInt8(ascii: "/") { end -= 1 }
      return end == 0 ? Path(".") : Path("").adding(path.slice(0, max(end - 1, 1)))
    }
  }

  // Safety: an address made from a path has a zero behind it in sun_path.
  private static func withPath<Result>(_ address: sockaddr_un, _ body: (UnsafePointer<CChar>) -> Result) -> Result {
    unsafe withUnsafeBytes(of: address.sun_path) { bytes in
      unsafe body(bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CChar.self))
    }
  }
}

/// The lock of a folder, for whoever makes or removes a socket's file in it. Between bind() and listen() a socket looks
/// like one that a killed program left, so that of two programs which begin at the same time one would remove the
/// other's file.
private struct FolderLock: ~Copyable {
  /// The folder; none if it cannot be read, or another program has held the lock for a fifth of a second. Then the file
  /// is made without.
  private var file: File

  private static let mostTries = 200

  @inline(never)
  init(_ folder: Path) {
    file = File(owning: folder.open(O_RDONLY | O_DIRECTORY))
    var tries = 0
    while file.isOpen && sys_claim(file.number) != 0 {
      if tries == FolderLock.mostTries {
        file.close()
        return
      }
      sys_sleep_microseconds(1000)
      tries += 1
    }
  }

  @inline(never)
  consuming func release() {
    // A child that has inherited the descriptor would keep the lock.
    if file.isOpen { _ = sys_release(file.number) }
  }
}
