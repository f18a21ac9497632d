// SPDX-License-Identifier: BSD-2-Clause
//
// The control queue (virtio 1.4, 5.1.9.5): one command at a time, each with a deadline. A command has three pieces in
// memory shared with the device: class and number, data, and the byte in which the device answers. A device that does
// not answer keeps that memory and gets no other command before it was reset.

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
  /// True if a command was not answered in time.
  private(set) var isLost = false
  /// Drops the port's lock while a command waits for its answer, and takes it again, so that vionet_rx_arm() and
  /// vionet_info() do not block. Nil before the port runs.
  var setPortLocked: PortLock?
  typealias PortLock = @convention(c) (_ port: UInt16, _ isLocked: Bool) -> Void

  static let descriptors: UInt16 = 64
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
    into target: UnsafeMutableRawPointer? = nil, _ answer: Int = 0
  ) throws(Failure) {
    if isLost {
      throw Failure(ETIMEDOUT, "the device left an earlier control command unanswered; stop and start the port")
    }
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
    // With one command at a time all ids come back before others go out, so that IN_ORDER makes no difference; without
    // it the device's id is compared.
    var shape = core.ring.shape
    shape.isInOrder = false
    let isDone = shape.visit(ControlExchange(data: count, answer: answer), &self)
    if !isDone {
      isLost = true
      if bus.isGone {
        throw Failure(bus.traits.isWholeDevice ? ENODEV : ENOTCONN, "the device is gone; it left control command ")
          .plain(Text(command.name)).text(" unanswered")
      }
      throw Failure(ETIMEDOUT, "the device did not answer control command ").plain(Text(command.name)).text(" within ")
        .number(ControlQueue.deadline).text(" ms")
    }
    let verdict = page.load8(answerOffset)
    if Log.wanted(.debug) { Log.line("control:").text(command.name).text("answered").number(verdict).send(.debug) }
    if verdict != ControlAnswer.ok {
      throw Failure(EIO, "the device refused control command ").plain(Text(command.name))
    }
    if let target = unsafe target {
      unsafe target.copyMemory(from: page.base + answerOffset + 1, byteCount: answer)
    }
  }

  /// Makes the command available and sleeps until it is used.
  fileprivate mutating func exchange<R: TransmitRing & ~Copyable>(_: R.Type, _ count: Int, _ answer: Int) -> Bool {
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
    return awaitUsed() && collect(R.self, [head, second, third], pieces)
  }

  private func awaitUsed() -> Bool {
    let port = core.port
    setPortLocked?(port, false)
    defer { setPortLocked?(port, true) }
    let deadline = Deadline(milliseconds: ControlQueue.deadline)
    var looks = 0
    while !core.ring.hasUsed {
      looks += 1
      // A device that has not answered within microseconds may take long: then bursts on the same core need the time.
      let isSlow = looks > 100
      // The bus is asked seldom, because that takes longer than a look at the ring.
      if deadline.hasPassed || (isSlow || looks & 63 == 0) && bus.isGone { return false }
      sys_sleep_microseconds(isSlow ? 1000 : 20)
    }
    return true
  }

  /// Takes the used command back. Only its own id can come.
  private mutating func collect<R: TransmitRing & ~Copyable>(_: R.Type, _ ids: InlineArray<3, Int>, _ pieces: Int)
    -> Bool
  {
    var ring = R(core.ring)
    if ring.pending == 0 || !ring.findUsed() || ring.nextSent() != UInt32(truncatingIfNeeded: ids[0]) { return false }
    ring.passUsed(pieces)
    for place in 0..<pieces { ring.giveBack(ids[place]) }
    ring.save(&core.ring)
    return true
  }
}

/// Sends a command on the ring that was negotiated; true if it was answered.
private struct ControlExchange: RingVisitor {
  let data: Int
  let answer: Int

  func visit<R: ReceiveRing & TransmitRing & ~Copyable>(_: R.Type, _ queue: inout ControlQueue) -> Bool {
    queue.exchange(R.self, data, answer)
  }
}
