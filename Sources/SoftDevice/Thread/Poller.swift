// SPDX-License-Identifier: BSD-2-Clause
//
// The epoll instance on which the device's thread sleeps. Kicks are watched edge-triggered and never read: their eventfds
// are the front-end's, and reading one that another process has just emptied could block for ever.

import CLinux
import Linux

// Safety: `events` is the block's memory, room for as many events as epoll is told of.
@safe
struct Poller: ~Copyable {
  enum Token: UInt64 {
    case stop
    case listener
    case frontEnd
    case wire
    case kick
  }

  /// Events taken at once, of at most 16 bytes each; there are fewer files than this.
  static let room = 8

  private let epoll: File
  private let block: Block
  private let events: UnsafeMutablePointer<epoll_event>

  init() throws(Failure) {
    let epoll = File(
      owning: try check(sys_epoll_create()) { Failure($0, "cannot make an epoll instance: ").reason($0) })
    block = try Block(Self.room * 16)
    self.epoll = epoll
    unsafe events = block.bytes.base.assumingMemoryBound(to: epoll_event.self)
  }

  /// False if the file is nothing that can be waited for. `number` comes back with its events.
  func add(_ file: Int32, _ token: Token, number: Int = 0, edge: Bool = false) -> Bool {
    let events = EPOLLIN.rawValue | (edge ? EPOLLET.rawValue : 0)
    return sys_epoll_add(epoll.number, file, events, token.rawValue | UInt64(number) << 8) >= 0
  }

  func remove(_ file: Int32) { _ = sys_epoll_remove(epoll.number, file) }

  /// Waits up to `milliseconds` (-1: for ever) and returns how many events there are.
  func wait(_ milliseconds: Int32) -> Int {
    let count = unsafe sys_epoll_wait(epoll.number, events, Int32(Self.room), milliseconds)
    return max(Int(count), 0)
  }

  func token(_ index: Int) -> Token? { unsafe Token(rawValue: epoll_tag(events + index) & 0xff) }
  func number(_ index: Int) -> Int { unsafe Int(truncatingIfNeeded: epoll_tag(events + index) >> 8) }
}
