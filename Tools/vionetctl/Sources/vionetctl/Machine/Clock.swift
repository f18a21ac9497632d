// SPDX-License-Identifier: BSD-2-Clause

import Glibc

enum Clock {
  /// Seconds since the machine was started.
  static var now: Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  static func sleep(seconds: UInt32) {
    var left = seconds
    while left > 0 { left = Glibc.sleep(left) }
  }
}
