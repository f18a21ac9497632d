// SPDX-License-Identifier: BSD-2-Clause
//
// How a device is initialised, in the order of virtio 1.4, 3.1.1: reset, ACKNOWLEDGE, DRIVER, features, FEATURES_OK and its
// confirmation, and at the end DRIVER_OK. Status bits are only added. After an error FAILED is added, and the next attempt
// begins with a reset.

import CLinux
import CVionet
import Linux
import Virtio

/// What one entry of a receive ring may hold.
struct ReceiveRoom {
  /// Bytes of one buffer.
  let bytes: Int
  /// Buffers that one entry may take if the device does not merge buffers: as many as the pool has for every entry.
  let mostBuffers: Int

  /// Buffers of one packet, a few less than VIONET_MAX_SEGMENTS.
  static let mostSegments = 60
}

enum Negotiation {
  /// Bytes of the virtio-net header (virtio 1.4, 5.1.9): 24 with tunnels, 20 with a hash, else 12, but 10 without VERSION_1
  /// and merged buffers.
  static func headerSize(_ features: FeatureSet) -> Int {
    if features.has(above: HigherFeature.tunnels) { return NetHeaderLayout.bytesWithTunnel }
    if features.has(Feature.hashReport) { return NetHeaderLayout.bytesWithHash }
    return features.has(Feature.version1 | Feature.mergeable)
      ? NetHeaderLayout.bytes : NetHeaderLayout.legacyBytes
  }

  /// Steps 1 to 6. Returns the features in use and fills `config`. `room` is what a receive entry may hold.
  static func agree(
    _ bus: Bus, _ options: PortOptions, room: ReceiveRoom, _ config: inout NetConfig
  ) throws(Failure) -> FeatureSet {
    try bus.reset()
    try add(DeviceStatus.acknowledge, bus)
    try add(DeviceStatus.driver, bus)
    let features = try choose(bus, options, room: room, &config)
    try bus.accept(features.bits, above: features.above)
    if bus.traits.isLegacy {
      try config.read(bus, features, options)
      return features
    }
    try add(DeviceStatus.featuresOK, bus)
    if try bus.status() & DeviceStatus.featuresOK == 0 {  // tested by abi-negotiation
      throw Failure(EINVAL, "the device refused the features ").hex(features.bits).text(" that it had offered")
    }
    try config.read(bus, features, options)
    return features
  }

  /// Step 8: from here on the device may use its queues.
  static func finish(_ bus: Bus) throws(Failure) {
    try add(DeviceStatus.driverOK, bus)
    if try bus.status() & DeviceStatus.needsReset != 0 {
      throw Failure(EIO, "the device asks for a reset right after DRIVER_OK")
    }
  }

  /// Tells the device that the driver gave up. A failure of this is ignored, since the next attempt resets the device.
  static func fail(_ bus: Bus) {
    Failure.quietly { () throws(Failure) in try bus.setStatus(try bus.status() | DeviceStatus.failed) }
  }

  /// The features to accept: offered and requested, without those that the user forbids or the device cannot keep.
  private static func choose(
    _ bus: Bus, _ options: PortOptions, room: ReceiveRoom, _ config: inout NetConfig
  ) throws(Failure) -> FeatureSet {
    bus.readOffered()
    let offered = bus.traits.offered
    let required = bus.traits.isLegacy ? Features.requiredOfLegacy : Features.required
    let missing = required & ~offered
    if missing != 0 {
      throw Failure(ENOTSUP, "the device does not offer ").plain(Features.firstName(missing))
        .text(", which is required; it offers ").hex(offered)
    }
    if offered & options.featuresOff & Features.requiredWhenOffered != 0 && bus.traits.isWholeDevice {
      throw Failure(EINVAL, "features_off: VIRTIO_F_ACCESS_PLATFORM is required of a device that offers it")
    }
    var features = FeatureSet(
      offered & (requested(bus, options) & ~options.featuresOff | required),
      above: bus.traits.offeredAbove & requestedAbove(options))
    if !bus.traits.resetsQueues { features.remove(Feature.ringReset) }
    if !bus.traits.carriesNotificationData { features.remove(Feature.notificationData) }
    if !bus.traits.givesNotificationNumbers { features.remove(Feature.notificationNumber) }
    NetConfig.dropUnreadable(&features, bus.traits.configLength, tellsPairs: bus.traits.maximumQueuePairs > 1)
    config.mtu = UInt16(clamping: room.bytes - NetConfig.frameOverhead)
    if features.has(Feature.mtu) {
      if let mtu = try NetConfig.usableMTU(bus, room: room.bytes * mostBuffers(features, room)) {
        config.mtu = mtu
      } else {
        // Accepting it would bind the driver to receive packets of that size (5.1.4.2).
        features.remove(Feature.mtu)
      }
    }
    try config.readHashing(bus, &features)
    // A back-end learns of each ring from its front-end, so that several pairs need no control queue there.
    let hasPairs = features.has(Feature.multiqueue)
    Features.dropDependent(&features)
    decideMerging(&features, options, room, &config)
    config.largestMTU = config.mtu
    if !features.has(Feature.mtu) {
      let buffers = features.has(Feature.mergeable) ? ReceiveRoom.mostSegments : config.buffers
      config.largestMTU = UInt16(clamping: room.bytes * buffers - NetConfig.frameOverhead)
    }
    if hasPairs && !bus.traits.isWholeDevice { features.bits |= Feature.multiqueue }
    config.pairs = bus.traits.maximumQueuePairs
    // The field can be read as soon as the feature is offered (virtio 1.4, 2.5).
    let offers = FeatureSet(offered)
    let hasMany = offers.has(Feature.multiqueue) || offers.has(Feature.rss)
    config.pairsBeforeControl = config.pairs
    if hasMany && offers.has(Feature.controlQueue) && bus.traits.configLength >= ConfigLayout.pairs + 2 {
      config.pairsBeforeControl = try NetConfig.pairs(bus)
      if bus.traits.isWholeDevice { config.pairs = config.pairsBeforeControl }
    }
    return features
  }

