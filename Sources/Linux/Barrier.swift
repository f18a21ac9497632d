// SPDX-License-Identifier: BSD-2-Clause
//
// A barrier for all threads of the process, which one thread pays for (membarrier(2)): a word that is read often and
// changed seldom needs no fence where it is read.

import CLinux

package enum Barrier {
  /// True if the barrier takes microseconds: then the kernel knows this process already.
  static var isCheap: Bool { sys_membarrier_is_ready() }

  /// Every other thread sees from here on what this one has stored.
  @inline(never)
  package static func reachAll() {
    if sys_membarrier() < 0 && (sys_membarrier_register() < 0 || sys_membarrier() < 0) {
      // A kernel without it: any store of another processor is visible long before this is over.
      sys_sleep_microseconds(10000)
    }
  }
}
