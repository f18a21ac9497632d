// SPDX-License-Identifier: BSD-2-Clause

import Glibc

/// Signals that are waited for, in this thread and those it starts from now on, instead of ending the process.
struct Signals {
  private let set: sigset_t

  init(_ numbers: Int32...) {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for number in numbers { unsafe sigaddset(&set, number) }
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    self.set = set
  }

  /// Waits for one of them; false if it did not come within so many seconds. Without a number, for as long as it takes.
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
