// SPDX-License-Identifier: BSD-2-Clause
//
// How long a call of the program's waits for devices, all of its waits together: a peer that answers each of fifty questions
// at the last moment must not hold it fifty times as long.

import CLinux
import Linux

package struct Budget {
  private var nanoseconds: UInt64
  private var begin: UInt64 = 0

  private init(milliseconds: UInt64) { nanoseconds = milliseconds &* 1_000_000 }

  /// For calls that bring a device up.
  package static var opening: Budget { Budget(milliseconds: 5000) }
  /// For all others.
  package static var usual: Budget { Budget(milliseconds: 3500) }

  /// Milliseconds at the end in which a device is only taken back: after a failure it has to let go of memory.
  static let reserve = 500

  /// The time runs until pause(). The program's callbacks have time of their own.
  @inline(never)
  mutating func run() -> Deadline {
    begin = sys_nanoseconds()
    return Deadline(milliseconds: Int(nanoseconds / 1_000_000))
  }

  @inline(never)
  mutating func pause() {
    let used = sys_nanoseconds() &- begin
    nanoseconds = nanoseconds > used ? nanoseconds &- used : 0
  }
}
