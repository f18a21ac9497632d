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
  /// Bytes of the virtio-net header (5.1.9): 12, but 10 before VERSION_1 unless buffers are merged, and 20 with a hash.
  static func headerSize(_ features: FeatureSet) -> Int {
    if features.has(VIRTIO_NET_F_HASH_REPORT) { return 20 }
    return features.has(VIRTIO_F_VERSION_1) || features.has(VIRTIO_NET_F_MRG_RXBUF) ? 12 : 10
  }

  /// Steps 1 to 6. Returns the features in use and fills `config`; `room` is what one receive buffer holds.
  static func agree(
    _ bus: Bus, _ options: PortOptions, room: UInt32, _ config: inout NetConfig
  ) throws(Failure) -> FeatureSet {
    try bus.reset()
    try add(DeviceStatus.acknowledge, bus)
    try add(DeviceStatus.driver, bus)
    let features = try choose(bus, options, room: room, &config)
    try bus.accept(features.bits, above: features.above)
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
    bus.readOffered()
    let offered = bus.offered
    let required = bus.isLegacy ? Features.requiredOfLegacy : Features.required
    let missing = required & ~offered
    if missing != 0 {
      throw Failure(ENOTSUP, "the device does not offer ").plain(Features.firstName(missing))
        .text(", which is required; it offers ").hex(offered)
    }
    if offered & options.featuresOff & Features.requiredWhenOffered != 0 && bus.isDevice {
      throw Failure(EINVAL, "features_off: VIRTIO_F_ACCESS_PLATFORM is required of a device that offers it")
    }
    var features = FeatureSet(
      offered & (wishes(bus, options) & ~options.featuresOff | required),
      above: bus.offeredAbove & Features.wantedAbove)
    if !bus.resetsQueues { features.remove(VIRTIO_F_RING_RESET) }
    if !bus.takesNotificationData { features.remove(VIRTIO_F_NOTIFICATION_DATA) }
    NetConfig.dropUnreadable(&features, bus.configLength)
    config.mtu = UInt16(clamping: room - NetConfig.frameOverhead)
    var isLarge = false
    if features.has(VIRTIO_NET_F_MTU) {
      let mayMerge = options.mergeable != .off && FeatureSet(offered).has(VIRTIO_NET_F_MRG_RXBUF)
      let limit = mayMerge ? min(NetConfig.largestMerged, room * 60) : room
      if let mtu = try NetConfig.usableMTU(bus, room: limit) {
        config.mtu = mtu
        isLarge = UInt32(mtu) + NetConfig.frameOverhead > room
      } else {
        // Accepted it would bind us to receive packets of that size (5.1.4.2).
        features.remove(VIRTIO_NET_F_MTU)
      }
    }
    try config.readHashing(bus, &features)
    // Back-ends are told of each ring by the front-end: there, several pairs need no control queue.
    let hasPairs = features.has(VIRTIO_NET_F_MQ)
    Features.dropOrphans(&features)
    settleMerging(&features, options, isLarge: isLarge, room: room)
    config.largestMTU = config.mtu
    if features.has(VIRTIO_NET_F_MRG_RXBUF) && !features.has(VIRTIO_NET_F_MTU) {
      config.largestMTU = UInt16(clamping: room * 60 - NetConfig.frameOverhead)
    }
    if hasPairs && !bus.isDevice { features.bits |= 1 << UInt64(VIRTIO_NET_F_MQ) }
    config.pairs = bus.maximumQueuePairs
    // The field can be read as soon as the feature is offered (2.5).
    let may = FeatureSet(offered)
    let hasMany = may.has(VIRTIO_NET_F_MQ) || may.has(VIRTIO_NET_F_RSS)
    if bus.isDevice && hasMany && may.has(VIRTIO_NET_F_CTRL_VQ) && bus.configLength >= 10 {
      config.pairs = try NetConfig.pairs(bus)
    }
    return features
  }

  /// What this port would like, of what the user allows.
  private static func wishes(_ bus: Bus, _ options: PortOptions) -> UInt64 {
    var wanted = Features.wanted
    if bus.isDevice { wanted |= Features.wantedOfDevices }
    if options.inOrder != .off { wanted |= 1 << UInt64(VIRTIO_F_IN_ORDER) }
    // Who makes a PCI device offers packed rings on purpose; back-ends in software all do.
    if options.packed == .on || options.packed == .best && bus.isPCI { wanted |= 1 << UInt64(VIRTIO_F_RING_PACKED) }
    if options.mergeable != .off { wanted |= 1 << UInt64(VIRTIO_NET_F_MRG_RXBUF) }
    if options.receives(VIONET_RX_CHECKSUM) || options.receives(VIONET_RX_LRO) { wanted |= Features.receiveChecksum }
    if options.receives(VIONET_RX_LRO) { wanted |= Features.receiveSegments }
    if options.queuePairs > 1 { wanted |= 1 << UInt64(VIRTIO_NET_F_MQ) }
    if bus.isDevice || options.control == .on { wanted |= Features.wantedControl }
    if options.receives(VIONET_RX_VLAN_FILTER) { wanted |= 1 << UInt64(VIRTIO_NET_F_CTRL_VLAN) }
    if options.receives(VIONET_RX_RSS) { wanted |= 1 << UInt64(VIRTIO_NET_F_RSS) }
    if options.receives(VIONET_RX_HASH) { wanted |= 1 << UInt64(VIRTIO_NET_F_HASH_REPORT) }
    return wanted
  }

  /// Merged buffers cost a look at every header: they are for frames that one buffer does not hold, or for who asks.
  private static func settleMerging(_ features: inout FeatureSet, _ options: PortOptions, isLarge: Bool, room: UInt32) {
    let joins = features.bits & Features.receiveSegments != 0
    if options.mergeable == .best && !joins && !isLarge { features.remove(VIRTIO_NET_F_MRG_RXBUF) }
    // Joined packets take buffers of 64 KiB, or several (5.1.9.3.1).
    if !features.has(VIRTIO_NET_F_MRG_RXBUF) && room < 65562 { features.bits &= ~Features.receiveSegments }
  }

  private static func add(_ bit: UInt8, _ bus: Bus) throws(Failure) {
    try bus.setStatus(try bus.status() | bit)
  }
}
