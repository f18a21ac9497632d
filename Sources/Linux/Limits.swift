// SPDX-License-Identifier: BSD-2-Clause
//
// The limits of a process (ulimit), named where an error may come from one of them: "Too many open files" alone does not
// say whose limit that is, nor how to raise it.

import CLinux

extension Failure {
  /// Adds the limit of this process that such an error comes from, if it has one.
  @inline(never)
  package func namingLimit() -> Failure {
    switch code {
    case EMFILE: return limit(LIMIT_FILES, "files open (ulimit -n)", unit: 1)
    case EFBIG: return limit(LIMIT_FILE_BYTES, "KiB in a file, its shared memory too (ulimit -f)", unit: 1024)
    case ENOMEM: return memoryLimits()
    default: return self
    }
  }

  /// Adds what may have kept a thread from being made: the number of them, also in a container, or memory for its stack.
  package func namingThreadLimit() -> Failure {
    code == EAGAIN
      ? limit(LIMIT_THREADS, "threads and processes of its user (ulimit -u)", unit: 1)
        .text("; a container has a limit too (pids.max)").memoryLimits() : self
  }

  @inline(never)
  private func memoryLimits() -> Failure {
    limit(LIMIT_ADDRESSES, "KiB of addresses (ulimit -v)", unit: 1024)
      .limit(LIMIT_DATA, "KiB of private memory (ulimit -d)", unit: 1024)
  }

  @inline(never)
  private func limit(_ which: Int, _ name: StaticString, unit: UInt64) -> Failure {
    let most = sys_limit(Int32(which))
    return most == .max ? self : text("; this process may have ").number(most / unit).text(" ").text(name)
  }
}
