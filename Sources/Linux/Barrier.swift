// SPDX-License-Identifier: BSD-2-Clause
//
// A barrier that one thread pays for all (membarrier(2)): what is looked at often needs no fence, since whoever changes
// it, which is seldom, makes all others pass one.

import CLinux

package enum Barrier {
  /// It takes microseconds.
  static var isCheap: Bool { sys_membarrier_is_ready() }

  /// What this thread has stored, every other one sees from here on.
  @inline(never)
  package static func reachAll() {
    if sys_membarrier() < 0 && (sys_membarrier_register() < 0 || sys_membarrier() < 0) {
      // A kernel without it: any store of another processor is visible long before this is over.
      sys_sleep_microseconds(10000)
    }
  }
}
