// SPDX-License-Identifier: BSD-2-Clause
//
// What a whole description of a program has beside its ports' settings and counters: the rest of vionet_info(), pools, and
// the last error.

import CLinux
import CVionetControl
import Linux

enum Details {
  /// Lines of info, each with its end.
  static func write(_ value: borrowing PortInformation, to answer: inout Answer) {
    answer.add(detail: "mac_random", UInt64(value.value.mac_random))
    answer.add(detail: "header_size", UInt64(value.value.header_size))
    answer.add(detail: "pool", UInt64(value.value.pool))
    answer.add(detail: "speed", UInt64(value.value.speed))
    answer.add(detail: "duplex", UInt64(value.value.duplex))
    answer.add(detail: "max_rx_descriptors", UInt64(value.value.max_rx_descriptors))
    answer.add(detail: "max_tx_descriptors", UInt64(value.value.max_tx_descriptors))
    answer.add(detail: "rx_offloads", UInt64(value.value.rx_offloads))
    answer.add(detail: "tx_offloads", UInt64(value.value.tx_offloads))
    answer.add(detail: "start_microseconds", UInt64(value.value.start_microseconds))
  }

  /// A line for each value of each pool: "pool NUMBER KEY VALUE".
  // Safety: the call fills a struct of ours, whose size says how much of it.
  @inline(never)
  static func pools(_ answer: inout Answer) {
    for number in 1...UInt16(VIONET_MAX_POOLS) {
      var pool = vionet_pool_info()
      pool.size = MemoryLayout<vionet_pool_info>.size
      if unsafe vionet_pool_info(number, &pool) != 0 { continue }
      answer.add(pool: number, "packets", UInt64(pool.packets))
      answer.add(pool: number, "available", UInt64(pool.available))
      answer.add(pool: number, "data_size", UInt64(pool.data_size))
      answer.add(pool: number, "private_size", UInt64(pool.private_size))
      answer.add(pool: number, "hugepages", UInt64(pool.hugepages))
      answer.add(pool: number, "memory", pool.memory)
      answer.add(pool: number, "attached", UInt64(pool.attached))
      answer.add(pool: number, "refused", pool.refused)
    }
  }
}

extension Answer {
  @inline(never)
  fileprivate mutating func add(detail key: StaticString, _ value: UInt64) {
    add(key)
    add(" ")
    add(number: value)
    add("\n")
  }

  @inline(never)
  fileprivate mutating func add(pool number: UInt16, _ key: StaticString, _ value: UInt64) {
    add("pool ")
    add(number: number)
    add(" ")
    add(detail: key, value)
  }
}
