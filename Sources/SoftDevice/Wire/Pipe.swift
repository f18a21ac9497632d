// SPDX-License-Identifier: BSD-2-Clause
//
// The wire "pipe": two soft devices of this process whose options give the same name are joined, so that what one
// takes from its driver comes out at the other. Pipes are found by name in a list under a lock; a pipe lives while it
// has an end. While an end's driver receives nothing, frames for it are dropped, as by a link that is down.

import CLinux
import Linux

/// What belongs to one end: the lane that it reads, and whether it reads.
struct PipeSide: ~Copyable {
  /// Whether it is taken is written under the lock of the list.
  let lane: Lane

  init() throws(Failure) { lane = try Lane() }
}

/// A pipe with its two sides.
struct Pipe: ~Copyable {
  let name: Path
  private let firstSide: Owned<PipeSide>
  private let secondSide: Owned<PipeSide>
  var next: Cell<Pipe>?

  static let purpose: StaticString = "a pipe between soft devices"

  init(_ name: Path) throws(Failure) {
    let first = try Owned(try PipeSide(), for: Pipe.purpose)
    let second = try Owned(try PipeSide(), for: Pipe.purpose)
    self.name = name
    firstSide = first
    secondSide = second
  }

  var first: Cell<PipeSide> { firstSide.cell }
  var second: Cell<PipeSide> { secondSide.cell }
}

/// One device's end of a pipe.
// Safety: the list of pipes is read and changed with `lock` held.
struct PipeEnd {
  private let pipe: Cell<Pipe>
  /// Frames for this device's driver.
  let mine: Cell<PipeSide>
  /// Frames for the other's.
  let other: Cell<PipeSide>

  private nonisolated(unsafe) static var lock = SpinLock()
  private nonisolated(unsafe) static var all: Cell<Pipe>?

  /// Joins the pipe of that name, which is made if there is none.
  static func join(_ name: Path) throws(Failure) -> PipeEnd {
    unsafe lock.lock()
    defer { unsafe lock.unlock() }
    let pipe = try find(name)
    let first = pipe.value.first
    let second = pipe.value.second
    let isSecond = first.value.lane.isTaken
    if isSecond && second.value.lane.isTaken {
      throw Failure(EBUSY, "pipe ").quoting(name).text(" has two ends already")
    }
    let mine = isSecond ? second : first
    let end = PipeEnd(pipe: pipe, mine: mine, other: isSecond ? first : second)
    end.setTaken(true)
    return end
  }

  private static func find(_ name: Path) throws(Failure) -> Cell<Pipe> {
    var each = unsafe all
    while let pipe = each {
      if pipe.value.name.equals(name) { return pipe }
      each = pipe.value.next
    }
    var owned = try Owned(try Pipe(name), for: Pipe.purpose)
    let made = owned.take()
    made.value.next = unsafe all
    unsafe all = made
    return made
  }

  var whyDown: Failure { Failure(ENOTCONN, "pipe ").quoting(pipe.value.name).text(" has no other end yet") }

  /// Gives the end back; the last one takes the pipe with it.
  func leave() {
    _ = setReceiving(false)
    unsafe PipeEnd.lock.lock()
    setTaken(false)
    if !other.value.lane.isTaken {
      PipeEnd.unlink(pipe)
      pipe.destroy()
    }
    unsafe PipeEnd.lock.unlock()
  }

  /// Takes the end or gives it back, and lets the other one look.
  private func setTaken(_ taken: Bool) {
    mine.value.lane.isTaken = taken
    _ = sys_eventfd_signal(other.value.lane.bell.number)
  }

  private static func unlink(_ pipe: Cell<Pipe>) {
    var each = unsafe all
    if let first = each, unsafe first.raw == pipe.raw {
      unsafe all = pipe.value.next
      return
    }
    while let before = each {
      if let next = before.value.next, unsafe next.raw == pipe.raw { before.value.next = pipe.value.next }
      each = before.value.next
    }
  }

  /// Whether this end's driver takes frames. Returns how many are lost by that: those that waited when it ceased to, and
  /// those whose writer had not seen that yet.
  func setReceiving(_ receiving: Bool) -> Int {
    if !receiving { mine.value.lane.isReceiving = false }
    let lost = mine.value.lane.drain()
    if receiving { mine.value.lane.isReceiving = true }
    return lost
  }
}
