// SPDX-License-Identifier: BSD-2-Clause
//
// The start of a device's life, in the order of virtio 1.4, 3.1.1: reset, ACKNOWLEDGE, DRIVER, features, FEATURES_OK
// and its confirmation, and at the end DRIVER_OK. Status bits only ever accumulate; on an error FAILED is added, and
// the next attempt begins with a reset.

import CLinux
import CVionet
import Linux

/// Bits of the device status, 2.1.
enum DeviceStatus {
  static let acknowledge: UInt8 = 1
  static let driver: UInt8 = 2
  static let driverOK: UInt8 = 4
  static let featuresOK: UInt8 = 8
  static let needsReset: UInt8 = 64
  static let failed: UInt8 = 128
}

enum Negotiation {
  /// Bytes of the virtio-net header (5.1.9): 12, but 10 before VERSION_1 unless buffers are merged.
  static func headerSize(_ features: FeatureSet) -> Int { features.has(VIRTIO_F_VERSION_1) ? 12 : 10 }

  /// Steps 1 to 6. Returns the features in use and fills `config`; `room` is what one receive buffer holds.
  static func agree(
    _ bus: Bus, _ options: PortOptions, room: UInt32, _ config: inout NetConfig
  ) throws(Failure) -> FeatureSet {
    try step("reset") { () throws(Failure) in try bus.reset() }
    try add(DeviceStatus.acknowledge, bus)
    try add(DeviceStatus.driver, bus)
    let features = try choose(bus, options, room: room, &config)
    try step("features", features.bits) { () throws(Failure) in try bus.accept(features.bits) }
    if bus.isLegacy {
      try config.read(bus, features, wish: options.address)
      return features
    }
    try add(DeviceStatus.featuresOK, bus)
    if try bus.status() & DeviceStatus.featuresOK == 0 {
      throw Failure(EINVAL, "the device refused the features ").hex(features.bits).text(" that it had offered")
    }
    try config.read(bus, features, wish: options.address)
    return features
  }

  /// Step 8: the device may use its queues from here on.
  static func finish(_ bus: Bus) throws(Failure) {
    try add(DeviceStatus.driverOK, bus)
    if try bus.status() & DeviceStatus.needsReset != 0 {
      throw Failure(EIO, "the device asks for a reset right after DRIVER_OK")
    }
  }

  /// Tells the device that its driver gave up; that this fails too is of no interest.
  static func fail(_ bus: Bus) {
    Failure.quietly { () throws(Failure) in try bus.setStatus(try bus.status() | DeviceStatus.failed) }
  }

  /// Offered and wanted, less what the user forbids and what this device cannot back up.
  private static func choose(
    _ bus: Bus, _ options: PortOptions, room: UInt32, _ config: inout NetConfig
  ) throws(Failure) -> FeatureSet {
    let offered = bus.offered
    let required = bus.isLegacy ? Features.requiredOfLegacy : Features.required
    let missing = required & ~offered
    if missing != 0 {
      throw Failure(ENOTSUP, "the device does not offer ").plain(Features.firstName(missing))
        .text(", which is required; it offers ").hex(offered)
    }
    let wanted = Features.wanted | (bus.isPCI ? Features.wantedOnPCI : 0)
    var features = FeatureSet(offered & (wanted & ~options.featuresOff | required))
    NetConfig.dropUnreadable(&features, bus.configLength)
    config.mtu = UInt16(clamping: room - NetConfig.frameOverhead)
    if features.has(VIRTIO_NET_F_MTU) {
      if let mtu = try NetConfig.usableMTU(bus, room: room) {
        config.mtu = mtu
      } else {
        // Accepted it would bind us to receive packets of that size (5.1.4.2).
        features.remove(VIRTIO_NET_F_MTU)
      }
    }
    return features
  }

  private static func add(_ bit: UInt8, _ bus: Bus) throws(Failure) {
    let status = try bus.status() | bit
    try step("status", UInt64(status)) { () throws(Failure) in try bus.setStatus(status) }
  }

  private static func step(
    _ name: StaticString, _ value: UInt64 = 0, _ body: () throws(Failure) -> Void
  ) throws(Failure) {
    if Log.wanted(.debug) { Log.line("init:").text(name).hex(value).send(.debug) }
    try body()
  }
}