  /// The features that this port asks for.
  private static func requested(_ bus: Bus, _ options: PortOptions) -> UInt64 {
    var wanted = Features.wanted
    if bus.traits.isWholeDevice { wanted |= Features.platformFeatures }
    if !options.hasEventIndex { wanted &= ~Feature.eventIndex }
    if options.inOrder != .off { wanted |= Feature.inOrder }
    // A PCI device offers packed rings because they suit it; back-ends in software all offer them.
    if options.packed == .on || options.packed == .best && bus.traits.prefersPackedRings {
      wanted |= Feature.packed
    }
    if options.mergeable != .off { wanted |= Feature.mergeable }
    let joining = VIONET_RX_LRO.rawValue | VIONET_RX_TUNNEL.rawValue
    if options.receiveOffloads & (VIONET_RX_CHECKSUM.rawValue | joining) != 0 { wanted |= Features.receiveChecksum }
    if options.receiveOffloads & joining != 0 { wanted |= Features.receiveSegments }
    if options.queuePairs > 1 { wanted |= Feature.multiqueue }
    if options.control == .on || options.control == .best && bus.traits.isWholeDevice {
      wanted |= Features.controlFeatures
    }
    if options.receives(VIONET_RX_VLAN_FILTER) { wanted |= Feature.controlVLAN }
    if options.receives(VIONET_RX_RSS) { wanted |= Feature.rss }
    if options.receives(VIONET_RX_HASH) { wanted |= Feature.hashReport }
    return wanted
  }

  /// The features above bit 63 that this port asks for. With them each header is longer, so that only a port that wants
  /// tunnels has it.
  private static func requestedAbove(_ options: PortOptions) -> UInt64 {
    (options.receives(VIONET_RX_TUNNEL) ? HigherFeature.guest : 0) | (options.sendsTunnels ? HigherFeature.host : 0)
  }

  /// Decides between merged buffers and several buffers in each entry. Merged buffers cost a look at every header, so they are
  /// for frames that one buffer does not hold, or for a user who asks. Without them an entry has several buffers, if the pool
  /// has enough.
  private static func decideMerging(
    _ features: inout FeatureSet, _ options: PortOptions, _ room: ReceiveRoom, _ config: inout NetConfig
  ) {
    func buffers(_ frame: Int) -> Int { (frame + room.bytes - 1) / room.bytes }
    config.buffers = 1
    let most = mostBuffers(features, room)
    let forOne = buffers(Int(config.mtu) + NetConfig.frameOverhead)
    let joins = features.bits & Features.receiveSegments != 0
    if options.mergeable == .best && !joins && forOne == 1 { features.remove(Feature.mergeable) }
    if features.has(Feature.mergeable) { return }
    config.buffers = joins ? max(forOne, buffers(NetConfig.longestJoined)) : forOne
    if config.buffers <= most { return }
    features.bits &= ~Features.receiveSegments
    features.above = HigherFeature.closed(features.above, with: features.bits)
    config.buffers = forOne
  }

  /// Buffers that one frame may lie in.
  private static func mostBuffers(_ features: FeatureSet, _ room: ReceiveRoom) -> Int {
    if features.has(Feature.mergeable) { return ReceiveRoom.mostSegments }
    return features.has(Feature.indirect) ? room.mostBuffers : 1
  }

  private static func add(_ bit: UInt8, _ bus: Bus) throws(Failure) {
    try bus.setStatus(try bus.status() | bit)
  }
}
