// SPDX-License-Identifier: BSD-2-Clause
//
// Questions to a back-end whose answers nobody waits for: they are sent together, and read whenever they have come. Until
// then every other message waits for them, since answers come in the order of the questions.

import CLinux
import Linux
import Virtio

// Safety: `bytes` has room for a header and the longest payload that is asked for, and `length` is at most that.
struct VhostQuestion {
  private(set) var request: UInt32 = 0
  /// Bytes of the whole answer.
  private(set) var length = 0
  /// Bytes of it that have come.
  fileprivate var done = 0
  fileprivate var bytes = InlineArray<32, UInt8>(repeating: 0)

  fileprivate init() {}

  fileprivate init(_ request: UInt32, payload: Int) {
    self.request = request
    length = min(VhostMessage.headerBytes + payload, 32)
  }

  /// A number in the payload of a complete answer.
  func payload<Number: FixedWidthInteger>(_ offset: Int, as type: Number.Type) -> Number {
    unsafe withUnsafeBytes(of: bytes) { bytes in
      unsafe bytes.loadUnaligned(fromByteOffset: VhostMessage.headerBytes + offset, as: type)
    }
  }
}

/// The questions of one look at the device.
struct VhostQuestions {
  static let room = 3

  private var all = InlineArray<3, VhostQuestion>(repeating: VhostQuestion())
  private(set) var count = 0
  /// Questions that are answered.
  fileprivate var answered = 0
  /// When the back-end has had its time.
  fileprivate var deadline = Deadline(milliseconds: 0)

  /// Some question is not answered.
  var areOpen: Bool { answered < count }

  subscript(place: Int) -> VhostQuestion {
    get { all[place] }
    set { all[place] = newValue }
  }

  fileprivate mutating func add(_ question: VhostQuestion) {
    if count == 0 { deadline = Deadline(milliseconds: VhostSocket.timeout) }
    all[count] = question
    count += 1
  }

  mutating func forget() {
    count = 0
    answered = 0
  }
}

// Safety: payloads are the caller's, with their length; what arrives is written into the room of its own question.
extension VhostSocket {
  /// Sends a question whose answer has `answer` bytes.
  mutating func ask(
    _ request: UInt32, _ payload: UnsafeRawPointer?, _ count: Int, answer: Int
  ) throws(Failure) {
    if questions.count == VhostQuestions.room { return }
    try unsafe post(request, flags: 0, payload: payload, count: count)
    questions.add(VhostQuestion(request, payload: answer))
  }

  /// Reads the answers that are here, and waits that long for the others. True if all are here. A back-end that leaves,
  /// answers wrongly or has had its time is disconnected.
  mutating func collect(within milliseconds: Int) throws(Failure) -> Bool {
    let patience = Deadline(milliseconds: milliseconds, within: deadline)
    do throws(Failure) {
      while questions.areOpen {
        if try takeAnswer() { continue }
        let left = min(patience.remaining, questions.deadline.remaining)
        if left > 0 && isReady(POLLIN, within: left) { continue }
        // tested by abi-silent-backend
        if questions.deadline.hasPassed { throw silent(questions[questions.answered].request) }
        if patience.hasPassed { return false }
      }
      return true
    } catch {
      throw abandon(error)
    }
  }

  /// Reads what is here of the first answer that is missing; false if that is nothing.
  private mutating func takeAnswer() throws(Failure) -> Bool {
    let place = questions.answered
    var question = questions[place]
    let (socket, done, left) = (descriptor, question.done, question.length - question.done)
    var files: UInt32 = 0
    let result = unsafe withUnsafeMutableBytes(of: &question.bytes) { bytes in
      guard let base = bytes.baseAddress else { return -Int(EINVAL) }
      return unsafe sys_receive(socket, base + done, left, nil, 0, &files)
    }
    if result == -Int(EAGAIN) { return false }
    if result == -Int(EINTR) { return true }
    if result <= 0 { throw VhostSocket.notReceived(result, question.request) }
    question.done += result
    questions[place] = question
    if question.done < VhostMessage.headerBytes { return true }
    let header = unsafe withUnsafeBytes(of: question.bytes) { unsafe $0.load(as: (UInt32, UInt32, UInt32).self) }
    try VhostSocket.checkAnswer(header, question.request, question.length - VhostMessage.headerBytes)
    if question.done == question.length { questions.answered += 1 }
    return true
  }
}

extension VhostUserTransport {
  /// Milliseconds that a look waits for answers. A back-end that is well answers in less; another one delays its front-end
  /// once, and not for each look.
  private static let patience = 100

  mutating func look(_ wish: LookWish) throws(Failure) -> DeviceLook? {
    let isNew = socket.questions.count == 0
    if isNew { try ask(wish) }
    if try !socket.collect(within: isNew ? VhostUserTransport.patience : 0) { return nil }
    var found = DeviceLook(status: localStatus)
    for place in 0..<socket.questions.count { note(socket.questions[place], &found) }
    socket.questions.forget()
    return found
  }

  // Safety: these messages have no payload.
  private mutating func ask(_ wish: LookWish) throws(Failure) {
    if has(ProtocolFeature.status) { try unsafe socket.ask(VhostRequest.getStatus, nil, 0, answer: 8) }
    if wish.speed { try askForConfig(ConfigLayout.speed, 5) }
    if wish.link { try askForConfig(ConfigLayout.status, 2) }
    if wish.isTest && socket.questions.count == 0 { try unsafe socket.ask(VhostRequest.getFeatures, nil, 0, answer: 8) }
  }

  // Safety: a request for `count` bytes of configuration has as many behind its own twelve, which are zero.
  private mutating func askForConfig(_ offset: Int, _ count: Int) throws(Failure) {
    var request = InlineArray<20, UInt8>(repeating: 0)
    request[0] = UInt8(truncatingIfNeeded: offset)
    request[4] = UInt8(truncatingIfNeeded: count)
    var failure: Failure?
    unsafe withUnsafeBytes(of: request) { bytes in
      do throws(Failure) {
        try unsafe socket.ask(VhostRequest.getConfig, bytes.baseAddress, 12 + count, answer: 12 + count)
      } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Takes what one answer says.
  private func note(_ answer: VhostQuestion, _ found: inout DeviceLook) {
    switch answer.request {
    case VhostRequest.getStatus:
      let status = answer.payload(0, as: UInt64.self)
      RegisterLog.read(VhostUserTransport.log, VhostRequest.name(answer.request), status)
      found.status = UInt8(truncatingIfNeeded: status)
    case VhostRequest.getConfig:
      let isLink = answer.length == VhostMessage.headerBytes + 12 + 2
      RegisterLog.read(
        VhostUserTransport.log, VhostRequest.name(answer.request),
        UInt64(isLink ? ConfigLayout.status : ConfigLayout.speed), UInt64(answer.length - VhostMessage.headerBytes - 12)
      )
      if isLink {
        found.link = answer.payload(12, as: UInt16.self)
      } else {
        found.speed = answer.payload(12, as: UInt32.self)
        found.duplex = answer.payload(16, as: UInt8.self)
      }
    default: break
    }
  }
}
