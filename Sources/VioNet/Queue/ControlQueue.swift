// SPDX-License-Identifier: BSD-2-Clause
//
// The control queue (virtio 1.4, 5.1.9.5): one command at a time, each with a deadline. A command has three pieces in
// memory shared with the device: class and number, data, and the byte in which the device answers. A device that does
// not answer in time keeps that memory, and gets no other command before it has answered or was reset.

import CLinux
import Linux
import Virtio

struct ControlQueue {
  private var core: Virtqueue
  /// The bus of the device that answers.
  private let bus: Bus
  private let page: Shared
  private let devicePage: UInt64
  /// Most bytes of data that a command may have.
  let room: Int
  /// A command that was not answered in time.
  private var late: Exchange?
  /// True if an answer was wrong: the device gets no command before it was reset.
  private var isBroken = false
  /// True if the queue takes no command now.
  var isLost: Bool { late != nil || isBroken }

  /// True if the last command has no answer yet, or a wrong one.
  mutating func hasUnanswered() -> Bool {
    takeLateAnswer()
    return isLost
  }

  /// The descriptors of a command, the first one first.
  private struct Exchange {
    let ids: InlineArray<3, Int>
    let pieces: Int
    let command: ControlCommand
  }
  /// Drops the port's lock while a command waits for its answer, and takes it again, so that vionet_rx_arm() and
  /// vionet_info() do not block. Nil before the port runs.
  var setPortLocked: PortLock?
  typealias PortLock = @convention(c) (_ port: UInt16, _ isLocked: Bool) -> Void

  static let descriptors: UInt16 = 64
  /// Descriptors of a command with data.
  static let longestCommand = 3
  private static let dataOffset = 64
  /// Most bytes of an answer behind its first byte.
  static let answerRoom = 1024
  /// Bytes of the fewest pages that hold a command with that many bytes of data.
  static func pageBytes(data: Int) -> Int { (dataOffset + data + 64 + answerRoom + 4095) & ~4095 }
  /// Milliseconds that the device has for an answer.
  private static let deadline = 3000

  /// Takes the queue, and `bytes` of memory from `page` on for commands.
  init(core: Virtqueue, bus: Bus, page: Shared, devicePage: UInt64, bytes: Int) {
    self.bus = bus
    room = bytes - ControlQueue.dataOffset - 64 - ControlQueue.answerRoom
    self.core = core
    self.page = page
    self.devicePage = devicePage
  }

  private var answerOffset: Int { ControlQueue.dataOffset + room }

  var setUp: RingSetUp { core.setUp }
  var index: UInt16 { core.index }
  mutating func connect(_ notifier: Notifier) { core.notifier = notifier }
  mutating func destroy() { core.destroy() }

  /// Sends a command with `count` bytes of data and waits for its answer; copies `answer` bytes of it to `target`.
  // Safety: the caller's pointers cover `count` and `answer` bytes, both compared with the room in our own page.
  mutating func send(
    _ command: ControlCommand, _ data: UnsafeRawPointer? = nil, _ count: Int = 0,
    into target: UnsafeMutableRawPointer? = nil, _ answer: Int = 0, within patience: Int = ControlQueue.deadline
  ) throws(Failure) {
    takeLateAnswer()
    if let late {
      throw Failure(ETIMEDOUT, "the device has left the earlier control command ").plain(Text(late.command.name))
        .text(" unanswered until now: try again later, or stop and start the port")
    }
    // tested by abi-hostile-answers
    if isBroken { throw Failure(EIO, "the device answered a control command that it was not given: restart the port") }
    if count > room || answer > ControlQueue.answerRoom {
      throw Failure(E2BIG, "control command ").plain(Text(command.name)).text(" takes at most ")
        .number(room).text(" bytes")
    }
    page.store8(0, command.group)
    page.store8(1, command.number)
    if let data = unsafe data { unsafe (page.base + ControlQueue.dataOffset).copyMemory(from: data, byteCount: count) }
    // Neither OK nor an error, so that a byte that the device has not written is no answer.
    page.store8(answerOffset, 0xff)
    if answer > 0 { unsafe memset(page.base + answerOffset + 1, 0, answer) }
    shape.visit(ControlPost(command: command, data: count, answer: answer), &self)
    let patience = min(patience, Int(bus.deadline.remaining))
    if awaitUsed(within: patience) { takeLateAnswer() }
    if isLost {
      if bus.isGone {
        throw Failure(bus.traits.isWholeDevice ? ENODEV : ENOTCONN, "the device is gone; it left control command ")
          .plain(Text(command.name)).text(" unanswered")
      }
      throw Failure(ETIMEDOUT, "the device did not answer control command ").plain(Text(command.name)).text(" within ")
        .number(patience).text(" ms")
    }
    if page.load8(answerOffset) != ControlAnswer.ok {  // tested by abi-control-queue-silence
      throw Failure(EIO, "the device refused control command ").plain(Text(command.name))
    }
    if let target = unsafe target {
      unsafe target.copyMemory(from: page.base + answerOffset + 1, byteCount: answer)
    }
  }

