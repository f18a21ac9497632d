// SPDX-License-Identifier: BSD-2-Clause
//
// Where the next back-end comes from: a server listens for it, a client tries again and again to connect. No function here
// waits. A connection is handed over only after the back-end has answered the first question of the protocol, so that one
// which merely listens, or was stopped, delays nobody.

import CLinux
import Linux
import Virtio

struct BackendFinder: ~Copyable {
  /// Milliseconds between two attempts on a socket where nobody listens.
  private static let interval: UInt32 = 20
  private static let longestPause: UInt32 = 1000
  /// Milliseconds without a look at the listening socket when descriptors have run out.
  private static let shortagePause: UInt32 = 100
  /// The most connections that step() looks at in one call.
  private static let mostCandidates = 16

  private var address: sockaddr_un
  private let listener: Listener
  private let timer: File
  private let ready: File
  /// A connection that was asked for its features.
  private var candidate: VhostSocket
  /// When to give up the candidate.
  private var timeout = Deadline(milliseconds: 0)
  private var nextAttempt = Deadline(milliseconds: 0)
  /// Milliseconds to wait after a back-end that was of no use; doubled each time.
  private var pause = BackendFinder.interval
  /// The listening socket is not watched, because descriptors had run out.
  private var isLookingAway = false

  var isServer: Bool { listener.number >= 0 }

  /// Readable when it is time for step().
  var descriptor: Int32 { ready.number }

  init(listeningAt address: sockaddr_un, _ path: Text) throws(Failure) {
    try self.init(address, try Listener(address, path))
  }

  init(connectingTo address: sockaddr_un) throws(Failure) { try self.init(address, .none) }

  private init(_ address: sockaddr_un, _ listener: consuming Listener) throws(Failure) {
    let timer = File(owning: try check(sys_timer()) { Failure($0, "cannot make a timer: ").reason($0) })
    let ready = try File.watcher()
    try ready.borrowed.watch(timer.number)
    try ready.borrowed.watch(listener.number)
    self.address = address
    self.listener = listener
    self.timer = timer
    self.ready = ready
    candidate = .none
  }

  // MARK: Finding

  /// Starts looking for a back-end.
  mutating func begin() {
    nextAttempt = Deadline(milliseconds: 0)
    if !isServer { setTimer(BackendFinder.interval) }
  }

  /// Stops looking, because a back-end was found or the port was stopped.
  mutating func end() {
    candidate.close()
    _ = sys_timer_set(timer.number, 0, 0)
  }

  mutating func succeeded() { pause = BackendFinder.interval }

  /// A back-end was of no use: a client waits before it connects again.
  mutating func failed() {
    pause = min(pause * 2, BackendFinder.longestPause)
    nextAttempt = Deadline(milliseconds: isServer ? 0 : Int(pause))
    if !isServer { setTimer(pause) }
  }

  private func setTimer(_ milliseconds: UInt32) { _ = sys_timer_set(timer.number, milliseconds, milliseconds) }

  /// Returns a connection whose answer to GET_FEATURES can be read; nil if there is none yet. Throws if this process has no
  /// descriptor for one.
  mutating func step() throws(Failure) -> VhostSocket? {
    _ = sys_eventfd_drain(timer.number)
    if isLookingAway {
      isLookingAway = false
      _ = sys_timer_set(timer.number, 0, 0)
      try ready.borrowed.watch(listener.number)
    }
    for _ in 0..<BackendFinder.mostCandidates {
      if !candidate.isOpen {
        if try !receive() { return nil }
      }
      if !candidate.isOpen { continue }
      if candidate.hasHungUp() {
        // It has sent something. Whoever reads that checks what it is.
        ready.borrowed.unwatch(candidate.descriptor)
        let found = candidate.take()
        end()
        return found
      }
      if !timeout.hasPassed { return nil }
      candidate.close()
      failed()
    }
    return nil
  }

  /// Finds a candidate and asks it for its features; false if there is none.
  // Safety: a message without payload needs no pointer.
  private mutating func receive() throws(Failure) -> Bool {
    let file = try isServer ? accept() : connect()
    if !file.isOpen { return false }
    candidate = VhostSocket(owning: file)
    let asked: Void? = Failure.quietly { () throws(Failure) in
      try ready.borrowed.watch(candidate.descriptor)
      try unsafe candidate.send(VhostRequest.getFeatures, flags: 0, payload: nil, count: 0)
    }
    if asked == nil { candidate.close() }
    timeout = Deadline(milliseconds: VhostSocket.timeout)
    setTimer(UInt32(VhostSocket.timeout))
    return true
  }

  private mutating func accept() throws(Failure) -> File {
    let accepted = sys_accept(listener.number)
    if accepted == -EMFILE || accepted == -ENFILE || accepted == -ENOMEM || accepted == -ENOBUFS {
      // A connection for which there is no descriptor would be reported again and again.
      ready.borrowed.unwatch(listener.number)
      isLookingAway = true
      setTimer(BackendFinder.shortagePause)
      throw Failure(0 - accepted, "a back-end that connects cannot be accepted: ").reason(0 - accepted)
    }
    return File(owning: accepted)
  }

  // Safety: the address is a complete sockaddr_un.
  private mutating func connect() throws(Failure) -> File {
    if !nextAttempt.hasPassed { return .none }
    let made = sys_unix_socket()
    if made < 0 { setTimer(BackendFinder.shortagePause) }
    let file = File(owning: try check(made) { Failure($0, "no socket for a back-end: ").reason($0) })
    if unsafe file.isOpen && sys_unix_connect(file.number, &address) >= 0 { return file }
    setTimer(BackendFinder.interval)
    return .none
  }
}

/// A listening socket, or none. It makes its file in the file system, and removes that file if it is still there.
private struct Listener: ~Copyable {
  private let file: SocketFile?
  private let socket: File

  private init(_ socket: consuming File, _ file: SocketFile?) {
    self.socket = socket
    self.file = file
  }

  static var none: Listener { Listener(.none, nil) }

  init(_ address: sockaddr_un, _ path: Text) throws(Failure) {
    let (socket, file) = SocketFile.listen(at: address, backlog: 8)
    self.init(File(owning: try check(socket) { Failure($0, "socket ").quoting(path).text(": ").reason($0) }), file)
  }

  var number: Int32 { socket.number }

  // The file goes before the socket, which closes itself behind this.
  deinit { file?.remove() }
}
