// SPDX-License-Identifier: BSD-2-Clause
//
// How a queue tells its device that there is something for it: an eventfd, a register in memory, an I/O port.

import CLinux
import Linux

enum Notifier {
  case event(Int32)
  /// A 16-bit register that takes the queue's index (virtio 1.4, 4.1.5.2).
  case memory(Shared, UInt16)
  case port(Int32, UInt64, UInt16)

  func signal() {
    switch self {
    case .event(let file): _ = sys_eventfd_signal(file)
    case .memory(let register, let index): register.store16Release(0, index)
    case .port(let file, let offset, let index):
      var index = index
      unsafe _ = sys_pwrite(file, &index, 2, offset)
    }
  }
}