  /// Sends a command without data whose answer may come later. Not for while hasUnanswered() is true.
  // Safety: the command has no data.
  mutating func sendWithoutAnswer(_ command: ControlCommand) throws(Failure) {
    do throws(Failure) { try unsafe send(command, within: 100) } catch { if error.code != ETIMEDOUT { throw error } }
  }

  /// The ring's shape without IN_ORDER, which makes no difference to one command at a time: all ids come back before others
  /// go out. Without it the device's id is compared.
  private var shape: RingShape {
    var shape = core.ring.shape
    shape.isInOrder = false
    return shape
  }

  /// Takes the answer to the last command if it is here.
  private mutating func takeLateAnswer() {
    guard let late, core.ring.hasUsed else { return }
    self.late = nil
    if !shape.visit(ControlCollection(ids: late.ids, pieces: late.pieces), &self) {  // tested by abi-hostile-answers
      isBroken = true
      return
    }
    if !Log.wanted(.debug) { return }
    Log.line("control:").text(late.command.name).text("answered").number(page.load8(answerOffset)).send(.debug)
  }

  /// Makes the command available.
  fileprivate mutating func post<R: TransmitRing & ~Copyable>(
    _: R.Type, _ command: ControlCommand, _ count: Int, _ answer: Int
  ) {
    var ring = R(core.ring)
    let pieces = count == 0 ? 2 : 3
    let head = ring.nextIdle(after: 0)
    let second = ring.nextIdle(after: 1)
    let third = pieces == 3 ? ring.nextIdle(after: 2) : second
    let last = UInt16(truncatingIfNeeded: third)
    if pieces == 3 {
      ring.link(
        second, place: 1, head: head, address: devicePage &+ UInt64(ControlQueue.dataOffset), length: UInt32(count),
        flags: DescriptorFlag.next, next: last)
    }
    ring.link(
      third, place: pieces - 1, head: head, address: devicePage &+ UInt64(answerOffset),
      length: UInt32(1 + answer), flags: DescriptorFlag.write, next: 0)
    ring.post(
      head, address: devicePage, length: 2, flags: DescriptorFlag.next,
      next: UInt16(truncatingIfNeeded: second), descriptors: pieces)
    ring.save(&core.ring)
    if R.publish(&core.ring) { core.notifyDevice() }
    late = Exchange(ids: [head, second, third], pieces: pieces, command: command)
  }

  private func awaitUsed(within milliseconds: Int) -> Bool {
    let port = core.port
    setPortLocked?(port, false)
    defer { setPortLocked?(port, true) }
    let deadline = Deadline(milliseconds: milliseconds)
    var looks = 0
    while !core.ring.hasUsed {
      looks += 1
      // A device that has not answered within microseconds may take long: then bursts on the same core need the time.
      let isSlow = looks > 100
      // The bus is asked seldom, because that takes longer than a look at the ring.
      // tested by abi-control-queue-silence
      if deadline.hasPassed || (isSlow || looks & 63 == 0) && bus.isGone { return false }
      sys_sleep_microseconds(isSlow ? 1000 : 20)
    }
    return true
  }

  /// Takes the used command back. Only its own id can come.
  fileprivate mutating func collect<R: TransmitRing & ~Copyable>(_: R.Type, _ ids: InlineArray<3, Int>, _ pieces: Int)
    -> Bool
  {
    var ring = R(core.ring)
    // tested by abi-hostile-answers
    if ring.pending == 0 || !ring.findUsed() || ring.nextSent() != UInt32(truncatingIfNeeded: ids[0]) { return false }
    ring.passUsed(pieces)
    for place in 0..<pieces { ring.giveBack(ids[place]) }
    ring.save(&core.ring)
    return true
  }
}

/// Makes a command available on the ring that was negotiated.
private struct ControlPost: RingVisitor {
  let command: ControlCommand
  let data: Int
  let answer: Int

  func visit<R: ReceiveRing & TransmitRing & ~Copyable>(_: R.Type, _ queue: inout ControlQueue) {
    queue.post(R.self, command, data, answer)
  }
}

/// Takes it back; true if it is the one that was used.
private struct ControlCollection: RingVisitor {
  let ids: InlineArray<3, Int>
  let pieces: Int

  func visit<R: ReceiveRing & TransmitRing & ~Copyable>(_: R.Type, _ queue: inout ControlQueue) -> Bool {
    queue.collect(R.self, ids, pieces)
  }
}
