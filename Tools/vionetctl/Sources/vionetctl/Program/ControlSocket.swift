// SPDX-License-Identifier: BSD-2-Clause
//
// A client of a running program's control socket. The protocol is in vionet-control.h: a request is one line, an answer
// is lines of which the last begins with "ok" or "error".

import Glibc

final class ControlSocket {
  /// Seconds until an answer counts as missing. A request may send a device several commands, with 3 s for each.
  private static let timeout = 30

  private let path: String
  private let socket: Int32
  private var received: [UInt8] = []
  private var files: [Int32] = []

  init(_ path: String) throws {
    self.path = path
    socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    if socket < 0 { throw Sentence("no socket: \(ControlSocket.reason(errno))") }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let room = MemoryLayout.size(ofValue: address.sun_path)
    if path.utf8.count >= room { throw Sentence("the socket's path \"\(path)\" is longer than \(room - 1) bytes") }
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { bytes in unsafe bytes.copyBytes(from: path.utf8) }
    let result = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        unsafe connect(socket, generic, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    if result != 0 { throw ControlSocket.refusal(path, errno) }
    wait(seconds: ControlSocket.timeout)
  }

  deinit { close(socket) }

  /// Why there is no connection, and what helps.
  private static func refusal(_ path: String, _ code: Int32) -> Sentence {
    var status = stat()
    switch code {
    case ENOENT:
      return Sentence(
        "there is no socket \"\(path)\": the program makes it, with vionet_control_open()")
    case EACCES, EPERM:
      return Sentence("the socket \"\(path)\" is another user's: \(reason(code)); be that user, or root")
    case ECONNREFUSED:
      let isSocket = unsafe lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
      return Sentence(
        isSocket ? "nobody serves the socket \"\(path)\": the program that made it is gone" : "\"\(path)\" is no socket"
      )
    default:
      return Sentence("no connection to the socket \"\(path)\": \(reason(code))")
    }
  }

  private static func reason(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }

  /// Limits how long receiving and sending may take; 0 for no limit.
  private func wait(seconds: Int) {
    var time = timeval(tv_sec: seconds, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    unsafe setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, size)
    unsafe setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &time, size)
  }
}

// MARK: Asking

extension ControlSocket {
  /// Returns the lines of the answer without the last one, or throws the sentence with which the program refused.
  @discardableResult
  func ask(_ request: String) throws -> [String] {
    try send(request)
    var lines: [String] = []
    while true {
      guard let line = try line() else { throw Sentence("the program behind \"\(path)\" has closed the connection") }
      if line == "ok" { return lines }
      if let sentence = ControlSocket.refused(line) { throw Sentence(sentence) }
      lines.append(line)
    }
  }

  /// The files that came with answers.
  func takeFiles() -> [Int32] {
    defer { files = [] }
    return files
  }

  func shutDownAtInterruption() { Interruption.shutDown(socket) }

  /// Waits that long for the connection to end.
  func isOpen(milliseconds: Int32) throws -> Bool {
    var state = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
    if unsafe poll(&state, 1, milliseconds) <= 0 { return !Interruption.hasCome }
    return try line() != nil && !Interruption.hasCome
  }

  enum End { case closed, interrupted }

  /// Calls `body` for each line after the answer until the program closes the connection, or a signal asks for the end.
  func follow(_ request: String, _ body: (String) throws -> Void) throws -> End {
    try ask(request)
    wait(seconds: 0)
    Interruption.shutDown(socket)
    while let line = try line() { try body(line) }
    return Interruption.hasCome ? .interrupted : .closed
  }

  /// The sentence of a line such as "error 95 the device offers no ..."; nil for any other line.
  private static func refused(_ line: String) -> String? {
    let words = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
    return words.count == 3 && words[0] == "error" && Int(words[1]) != nil ? String(words[2]) : nil
  }

  private func send(_ request: String) throws {
    let bytes = Array((request + "\n").utf8)
    var sent = 0
    while sent < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { room in
        let rest = unsafe UnsafeRawBufferPointer(rebasing: room[sent...])
        return unsafe Glibc.send(socket, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
      }
      // The program may refuse a connection before it reads; the reason is in what it has sent.
      if count < 0 && errno == EPIPE { return }
      if count < 0 && errno != EINTR { throw failure(errno) }
      sent += max(count, 0)
    }
  }

  /// The next line; nil when the program has closed the connection.
  private func line() throws -> String? {
    while true {
      if let end = received.firstIndex(of: UInt8(ascii: "\n")) {
        defer { received.removeFirst(end + 1) }
        return String(decoding: received[..<end], as: UTF8.self)
      }
      if received.count > 1 << 20 { throw Sentence("what answers at \"\(path)\" is no control socket") }
      var room = [UInt8](repeating: 0, count: 65536)
      let count = receive(&room)
      if count < 0 && errno == EINTR { continue }
      if count < 0 && errno != ECONNRESET { throw failure(errno) }
      if count <= 0 { return nil }
      received += room[..<count]
    }
  }

  /// Does what recv() does, and keeps the files that came along.
  private func receive(_ room: inout [UInt8]) -> Int {
    // A cmsghdr (its length, SOL_SOCKET, SCM_RIGHTS) and room for four descriptors.
    let head = 16
    var control = [UInt64](repeating: 0, count: 4)
    let count = unsafe room.withUnsafeMutableBytes { bytes in
      unsafe control.withUnsafeMutableBytes { space in
        var part = unsafe iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
        return unsafe withUnsafeMutablePointer(to: &part) { part in
          var message = unsafe msghdr()
          unsafe message.msg_iov = part
          unsafe message.msg_iovlen = 1
          unsafe message.msg_control = space.baseAddress
          unsafe message.msg_controllen = space.count
          let count = unsafe recvmsg(socket, &message, Int32(MSG_CMSG_CLOEXEC))
          if unsafe count < 0 || message.msg_controllen < head { unsafe space.storeBytes(of: 0, as: Int.self) }
          return count
        }
      }
    }
    unsafe control.withUnsafeBytes { space in
      let end = min(unsafe space.load(as: Int.self), space.count)
      let level = unsafe space.load(fromByteOffset: 8, as: Int32.self)
      let isRights = unsafe level == SOL_SOCKET && space.load(fromByteOffset: 12, as: Int32.self) == 1
      if !isRights { return }
      for place in stride(from: head, to: end - 3, by: 4) {
        files.append(unsafe space.load(fromByteOffset: place, as: Int32.self))
      }
    }
    return count
  }

  private func failure(_ code: Int32) -> Sentence {
    Sentence(
      code == EAGAIN
        ? "the program behind \"\(path)\" has not answered for \(ControlSocket.timeout) s"
        : "the socket \"\(path)\": \(ControlSocket.reason(code))")
  }
}
