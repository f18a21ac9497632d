// SPDX-License-Identifier: BSD-2-Clause
//
// One connection. A client may send and read as it likes: one request is taken at a time, none while an answer is unread,
// and a client that takes too long loses its connection.

import CLinux
import Linux

struct Connection: ~Copyable {
  /// Nanoseconds for a request to come, and for an answer to be read.
  private static let patience: UInt64 = 5_000_000_000
  /// Bytes of an HTTP request's headers.
  private static let headerLimit = 16384
  /// Bytes of events that wait for a client, before further events are lost for it.
  private static let unreadEventLimit = 65536

  private enum Mode {
    case requests
    /// The first line of an HTTP request has been answered; the answer is sent when its headers, of which that many
    /// bytes have come, are over.
    case headers(Int)
    /// The client is sent every event from that number on.
    case events(next: UInt64)
    /// The client reads a ring of packets until it closes the connection.
    case capture
  }

  private let file: File
  /// How epoll names this connection.
  private let token: UInt64
  private var mode = Mode.requests
  private var line: Line
  private var answer = Answer()
  private var watched = EPOLLIN.rawValue
  /// When the connection is closed, on the monotonic clock in nanoseconds.
  private(set) var deadline: UInt64
  /// The client has said all that it will say; it may still read.
  private var request = CaptureRequest()
  private var session: CaptureSession?
  private var isInputOver = false
  private var closesWhenSent = false
  private(set) var isOver = false

  /// Nil if there is no memory, or epoll takes no more files.
  init?(_ file: consuming File, token: UInt64, epoll: Int32) {
    guard let line = Line(), sys_epoll_add(epoll, file.number, EPOLLIN.rawValue, token) >= 0 else { return nil }
    self.file = file
    self.token = token
    self.line = line
    deadline = Connection.later
  }

  private static var later: UInt64 { sys_nanoseconds() + patience }

  /// Sent something again and again, or nothing, until it closes the connection.
  private var followsEvents: Bool {
    switch mode {
    case .events, .capture: true
    default: false
    }
  }

  private var readsHeaders: Bool { if case .headers = mode { true } else { false } }
}

// MARK: What epoll reported

extension Connection {
  /// Takes at most one request, and sends what can be sent. Returns the number of requests.
  @inline(never)
  mutating func serve(_ events: UInt32, epoll: Int32, _ lastError: borrowing LastError) -> Int32 {
    let wasEmpty = answer.isEmpty
    let requests = events & EPOLLIN.rawValue != 0 ? receive(lastError) : 0
    if isInputOver && events & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 {
      isOver = true
    } else {
      send(isNew: wasEmpty && !answer.isEmpty, epoll)
    }
    return requests
  }

  /// Sends a follower the events that it has not seen, and closes a connection that is late.
  @inline(never)
  mutating func update(now: UInt64, epoll: Int32) {
    if case .events(var next) = mode, answer.count < Connection.unreadEventLimit {
      let wasEmpty = answer.isEmpty
      EventLog.write(from: &next, to: &answer)
      mode = .events(next: next)
      if !answer.isEmpty { send(isNew: wasEmpty, epoll) }
    }
    if case .capture = mode {
      session?.follow()
      // Nothing is left to tell somebody who has closed the connection's other half.
      if isInputOver { isOver = true }
    }
    if deadline <= now { isOver = true }
  }
}

// MARK: In

extension Connection {
  private mutating func receive(_ lastError: borrowing LastError) -> Int32 {
    switch line.receive(from: file.number) {
    case .ended:
      isInputOver = true
      if !followsEvents {
        closesWhenSent = true
        mode = .requests
      }
      return 0
    case .partial where line.isFull && !followsEvents:
      return refuse("a request has at most 4095 bytes", E2BIG)
    case .partial:
      if followsEvents { line.clear() }
      return 0
    case .complete:
      return takeLine(lastError)
    }
  }

  /// A whole line is a request, or part of an HTTP request. Returns the number of requests.
  private mutating func takeLine(_ lastError: borrowing LastError) -> Int32 {
    let length = line.count
    guard let text = line.take() else {
      return followsEvents ? 0 : refuse("a request is text, without zeroes", EINVAL)
    }
    switch mode {
    case .requests where HTTP.isRequest(text):
      HTTP.answer(text, &answer)
      mode = .headers(0)
      return 0
    case .requests:
      if Request.answer(text, lastError, &answer, &request) { mode = .events(next: EventLog.count) }
      if let options = request.options { beginCapture(options) }
      return 1
    case .headers(let before):
      mode = .headers(before + length)
      if !text.isEmpty && before + length < Connection.headerLimit { return 0 }
      mode = .requests
      closesWhenSent = true
      return 1
    case .events, .capture:
      return 0
    }
  }

  /// Begins the capture that was asked for, and sends its files.
  private mutating func beginCapture(_ options: CaptureOptions) {
    var filter = Filter()
    swap(&filter, &request.filter)
    let hasFilter = !filter.isEmpty
    request.options = nil
    do throws(Failure) {
      var begun = try CaptureSession(options, filter)
      try begun.begin()
      session = consume begun
    } catch {
      // The filter is gone, and a further request would capture everything.
      closesWhenSent = hasFilter
      return answer.add(error)
    }
    if session?.send(to: file.number) != true {
      isOver = true
      return
    }
    mode = .capture
    answer.add("ok\n")
  }

  /// Answers with that error alone and closes the connection. Returns the number of requests, which is 1.
  private mutating func refuse(_ text: StaticString, _ code: Int32) -> Int32 {
    answer.clear()
    answer.add(Failure(code, text))
    mode = .requests
    closesWhenSent = true
    return 1
  }
}

// MARK: Out

extension Connection {
  /// Sends what the client reads. The time for an answer begins when there is one.
  @inline(never)
  private mutating func send(isNew: Bool, _ epoll: Int32) {
    if isNew { deadline = Connection.later }
    if !readsHeaders && (!answer.isEmpty || closesWhenSent) { sendAnswer() }
    if !isOver { watch(epoll) }
  }

  private mutating func sendAnswer() {
    if answer.isIncomplete { _ = refuse("no memory for the answer", ENOMEM) }
    switch answer.send(to: file.number) {
    case .blocked: break
    case .failed: isOver = true
    case .finished:
      deadline = followsEvents ? UInt64.max : Connection.later
      isOver = closesWhenSent
    }
  }

  /// Reading goes on when all is sent. A follower is listened to only to learn that it has gone.
  private mutating func watch(_ epoll: Int32) {
    let isSending = !readsHeaders && answer.hasUnsent
    let isReading = !isInputOver && (followsEvents || !isSending)
    let wanted = (isSending ? EPOLLOUT.rawValue : 0) | (isReading ? EPOLLIN.rawValue : 0)
    if wanted != watched && sys_epoll_change(epoll, file.number, wanted, token) >= 0 { watched = wanted }
  }
}
