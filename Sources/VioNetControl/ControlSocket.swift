// SPDX-License-Identifier: BSD-2-Clause
//
// A control socket: a listening socket and its connections, a timer for their deadlines, and an eventfd that is signalled
// at every event of a port. One epoll descriptor tells of all of them.

import CLinux
import Linux

struct ControlSocket: ~Copyable {
  static let connectionLimit = 16

  /// How epoll names the files; connections are numbered from `connection`.
  private enum Token {
    static let listener: UInt64 = 0
    static let timer: UInt64 = 1
    static let event: UInt64 = 2
    static let connection: UInt64 = 3
    static let count = Int(connection) + connectionLimit
  }

  /// The process that made the socket, among those that were forked from one another.
  private let maker = fork_generation()
  private let epoll: File
  private let timer: File
  private let listener: ListeningSocket
  private let follower: EventFollower
  private var connections = InlineArray<16, Connection?> { _ in ControlSocket.none }
  /// Is not inlined: else the array above would be filled by 16 copies of this.
  @inline(never)
  private static var none: Connection? { nil }

  /// No connection is accepted before that time, because descriptors had run out; 0: none is kept waiting.
  private var acceptsAgainAt: UInt64 = 0

  private var lastError = LastError()

  init(_ path: Text) throws(Failure) {
    func begin(_ code: Int32) -> Failure { Failure(code, "control socket ").quoting(path.prefix(120)).text(": ") }
    @inline(never) func reason(_ code: Int32) -> Failure { begin(code).reason(code) }
    let epoll = File(owning: try check(sys_epoll_create(), reason))
    let timer = File(owning: try check(sys_timer(), reason))
    let event = File(owning: try check(sys_eventfd(0), reason))
    let listener = try ListeningSocket(path, reason)
    _ = try check(sys_epoll_add(epoll.number, timer.number, EPOLLIN.rawValue, Token.timer), reason)
    _ = try check(sys_epoll_add(epoll.number, event.number, EPOLLIN.rawValue, Token.event), reason)
    _ = try check(sys_epoll_add(epoll.number, listener.number, EPOLLIN.rawValue, Token.listener), reason)
    guard let follower = EventFollower(event) else {
      throw begin(ENOSPC).text("this process has ").number(EventLog.followerLimit).text(
        " control sockets, or 8 other event callbacks, already")
    }
    self.epoll = epoll
    self.timer = timer
    self.listener = listener
    self.follower = follower
  }

  /// Readable when process() has something to do.
  var descriptor: Int32 { epoll.number }

  /// Throws in a forked child, where the descriptors are closed.
  func mustBeOwn() throws(Failure) {
    if maker == fork_generation() { return }
    throw Failure(EPERM, "the control socket is of the process from which this one was forked: open one here")
  }
}

// MARK: What there is to do

extension ControlSocket {
  /// Does what there is to do, at most one request of each connection. Returns the number of requests.
  mutating func process() -> Int32 {
    lastError.look()
    let (requests, isCalled) = serveConnections()
    // Connections are accepted afterwards, so that no event of this round is taken for one of a new connection.
    acceptConnections(isCalled)
    let next = updateConnections()
    setTimer(acceptsAgainAt == 0 ? next : min(next, acceptsAgainAt))
    lastError.overlook()
    return requests
  }

  private mutating func serveConnections() -> (requests: Int32, isCalled: Bool) {
    // Room for three files and 16 connections.
    var tokens = InlineArray<19, UInt64>(repeating: 0)
    var events = InlineArray<19, UInt32>(repeating: 0)
    var requests: Int32 = 0
    var isCalled = false
    for index in 0..<takeReady(&tokens, &events) {
      switch tokens[index] {
      case Token.listener: isCalled = true
      case Token.timer: break  // setTimer() makes it unreadable again
      case Token.event: follower.drain()
      case let token: requests += serve(Int(token - Token.connection), events[index])
      }
    }
    return (requests, isCalled)
  }

  /// Asks epoll what is ready. Returns the number of files.
  // Safety: the call fills as many entries of both arrays as it is told that they have.
  private func takeReady(_ tokens: inout InlineArray<19, UInt64>, _ events: inout InlineArray<19, UInt32>) -> Int {
    var tokens = tokens.mutableSpan
    var events = events.mutableSpan
    let count = unsafe tokens.withUnsafeMutableBufferPointer { tokens in
      unsafe events.withUnsafeMutableBufferPointer { events in
        guard let first = tokens.baseAddress, let firstEvent = events.baseAddress else { return Int32(0) }
        return unsafe sys_epoll_ready(epoll.number, first, firstEvent, Int32(tokens.count))
      }
    }
    return Int(max(count, 0))
  }

  private mutating func serve(_ place: Int, _ events: UInt32) -> Int32 {
    let requests = connections[place]?.serve(events, epoll: epoll.number, lastError) ?? 0
    closeIfOver(place)
    return requests
  }

  @inline(never)
  private mutating func closeIfOver(_ place: Int) {
    if connections[place]?.isOver ?? false { connections[place] = nil }
  }

  /// Sends followers their events and closes connections that are late. Returns the time of the next deadline.
  private mutating func updateConnections() -> UInt64 {
    let now = sys_nanoseconds()
    var next = UInt64.max
    for place in 0..<ControlSocket.connectionLimit {
      connections[place]?.update(now: now, epoll: epoll.number)
      closeIfOver(place)
      next = min(next, connections[place]?.deadline ?? UInt64.max)
    }
    return next
  }

  /// Makes the timer readable at that time, and not before.
  private func setTimer(_ time: UInt64) {
    let now = sys_nanoseconds()
    let milliseconds = time <= now ? 1 : (time - now + 999_999) / 1_000_000
    _ = sys_timer_set(timer.number, time == UInt64.max ? 0 : UInt32(clamping: milliseconds), 0)
  }
}

// MARK: New connections

extension ControlSocket {
  private mutating func acceptConnections(_ isCalled: Bool) {
    let wasWaiting = acceptsAgainAt != 0
    if wasWaiting && sys_nanoseconds() >= acceptsAgainAt { acceptsAgainAt = 0 }
    if isCalled {
      for _ in 0..<ControlSocket.connectionLimit {
        if !acceptConnection() { break }
      }
    }
    // A connection for which there is no descriptor would be reported again and again: look away for a moment.
    let isWaiting = acceptsAgainAt != 0
    if isWaiting == wasWaiting { return }
    _ = sys_epoll_change(epoll.number, listener.number, isWaiting ? 0 : EPOLLIN.rawValue, Token.listener)
  }

  /// False if no further connection can be accepted now.
  private mutating func acceptConnection() -> Bool {
    let accepted = sys_accept(listener.number)
    if accepted < 0 {
      let isNormal = accepted == -EAGAIN || accepted == -EINTR || accepted == -ECONNABORTED
      if !isNormal { acceptsAgainAt = sys_nanoseconds() + 100_000_000 }
      return false
    }
    let file = File(owning: accepted)
    for place in 0..<ControlSocket.connectionLimit where connections[place] == nil {
      connections[place] = Connection(file, token: Token.connection + UInt64(place), epoll: epoll.number)
      return true
    }
    var answer = Answer()
    answer.add("error 11 16 connections are open, which is the limit\n")
    _ = answer.send(to: file.number)
    return true
  }
}
