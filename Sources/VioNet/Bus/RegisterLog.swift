// SPDX-License-Identifier: BSD-2-Clause
//
// The log of accesses to a device while it is set up, a line for each, in one form for every transport:
//
//     pci-modern read device_status 0x0
//     pci-modern write queue_size 0x100
//     vhost-user write SET_VRING_NUM 0x1 0x100
//
// Registers have the specification's names (virtio 1.4, 4.1.4.3 and 4.1.4.10), and messages those of vhost-user. Lines come
// in the order of the accesses. Bursts log nothing.

import Linux

enum RegisterLog {
  @inline(never)
  static func read(_ bus: StaticString, _ register: Text, _ value: UInt64, _ second: UInt64? = nil) {
    if Log.wanted(.debug) { send(Log.line(bus).text("read").text(register).hex(value), second) }
  }

  @inline(never)
  static func write(_ bus: StaticString, _ register: Text, _ value: UInt64, _ second: UInt64? = nil) {
    if Log.wanted(.debug) { send(Log.line(bus).text("write").text(register).hex(value), second) }
  }

  private static func send(_ line: Log, _ second: UInt64?) {
    if let second { line.hex(second).send(.debug) } else { line.send(.debug) }
  }
}
