// SPDX-License-Identifier: BSD-2-Clause
//
// The advice that goes with a failure to lock memory for a device.

import CLinux
import Linux

extension Failure {
  /// Adds how to raise the limit of locked memory, if there is a limit.
  @inline(never)
  func lockedMemory() -> Failure {
    let limit = sys_limit(Int32(LIMIT_LOCKED))
    if limit == .max { return self }
    return text("; this process may lock ").number(limit / 1024)
      .text(" KiB: ulimit -l unlimited as root, or memlock in /etc/security/limits.conf")
  }
}
