// SPDX-License-Identifier: BSD-2-Clause
//
// A connection to a vhost-user back-end: sends whole messages and reads whole replies, each within a deadline. The peer is
// not trusted: a reply must answer the request and have exactly the expected length, and a descriptor that comes with it
// unasked is closed. The first error closes the connection for good.

import CLinux
import Linux
import Virtio

// Safety: messages are copied into and out of local buffers whose size bounds every count; payload pointers are the caller's,
// with their length.
@safe
struct VhostSocket: ~Copyable {
  /// Milliseconds that a back-end may take for one answer. A switch that maps gigabytes of memory needs that long.
  static let timeout = 5000

  /// When the call that this serves has to end. Each wait ends by then.
  var deadline = Deadline.never
  private var file: File
  /// The file that came with the last reply; -1 for none.
  private var received: Int32 = -1
  /// The channel in the other direction, if the back-end has one. Every wait serves it too.
  var channel = VhostChannel()
  /// Questions whose answers nobody waits for.
  var questions = VhostQuestions()

  init(owning file: consuming File) { self.file = file }

  static var none: VhostSocket { VhostSocket(owning: .none) }

  var descriptor: Int32 { file.number }

  /// Hands over the connection and leaves none here.
  mutating func take() -> VhostSocket {
    let taken = consume self
    self = .none
    return taken
  }

  static func address(_ path: Text) throws(Failure) -> sockaddr_un {
    var address = sockaddr_un()
    let fits = unsafe path.withCString { name in unsafe sys_unix_address(&address, name) } ?? -ENAMETOOLONG
    if fits < 0 { throw Failure(ENAMETOOLONG, "socket path ").quoting(path).text(" is longer than 107 bytes") }
    return address
  }

  /// Connects to a listening back-end.
  init(_ address: sockaddr_un, _ path: Text, by end: Deadline) throws(Failure) {
    var address = address
    let isSocket = unsafe path.withCString { name in unsafe sys_is_socket(name) } ?? -EINVAL
    if isSocket < 0 { throw Failure(0 - isSocket, "no socket ").quoting(path).text(": ").reason(0 - isSocket) }
    if isSocket == 0 { throw Failure(ENOTSOCK, "").quoting(path).text(" is not a socket") }
    let file = File(owning: try check(sys_unix_socket()) { Failure($0, "cannot make a socket: ").reason($0) })
    // EAGAIN means that the back-end's queue of connections is full.
    let deadline = Deadline(milliseconds: VhostSocket.timeout, within: end)
    var connected = unsafe sys_unix_connect(file.number, &address)
    while connected == -EAGAIN && !deadline.hasPassed {
      sys_sleep_microseconds(1000)
      unsafe connected = sys_unix_connect(file.number, &address)
    }
    if connected < 0 {
      throw Failure(0 - connected, "cannot connect to ").quoting(path).text(": ").reason(0 - connected)
        .text(connected == -ECONNREFUSED ? "; is a back-end listening there?" : "")
    }
    self.file = file
  }

  var isOpen: Bool { file.isOpen }

  mutating func close() {
    file.close()
    sys_close_received(takeReceived())
    channel.close()
    questions.forget()
  }

  /// The file that came with the last reply, for whoever closes it by sys_close_received(); -1 for none.
  mutating func takeReceived() -> Int32 {
    let taken = received
    received = -1
    return taken
  }

  /// True if the back-end has closed its end, or has sent something unasked. Does not wait.
  func hasHungUp() -> Bool {
    if !isOpen { return true }
    let events = questions.areOpen ? POLLRDHUP : POLLIN | POLLRDHUP
    var request = pollfd(fd: descriptor, events: Int16(events), revents: 0)
    return unsafe sys_poll(&request, 1, 0) > 0
  }

  /// Sends one request, once all questions are answered, with `count` payload bytes and up to 8 descriptors.
  mutating func send(
    _ request: UInt32, flags: UInt32, payload: UnsafeRawPointer?, count: Int,
    descriptors: UnsafeRawPointer? = nil, descriptorCount: Int = 0
  ) throws(Failure) {
    if questions.areOpen { _ = try collect(within: VhostSocket.timeout) }
    try unsafe post(
      request, flags: flags, payload: payload, count: count, descriptors: descriptors, descriptorCount: descriptorCount)
  }

  /// Sends one request behind others that are not answered yet.
  mutating func post(
    _ request: UInt32, flags: UInt32, payload: UnsafeRawPointer?, count: Int,
    descriptors: UnsafeRawPointer? = nil, descriptorCount: Int = 0
  ) throws(Failure) {
    var message = InlineArray<276, UInt8>(repeating: 0)
    var failure: Failure?
    unsafe withUnsafeMutableBytes(of: &message) { bytes in
      unsafe bytes.storeBytes(of: request, toByteOffset: 0, as: UInt32.self)
      unsafe bytes.storeBytes(of: VhostMessage.version | flags, toByteOffset: 4, as: UInt32.self)
      unsafe bytes.storeBytes(of: UInt32(count), toByteOffset: 8, as: UInt32.self)
      if let payload = unsafe payload, let base = bytes.baseAddress {
        unsafe (base + VhostMessage.headerBytes).copyMemory(from: payload, byteCount: count)
      }
      guard let base = bytes.baseAddress else { return }
      do throws(Failure) {
        try unsafe sendAll(base, VhostMessage.headerBytes + count, descriptors, descriptorCount, request)
      } catch { failure = error }
    }
    if let failure { throw abandon(failure) }
  }

