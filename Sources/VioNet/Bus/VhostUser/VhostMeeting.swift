// SPDX-License-Identifier: BSD-2-Clause
//
// Where a back-end comes from that is not there yet, or no more: as a server we listen for it, as a client we call again
// and again. Nothing here waits. A connection is not handed over before the back-end has answered the first question of
// the protocol, so that one which merely listens, or was stopped, holds nobody up.

import CLinux
import Linux

struct VhostMeeting {
  /// Milliseconds between two calls on a socket where nobody listens.
  private static let interval: UInt32 = 20
  private static let longestPause: UInt32 = 1000
  /// Connections to look at in one step.
  private static let mostVisitors = 16

  private var address: sockaddr_un
  private var listener = Descriptor.none
  private var file = sys_unix_file()
  private var timer = Descriptor.none
  /// Readable when it is time for step().
  private(set) var ready = Descriptor.none
  /// Connected, and asked for its features.
  private var visitor = VhostSocket(adopting: -1)
  private var patience = Deadline(milliseconds: 0)
  private var nextCall = Deadline(milliseconds: 0)
  /// After a back-end that was met in vain, and doubled each time.
  private var pause = VhostMeeting.interval

  var isServer: Bool { listener.isOpen }

  /// Listens on `path`; its file is made here, and removed by close() if it is there still.
  init(listeningAt path: Text) throws(Failure) {
    try self.init(path)
    do throws(Failure) {
      listener = Descriptor(owning: try VhostMeeting.check(unsafe sys_unix_listen(&address, 8, &file), path))
      try ready.watch(listener.number)
    } catch {
      close()
      throw error
    }
  }

  init(callingAt path: Text) throws(Failure) { try self.init(path) }

  private init(_ path: Text) throws(Failure) {
    address = try VhostSocket.address(path)
    do throws(Failure) {
      timer = Descriptor(owning: try VhostMeeting.check(sys_timer(), path))
      ready = try Descriptor.watcher()
      try ready.watch(timer.number)
    } catch {
      close()
      throw error
    }
  }

  private static func check(_ result: Int32, _ path: Text) throws(Failure) -> Int32 {
    try Linux.check(result) { Failure($0, "socket ").quoting(path).text(": ").reason($0) }
  }

  mutating func close() {
    visitor.close()
    timer.close()
    ready.close()
    if !listener.isOpen { return }
    unsafe sys_unix_remove(&address, &file)
    listener.close()
  }

  // MARK: Meeting

  /// A back-end is wanted from now on.
  mutating func begin() {
    nextCall = Deadline(milliseconds: 0)
    if !isServer { setTimer(VhostMeeting.interval) }
  }

  /// None is wanted any more: one was met, or the port was stopped.
  mutating func end() {
    visitor.close()
    _ = sys_timer_set(timer.number, 0, 0)
  }

  mutating func wasGood() { pause = VhostMeeting.interval }

  /// A back-end came to nothing: a client does not call again at once.
  mutating func wasInVain() {
    pause = min(pause * 2, VhostMeeting.longestPause)
    nextCall = Deadline(milliseconds: isServer ? 0 : Int(pause))
    if !isServer { setTimer(pause) }
  }

  private func setTimer(_ milliseconds: UInt32) { _ = sys_timer_set(timer.number, milliseconds, milliseconds) }

  /// A connection whose answer to GET_FEATURES waits to be read, if there is one now.
  mutating func step() -> VhostSocket? {
    _ = sys_eventfd_drain(timer.number)
    for _ in 0..<VhostMeeting.mostVisitors {
      if !visitor.isOpen && !receive() { return nil }
      if !visitor.isOpen { continue }
      if visitor.hasHungUp() {
        // It says something; whether that makes sense is seen by whoever reads it.
        let met = visitor
        ready.unwatch(met.descriptor)
        visitor = VhostSocket(adopting: -1)
        end()
        return met
      }
      if !patience.hasPassed { return nil }
      visitor.close()
      wasInVain()
    }
    return nil
  }

  /// Finds a visitor and asks it; false if there is none.
  private mutating func receive() -> Bool {
    let file = isServer ? sys_accept(listener.number) : call()
    if file < 0 { return false }
    visitor = VhostSocket(adopting: file)
    let asked: Void? = Failure.quietly { () throws(Failure) in
      try ready.watch(file)
      try unsafe visitor.send(VhostRequest.getFeatures, flags: 0, payload: nil, count: 0)
    }
    if asked == nil { visitor.close() }
    patience = Deadline(milliseconds: VhostSocket.patience)
    setTimer(UInt32(VhostSocket.patience))
    return true
  }

  private mutating func call() -> Int32 {
    if !nextCall.hasPassed { return -1 }
    let file = sys_unix_socket()
    if unsafe file >= 0 && sys_unix_connect(file, &address) >= 0 { return file }
    if file >= 0 { _ = sys_close(file) }
    setTimer(VhostMeeting.interval)
    return -1
  }
}
