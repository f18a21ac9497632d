// SPDX-License-Identifier: BSD-2-Clause
//
// How a queue notifies its device of new entries: by an eventfd, a register in memory, or an I/O port.

import CLinux
import Linux

// Safety: the port's file takes a local 16-bit value.
enum Notifier {
  /// An eventfd that only the kernel has besides us.
  case event(Int32)
  /// An eventfd that another process has too, and could make a plain write to it wait.
  case sharedEvent(Int32)
  /// A 16-bit register that takes the queue's index (virtio 1.4, 4.1.5.2).
  case memory(Shared, UInt16)
  /// A 32-bit register for NOTIFICATION_DATA, whose upper half says where the next entry goes (virtio 1.4, 2.9).
  case memoryWithData(Shared, UInt16)
  case port(Int32, UInt64, UInt16)

  /// Notifies the device. `position` is what NOTIFICATION_DATA sends: the available index of a split ring, or the place of
  /// the next descriptor of a packed ring with the wrap counter in bit 15.
  func signal(_ position: UInt16) {
    switch self {
    case .event(let file): _ = sys_eventfd_signal(file)
    case .sharedEvent(let file): _ = sys_shared_signal(file)
    case .memory(let register, let index): register.store16Release(0, index)
    case .memoryWithData(let register, let index):
      register.store32Release(0, UInt32(index) | UInt32(position) << 16)
    case .port(let file, let offset, let index):
      var index = index
      unsafe _ = sys_pwrite(file, &index, 2, offset)
    }
  }
}
