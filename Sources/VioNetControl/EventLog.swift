// SPDX-License-Identifier: BSD-2-Clause
//
// The last events of all ports. The log lives as long as the library, because a callback that is being removed may be
// called once more.

import CLinux
import CVionetControl
import Linux

struct Event {
  private var seconds: Int64 = 0
  private var milliseconds: UInt64 = 0
  private(set) var port: UInt16 = 0
  private var kind: Int32 = 0
  private var isLinkUp = false

  init() {}

  /// An event of now.
  // Safety: both calls fill a struct of ours.
  init(_ kind: Int32, of port: UInt16) {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    seconds = Int64(time.tv_sec)
    milliseconds = UInt64(time.tv_nsec) / 1_000_000
    self.port = port
    self.kind = kind
    if kind.magnitude != VIONET_EVENT_LINK.rawValue { return }
    // In a thread of the program's, whose sentence stays as it is.
    var information = PortInformation()
    isLinkUp = information.fill(port) == 0 && information.value.link_up != 0
  }

  var what: vionet_event { vionet_event(rawValue: kind.magnitude) }

  /// "1763853073.125 port 0 link-down"
  func write(to answer: inout Answer) {
    answer.add(number: seconds.magnitude)
    answer.add(".")
    answer.add(milliseconds, base: 10, width: 3)
    answer.add(" port ")
    answer.add(number: port)
    answer.add(" ")
    if let name {
      answer.add(name)
    } else {
      answer.add("event-")
      answer.add(number: kind.magnitude)
    }
    answer.add("\n")
  }

  private var name: StaticString? {
    switch vionet_event(rawValue: kind.magnitude) {
    case VIONET_EVENT_NEW: "new"
    case VIONET_EVENT_BROKEN: "broken"
    case VIONET_EVENT_GONE: "gone"
    case VIONET_EVENT_CLOSED: "closed"
    case VIONET_EVENT_LINK: isLinkUp ? "link-up" : "link-down"
    case VIONET_EVENT_ANNOUNCE: "announce"
    case VIONET_EVENT_NEEDS_RESET: "needs-reset"
    case VIONET_EVENT_RECOVERED: "recovered"
    case VIONET_EVENT_CONNECTED: "connected"
    default: nil
    }
  }
}

/// The log, and the sockets that are signalled at every event.
struct EventLog {
  /// Events that are kept.
  private static let room: UInt64 = 256
  /// Control sockets of one process.
  static let followerLimit = 4

  private var count: UInt64 = 0
  private var events = InlineArray<256, Event>(repeating: Event())
  private var followers = InlineArray<4, Follower>(repeating: Follower())

  /// Zero where there is none, so that the log takes no room in the library's file.
  private struct Follower {
    var isThere = false
    var event: Int32 = 0
  }

  /// Calls `body` with the log of this process, in one thread at a time.
  // Safety: the lock is held, and a constant initialises the log, so that its first use is like any other.
  fileprivate static func locked<Result>(_ body: (inout EventLog) -> Result) -> Result {
    unsafe eventLock.lock()
    defer { unsafe eventLock.unlock() }
    return unsafe body(&eventLog)
  }

  /// The number of events so far, which is the number of the next one.
  static var count: UInt64 { locked { $0.count } }

  /// Writes a line for each event from `next` to the last; events that are no longer kept are counted in one line.
  static func write(from next: inout UInt64, to answer: inout Answer) {
    let end = count
    while next < end {
      let (event, lost) = locked { $0.take(&next) }
      if lost > 0 {
        answer.add("lost ")
        answer.add(number: lost)
        answer.add("\n")
      }
      event.write(to: &answer)
    }
  }

  /// The event with number `next`, or the oldest that is kept and how many have been lost before it.
  private func take(_ next: inout UInt64) -> (event: Event, lost: UInt64) {
    let oldest = count - min(count, EventLog.room)
    let lost = oldest - min(oldest, next)
    next += lost + 1
    return (events[Int((next - 1) % EventLog.room)], lost)
  }

  fileprivate mutating func add(_ event: Event) {
    events[Int(count % EventLog.room)] = event
    count += 1
    for place in 0..<EventLog.followerLimit where followers[place].isThere {
      _ = sys_eventfd_signal(followers[place].event)
    }
  }
}

// MARK: Who is signalled

extension EventLog {
  private var isFollowed: Bool {
    for place in 0..<EventLog.followerLimit where followers[place].isThere { return true }
    return false
  }

  /// The place of an eventfd that is signalled from now on; nil if none is free, or libvionet has none for a callback.
  // Safety: the callback uses the log alone, which is there for as long as the library. libvionet calls it from no call
  // that is made here, so the lock is free then.
  fileprivate mutating func follow(_ event: Int32) -> Int? {
    fork_leaves(Int32(FORK_EVENTS)) { EventLog.leaveToParent() }
    for place in 0..<EventLog.followerLimit where !followers[place].isThere {
      if !isFollowed, unsafe vionet_event_add(logEvent, nil) < 0 { return nil }
      followers[place] = Follower(isThere: true, event: event)
      return place
    }
    return nil
  }

  /// Runs first thing in a forked child, whoever holds the lock: the sockets are the parent's, and libvionet has forgotten
  /// the callback.
  // Safety: a forked child has one thread.
  private static func leaveToParent() {
    unsafe eventLock = SpinLock()
    unsafe eventLog = EventLog()
  }

  // Safety: as in follow().
  fileprivate mutating func forget(_ place: Int) {
    followers[place] = Follower()
    if !isFollowed { _ = unsafe vionet_event_remove(logEvent, nil) }
  }
}

/// An eventfd that is signalled at every event of any port for as long as it lives.
struct EventFollower: ~Copyable {
  private let event: File
  private let place: Int

  init?(_ event: consuming File) {
    let number = event.number
    guard let place = EventLog.locked({ $0.follow(number) }) else { return nil }
    self.place = place
    self.event = event
  }

  deinit {
    let place = place
    EventLog.locked { $0.forget(place) }
  }

  func drain() { _ = sys_eventfd_drain(event.number) }
}

private func logEvent(_ port: UInt16, _ kind: Int32, _ user: UnsafeMutableRawPointer?) {
  let event = Event(kind, of: port)
  EventLog.locked { $0.add(event) }
}

// Safety: a lock is made to be used by several threads.
nonisolated(unsafe) private var eventLock = SpinLock()
// Safety: used only while eventLock is held.
nonisolated(unsafe) private var eventLog = EventLog()
