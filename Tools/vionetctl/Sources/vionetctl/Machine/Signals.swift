// SPDX-License-Identifier: BSD-2-Clause

import Glibc

/// Signals that are blocked in this thread and all that it starts later, so that come() can wait for them.
struct Signals {
  private let set: sigset_t

  init(_ numbers: Int32...) {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for number in numbers { unsafe sigaddset(&set, number) }
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    self.set = set
  }

  /// Waits for one of the signals. False if none came within that many seconds; nil waits without end.
  func come(within seconds: UInt32?) -> Bool {
    var set = set
    let end = Clock.now + Double(seconds ?? .max)
    while true {
      let left = max(end - Clock.now, 0)
      var time = timespec(tv_sec: Int(left), tv_nsec: Int((left - left.rounded(.down)) * 1e9))
      if unsafe sigtimedwait(&set, nil, &time) >= 0 { return true }
      if errno == EAGAIN && seconds != nil { return false }
    }
  }
}

/// SIGINT and SIGTERM shut a connection down, so that the next read of it ends. A signal between two reads is not lost.
enum Interruption {
  nonisolated(unsafe) private static var socket: Int32 = -1
  nonisolated(unsafe) private static var came = false

  static var hasCome: Bool { unsafe came }

  /// Only remembers that a signal came.
  static func expect() { shutDown(-1) }

  static func shutDown(_ socket: Int32) {
    unsafe self.socket = socket
    for number in [SIGINT, SIGTERM] {
      signal(number) { _ in
        unsafe Interruption.came = true
        _ = unsafe shutdown(Interruption.socket, Int32(SHUT_RDWR))
      }
    }
  }
}