  private mutating func sendAll(
    _ bytes: UnsafeRawPointer, _ count: Int, _ descriptors: UnsafeRawPointer?, _ descriptorCount: Int,
    _ request: UInt32
  ) throws(Failure) {
    // An earlier message may have closed the connection, and its failure was ignored.
    if !isOpen { throw VhostSocket.lost(request, ECONNRESET) }
    let deadline = Deadline(milliseconds: VhostSocket.timeout, within: self.deadline)
    var sent = 0
    while sent < count {
      // Descriptors go with the first byte of a message.
      let files = unsafe descriptors?.assumingMemoryBound(to: Int32.self)
      let fileCount = sent == 0 ? UInt32(descriptorCount) : 0
      let result = unsafe sys_send(descriptor, bytes + sent, count - sent, files, fileCount)
      if result > 0 {
        sent += result
      } else if result == 0 || result == -Int(EAGAIN) {
        try wait(POLLOUT, deadline, request)
      } else if result != -Int(EINTR) {
        throw VhostSocket.lost(request, Int32(0 - result))
      }
    }
  }

  /// Reads the reply to `request`, which must have exactly `count` payload bytes. If `takesFile`, a file may come with it, for
  /// takeReceived().
  mutating func reply(
    to request: UInt32, into payload: UnsafeMutableRawPointer, count: Int, takesFile: Bool = false
  ) throws(Failure) {
    do throws(Failure) {
      let deadline = Deadline(milliseconds: VhostSocket.timeout, within: self.deadline)
      var header: (UInt32, UInt32, UInt32) = (0, 0, 0)
      try unsafe readAll(&header, VhostMessage.headerBytes, deadline, request, takesFile: takesFile)
      try VhostSocket.checkAnswer(header, request, count)
      try unsafe readAll(payload, count, deadline, request)
    } catch {
      throw abandon(error)
    }
  }

  /// Throws unless these are the request, flags and size of the answer to `request`.
  static func checkAnswer(_ header: (UInt32, UInt32, UInt32), _ request: UInt32, _ count: Int) throws(Failure) {
    // tested by fuzz-vhost-user-replies
    if header.0 != request || header.1 != VhostMessage.replyFlag | VhostMessage.version {
      throw Failure(EPROTO, "the back-end answered ").plain(VhostRequest.name(request)).text(" with request ")
        .number(header.0).text(", flags ").hex(UInt64(header.1))
    }
    if header.2 != UInt32(count) {  // tested by fuzz-vhost-user-replies
      throw Failure(EPROTO, "the back-end answered ").plain(VhostRequest.name(request)).text(" with ")
        .number(header.2).text(" bytes instead of ").number(count)
    }
  }

  private mutating func readAll(
    _ bytes: UnsafeMutableRawPointer, _ count: Int, _ deadline: Deadline, _ request: UInt32, takesFile: Bool = false
  ) throws(Failure) {
    var done = 0
    while done < count {
      // A file comes with the first byte.
      let room: UInt32 = done == 0 && takesFile ? 1 : 0
      var (number, files) = (Int32(-1), UInt32(0))
      let result = unsafe sys_receive(descriptor, bytes + done, count - done, &number, room, &files)
      if files > 0 {
        sys_close_received(takeReceived())
        received = number
      }
      if result > 0 {
        done += result
      } else if result == -Int(EAGAIN) {
        try wait(POLLIN, deadline, request)
      } else if result != -Int(EINTR) {
        throw VhostSocket.notReceived(result, request)
      }
    }
  }

  private mutating func wait(_ events: Int32, _ deadline: Deadline, _ request: UInt32) throws(Failure) {
    // tested by fuzz-vhost-user-replies
    if !isReady(events, within: deadline.remaining) { throw silent(request) }
  }

  /// Waits until the socket, or the channel, may have something. Serves the channel, since a back-end may need our answer
  /// before it sends its own; the caller's deadline ends the wait for one that asks without end.
  mutating func isReady(_ events: Int32, within left: Int32) -> Bool {
    var both = (
      pollfd(fd: descriptor, events: Int16(events), revents: 0),
      pollfd(fd: channel.descriptor, events: Int16(POLLIN), revents: 0)
    )
    let count: UInt32 = channel.descriptor >= 0 ? 2 : 1
    let ready: Int32 = unsafe withUnsafeMutableBytes(of: &both) { bytes in
      guard let base = bytes.baseAddress else { return 0 }
      return unsafe left == 0 ? 0 : sys_poll(base.assumingMemoryBound(to: pollfd.self), count, left)
    }
    if both.1.revents != 0 { channel.serve() }
    return ready != 0
  }

  func silent(_ request: UInt32) -> Failure {
    let failure = Failure(ETIMEDOUT, "the back-end did not answer ").plain(VhostRequest.name(request))
    if deadline.hasPassed { return failure.text(" in the time that this call has for all of its answers") }
    return failure.text(" within ").number(VhostSocket.timeout / 1000).text(" s")
  }

  /// What it means that sys_receive() has ended with that, and neither with bytes nor for now.
  static func notReceived(_ result: Int, _ request: UInt32) -> Failure {
    if result == -Int(EPROTO) {
      return Failure(EPROTO, "the back-end sent file descriptors nobody asked for, after ")
        .plain(VhostRequest.name(request))
    }
    return lost(request, result == 0 ? ECONNRESET : Int32(0 - result))
  }

  private static func lost(_ request: UInt32, _ code: Int32) -> Failure {
    // A closed connection is EPIPE when sending and an end when reading; callers see one error.
    if code == EPIPE || code == ECONNRESET {
      return Failure(ECONNRESET, "the back-end closed the connection at ").plain(VhostRequest.name(request))
    }
    return Failure(code, "").plain(VhostRequest.name(request)).text(" cannot be sent or answered: ").reason(code)
  }

  mutating func abandon(_ failure: Failure) -> Failure {
    close()
    return failure
  }
}
