// SPDX-License-Identifier: BSD-2-Clause
//
// The control queue (virtio 1.4, 5.1.9.5): one command at a time, each with a deadline. A command is three pieces in one
// page shared with the device: class and number, data, and the byte in which it answers. A device that does not answer
// keeps the page, and gets no other command before it has been reset.

import CLinux
import Linux
import Virtio

struct ControlQueue {
  private var core: Virtqueue
  /// Of the device that is to answer.
  private let bus: Bus
  private let page: Shared
  private let devicePage: UInt64
  /// Bytes of data that a command may have.
  let room: Int
  /// A command was not answered in time.
  private(set) var isLost = false
  /// Drops the port's lock while a command waits for its answer, and takes it again, so that vionet_rx_arm() and
  /// vionet_info() do not block. Nil before the port runs.
  var setPortLocked: PortLock?
  typealias PortLock = @convention(c) (_ port: UInt16, _ isLocked: Bool) -> Void

  static let descriptors: UInt16 = 64
  private static let dataOffset = 64
  /// Bytes of an answer behind the first byte.
  static let answerRoom = 1024
  /// Whole pages, as few as hold a command with so many bytes of data.
  static func pageBytes(data: Int) -> Int { (dataOffset + data + 64 + answerRoom + 4095) & ~4095 }
  private static let deadline = 3000

  /// `bytes` of `page`.
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

  /// Sends a command with `count` bytes of data and waits for its answer, of which `answer` bytes are copied to `target`.
  mutating func send(
    _ command: ControlCommand, _ data: UnsafeRawPointer? = nil, _ count: Int = 0,
    into target: UnsafeMutableRawPointer? = nil, _ answer: Int = 0
  ) throws(Failure) {
    if isLost { throw Failure(ETIMEDOUT, "the device left an earlier control command unanswered; start the port anew") }
    if count > room || answer > ControlQueue.answerRoom {
      throw Failure(E2BIG, "control command ").plain(Text(command.name)).text(" takes at most ")
        .number(room).text(" bytes")
    }
    page.store8(0, command.group)
    page.store8(1, command.number)
    if let data = unsafe data { unsafe (page.base + ControlQueue.dataOffset).copyMemory(from: data, byteCount: count) }
    // Neither OK nor an error: what the device has not written is no answer.
    page.store8(answerOffset, 0xff)
    if answer > 0 { unsafe memset(page.base + answerOffset + 1, 0, answer) }
    // With one command at a time all ids come back before others go out, so that they are in order in any case.
    let isDone =
      core.ring.shape.isPacked
      ? exchange(PackedRing<AnyOrder>.self, count, answer) : exchange(SplitRing<AnyOrder>.self, count, answer)
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

  /// Makes the command available and waits until it is used; sleeping, since devices take their time.
  private mutating func exchange<R: Ring & ~Copyable>(_: R.Type, _ count: Int, _ answer: Int) -> Bool {
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
      // It answers within microseconds, or takes its time: then bursts on the same core are not to be held up.
      let isSlow = looks > 100
      // To look whether it is there takes longer than to look whether it has answered.
      if deadline.hasPassed || (isSlow || looks & 63 == 0) && bus.isGone { return false }
      sys_sleep_microseconds(isSlow ? 1000 : 20)
    }
    return true
  }

  /// Takes the used command back. There was only the one, so that only its id can come.
  private mutating func collect<R: Ring & ~Copyable>(_: R.Type, _ ids: InlineArray<3, Int>, _ pieces: Int) -> Bool {
    var ring = R(core.ring)
    if ring.pending == 0 || !ring.look() || ring.nextSent() != UInt32(truncatingIfNeeded: ids[0]) { return false }
    ring.passUsed(pieces)
    for place in 0..<pieces { ring.giveBack(ids[place]) }
    ring.save(&core.ring)
    return true
  }
}
