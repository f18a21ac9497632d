// SPDX-License-Identifier: BSD-2-Clause
//
// Where a back-end comes from that is not there yet, or no more: as a server we listen for it, as a client we call again
// and again. Nothing here waits. A connection is not handed over before the back-end has answered the first question of
// the protocol, so that one which merely listens, or was stopped, holds nobody up.

import CLinux
import Linux
import Virtio

struct BackendFinder {
  /// Milliseconds between two calls on a socket where nobody listens.
  private static let interval: UInt32 = 20
  private static let longestPause: UInt32 = 1000
  /// Connections to look at in one step.
  private static let mostCandidates = 16

  private var address: sockaddr_un
  private var listener = Descriptor.none
  private var file = sys_unix_file()
  private var timer = Descriptor.none
  /// Readable when it is time for step().
  private(set) var ready = Descriptor.none
  /// Connected, and asked for its features.
  private var candidate = VhostSocket(adopting: -1)
  private var timeout = Deadline(milliseconds: 0)
  private var nextAttempt = Deadline(milliseconds: 0)
  /// After a back-end that was met in vain, and doubled each time.
  private var pause = BackendFinder.interval

  var isServer: Bool { listener.isOpen }

  /// Listens on `path`; its file is made here, and removed by close() if it is there still.
  init(listeningAt address: sockaddr_un, _ path: Text) throws(Failure) {
    try self.init(callingAt: address)
    do throws(Failure) {
      listener = Descriptor(
        owning: try check(unsafe sys_unix_listen(&self.address, 8, &file)) {
          Failure($0, "socket ").quoting(path).text(": ").reason($0)
        })
      try ready.watch(listener.number)
    } catch {
      close()
      throw error
    }
  }

  init(callingAt address: sockaddr_un) throws(Failure) {
    self.address = address
    do throws(Failure) {
      timer = Descriptor(owning: try check(sys_timer()) { Failure($0, "cannot make a timer: ").reason($0) })
      ready = try Descriptor.watcher()
      try ready.watch(timer.number)
    } catch {
      close()
      throw error
    }
  }

  mutating func close() {
    candidate.close()
    timer.close()
    ready.close()
    if !listener.isOpen { return }
    unsafe sys_unix_remove(&address, &file)
    listener.close()
  }

  // MARK: Finding

  /// A back-end is wanted from now on.
  mutating func begin() {
    nextAttempt = Deadline(milliseconds: 0)
    if !isServer { setTimer(BackendFinder.interval) }
  }

  /// None is wanted any more: one was met, or the port was stopped.
  mutating func end() {
    candidate.close()
    _ = sys_timer_set(timer.number, 0, 0)
  }

  mutating func succeeded() { pause = BackendFinder.interval }

  /// A back-end came to nothing: a client does not call again at once.
  mutating func failed() {
    pause = min(pause * 2, BackendFinder.longestPause)
    nextAttempt = Deadline(milliseconds: isServer ? 0 : Int(pause))
    if !isServer { setTimer(pause) }
  }

  private func setTimer(_ milliseconds: UInt32) { _ = sys_timer_set(timer.number, milliseconds, milliseconds) }

  /// A connection whose answer to GET_FEATURES waits to be read, if there is one now.
  mutating func step() -> VhostSocket? {
    _ = sys_eventfd_drain(timer.number)
    for _ in 0..<BackendFinder.mostCandidates {
      if !candidate.isOpen && !receive() { return nil }
      if !candidate.isOpen { continue }
      if candidate.hasHungUp() {
        // It says something; whether that makes sense is seen by whoever reads it.
        let found = candidate
        ready.unwatch(found.descriptor)
        candidate = VhostSocket(adopting: -1)
        end()
        return found
      }
      if !timeout.hasPassed { return nil }
      candidate.close()
      failed()
    }
    return nil
  }

  /// Finds a candidate and asks it; false if there is none.
  private mutating func receive() -> Bool {
    let file = isServer ? sys_accept(listener.number) : connect()
    if file < 0 { return false }
    candidate = VhostSocket(adopting: file)
    let asked: Void? = Failure.quietly { () throws(Failure) in
      try ready.watch(file)
      try unsafe candidate.send(VhostRequest.getFeatures, flags: 0, payload: nil, count: 0)
    }
    if asked == nil { candidate.close() }
    timeout = Deadline(milliseconds: VhostSocket.patience)
    setTimer(UInt32(VhostSocket.patience))
    return true
  }

  private mutating func connect() -> Int32 {
    if !nextAttempt.hasPassed { return -1 }
    let file = sys_unix_socket()
    if unsafe file >= 0 && sys_unix_connect(file, &address) >= 0 { return file }
    if file >= 0 { _ = sys_close(file) }
    setTimer(BackendFinder.interval)
    return -1
  }
}
