// SPDX-License-Identifier: BSD-2-Clause
//
// One sleep for queues of any ports in both directions, and for what happens to ports.

import CLinux
import CVionet
import Linux

/// The caller's list, with one pollfd for each element.
// Safety: the list has `count` elements, as vionet.h says, and so has the table.
@safe
private struct Watched {
  let list: UnsafeMutablePointer<vionet_wait_queue>
  let files: Table<pollfd>
  let count: Int
  private(set) var ready: Int32 = 0
  /// Elements for which there is something to sleep on.
  private(set) var open = 0
  private(set) var hasEvents = false

  init(_ list: UnsafeMutablePointer<vionet_wait_queue>, _ files: Table<pollfd>, _ count: Int) throws(Failure) {
    unsafe self.list = list
    self.files = files
    self.count = count
    for place in 0..<count {
      files[place] = pollfd(fd: -1, events: Int16(POLLIN), revents: 0)
      let direction = unsafe list[place].direction
      if UInt32(direction) == VIONET_WAIT_EVENT.rawValue { hasEvents = true }
      if direction == 0 || UInt32(direction) > VIONET_WAIT_EVENT.rawValue {
        throw Failure(EINVAL, "queue ").number(place).text(" of the list has the direction ").number(direction)
          .text(", which is none of enum vionet_wait_direction")
      }
    }
  }

  /// Looks at each element and arms its queue. `isLast`: whatever woke it is for the caller to see.
  mutating func arm(isLast: Bool) {
    ready = 0
    open = 0
    for place in 0..<count {
      let result = arm(place, isLast)
      unsafe list[place].ready = result
      if result != 0 { ready += 1 }
      if files[place].fd >= 0 { open += 1 }
      files[place].revents = 0
    }
  }

  /// What vionet.h says of `ready`.
  private func arm(_ place: Int, _ isLast: Bool) -> Int32 {
    let element = unsafe list[place]
    if element.port == UInt16(VIONET_PORT_NONE) { return 0 }
    let wasReadable = files[place].revents != 0
    do throws(Failure) {
      if UInt32(element.direction) == VIONET_WAIT_EVENT.rawValue {
        files[place].fd = try Ports.eventDescriptor(element.port)
        return wasReadable ? 1 : 0
      }
      let isTransmit = UInt32(element.direction) == VIONET_WAIT_TX.rawValue
      let sleeper: Sleeper =
        isTransmit ? .transmit(element.port, element.queue) : .receive(element.port, element.queue)
      let tokens = wasReadable ? takeSignals(files[place].fd) : 0
      files[place].fd = try Ports.arm(sleeper, tokens)
      if files[place].fd < 0 { return 1 }
      return isLast && wasReadable && !Ports.isTooEarly(sleeper, tokens) ? 1 : 0
    } catch {
      files[place].fd = -1
      return 0 - error.code
    }
  }

  /// What woke a queue. Nothing, if its port was closed meanwhile.
  private func takeSignals(_ wake: Int32) -> Int32 {
    Failure.quietly { () throws(Failure) in try Descriptor(owning: wake).marks(within: 0) } ?? 0
  }

  /// Sleeps; true if something is readable.
  func sleep(_ milliseconds: Int32) throws(Failure) -> Bool {
    let found = unsafe sys_poll(files.base, UInt32(count), milliseconds)
    if found == -EINTR { return false }
    return try check(found) { Failure($0, "poll: ").reason($0) } > 0
  }
}

extension Ports {
  /// Waits until some element of the list is ready, for `milliseconds` at most; returns how many are.
  // Safety: the caller's list has `count` elements, as vionet.h says.
  package static func wait(
    _ list: UnsafeMutablePointer<vionet_wait_queue>?, _ count: Int, _ milliseconds: Int32
  ) throws(Failure) -> Int32 {
    if count < 1 || count > 65536 { throw Failure(EINVAL, "count is ").number(count).text(", not 1 to 65536") }
    guard let list = unsafe list else { throw Failure(EINVAL, "queues is NULL") }
    guard let files = Table<pollfd>.make(count: count) else { throw Failure(ENOMEM, "no memory to wait for queues") }
    defer { files.destroy() }
    var watched = try unsafe Watched(list, files, count)
    let end = Deadline(milliseconds: Int(max(milliseconds, 0)))
    var sleeps = 0
    while true {
      watched.arm(isLast: sleeps >= 2)
      let isReady = watched.ready > 0
      if isReady && (!watched.hasEvents || sleeps > 0) { return watched.ready }
      if watched.open == 0 && !isReady && milliseconds < 0 {
        throw Failure(EINVAL, "there is no queue to wait for: every port of the list is VIONET_PORT_NONE")
      }
      let left = isReady ? 0 : sleeps == 0 || milliseconds < 0 ? milliseconds : end.remaining
      if try !watched.sleep(left) { return watched.ready }
      sleeps += 1
    }
  }
}
