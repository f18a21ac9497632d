// SPDX-License-Identifier: BSD-2-Clause
//
// A lock of one word, free when zero. A thread that waits long sleeps between tries: a holder may wait for a device.

import CLinux

// Safety: the word is read and written through `self`, in one atomic access each.
package struct SpinLock {
  var word: UInt32 = 0

  package init() {}

  @inline(__always)
  package mutating func lock() {
    if unsafe shared_exchange32_acquire(&word, 1) != 0 { lockSlowly() }
  }

  @inline(__always)
  package mutating func unlock() { unsafe shared_store32_release(&word, 0) }

  @inline(never)
  private mutating func lockSlowly() {
    var tries = 0
    while true {
      if unsafe shared_load32(&word) == 0 && shared_exchange32_acquire(&word, 1) == 0 { return }
      SpinLock.pause(&tries)
    }
  }

  /// Waits between two tries, longer with each.
  static func pause(_ tries: inout Int) {
    tries &+= 1
    if tries < 100 {
      cpu_pause()
    } else if tries < 200 {
      _ = sched_yield()
    } else {
      sys_sleep_microseconds(50)
    }
  }
}
