// SPDX-License-Identifier: BSD-2-Clause
//
// A virtio-net device that this process serves on a vhost-user socket, and its counters.

import CVionet

struct ServedDevice {
  let path: String
  let wire: String
  private let number: UInt16

  /// Whether a text begins as wires do. Paths may, too, but their wires then do not begin as paths.
  static func isWire(_ text: String) -> Bool {
    ["loopback", "generate", "sink", "tap", "pcap", "pipe"].contains(String(text.prefix { $0 != "=" && $0 != "," }))
  }

  init(path: String, wire: String) throws {
    var number: UInt16 = 0
    try Library.check(unsafe vionet_soft_serve(path, wire, &number))
    self.path = path
    self.wire = wire
    self.number = number
  }

  func counts() throws -> DeviceCounts {
    var stats = vionet_soft_stats()
    stats.size = MemoryLayout<vionet_soft_stats>.size
    try Library.check(unsafe vionet_soft_stats(number, &stats))
    return DeviceCounts(path: path, wire: wire, stats)
  }

  func stop() { vionet_soft_stop(number) }
}

struct DeviceCounts {
  let path: String
  let wire: String
  let toDriver: UInt64
  let fromDriver: UInt64
  let toDriverDrops: UInt64
  let fromDriverDrops: UInt64
  let connections: UInt64
  /// Sessions that the device ended, and why the last of them; why the wire carries nothing.
  let faults: UInt64
  let fault: String
  let reason: String

  init(path: String, wire: String, _ stats: vionet_soft_stats) {
    self.path = path
    self.wire = wire
    toDriver = stats.to_driver
    fromDriver = stats.from_driver
    toDriverDrops = stats.to_driver_drops
    fromDriverDrops = stats.from_driver_drops
    connections = stats.connections
    faults = stats.faults
    fault = Library.text(stats.fault)
    reason = Library.text(stats.reason)
  }
}
