// SPDX-License-Identifier: BSD-2-Clause
//
// How a queue tells its device that there is something for it: an eventfd, a register in memory, an I/O port.

import CLinux
import Linux

enum Notifier {
  case event(Int32)
  /// A 16-bit register that takes the queue's index (virtio 1.4, 4.1.5.2).
  case memory(Shared, UInt16)
  /// With NOTIFICATION_DATA one of 32 bits, whose upper half says where the next entry will go (2.9).
  case memoryWithData(Shared, UInt16)
  case port(Int32, UInt64, UInt16)

  /// `position` is what NOTIFICATION_DATA tells the device: of a split ring the index of the next available entry, of a
  /// packed one the place of the next descriptor and in bit 15 the wrap counter.
  func signal(_ position: UInt16) {
    switch self {
    case .event(let file): _ = sys_eventfd_signal(file)
    case .memory(let register, let index): register.store16Release(0, index)
    case .memoryWithData(let register, let index):
      register.store32Release(0, UInt32(index) | UInt32(position) << 16)
    case .port(let file, let offset, let index):
      var index = index
      unsafe _ = sys_pwrite(file, &index, 2, offset)
    }
  }
}
