// SPDX-License-Identifier: BSD-2-Clause
//
// What the config space of a net device says (virtio 1.4, 5.1.4), read only for features that are offered, and
// believed only as far as it makes sense.

import CLinux
import CVionet
import Linux

struct NetConfig {
  /// Field offsets of struct virtio_net_config.
  static let addressOffset = 0
  private static let statusOffset = 6
  private static let pairsOffset = 8
  private static let mtuOffset = 10
  private static let speedOffset = 12
  private static let duplexOffset = 16
  private static let keyOffset = 17
  private static let tableOffset = 18
  private static let hashTypesOffset = 20
  /// 5.1.4.1: what a device must at least carry.
  static let smallestMTU: UInt16 = 68

  /// Features whose whole use is a field are not accepted where that field cannot be read.
  static func dropUnreadable(_ features: inout FeatureSet, _ length: Int) {
    if length < addressOffset + 6 { features.remove(VIRTIO_NET_F_MAC) }
    if length < statusOffset + 2 { features.remove(VIRTIO_NET_F_STATUS) }
    if length < pairsOffset + 2 { features.remove(VIRTIO_NET_F_MQ) }
    if length < mtuOffset + 2 { features.remove(VIRTIO_NET_F_MTU) }
    if length < duplexOffset + 1 { features.remove(VIRTIO_NET_F_SPEED_DUPLEX) }
    if length < hashTypesOffset + 4 {
      features.remove(VIRTIO_NET_F_RSS)
      features.remove(VIRTIO_NET_F_HASH_REPORT)
    }
  }

  var address = MACAddress((0, 0, 0, 0, 0, 0))
  /// What the device says; all zero without MAC.
  private(set) var deviceAddress = MACAddress((0, 0, 0, 0, 0, 0))
  /// Neither the device nor the user gave an address.
  var addressIsRandom = false
  private var randomAddress = MACAddress((0, 0, 0, 0, 0, 0))
  var linkUp = true
  /// Mbit/s; 0: the device does not say, nor did the user.
  private(set) var speed: UInt32 = 0
  private(set) var duplex = VIONET_DUPLEX_UNKNOWN
  var mtu: UInt16 = 0
  /// What the device gives, else what receive buffers hold.
  var largestMTU: UInt16 = 0
  /// Buffers that a receive entry takes: several for frames that one does not hold and the device does not merge.
  var buffers = 1
  /// Queue pairs the device has; up to 0x8000.
  var pairs: UInt16 = 1

  /// The device's MTU if it offers one that makes sense and fits into a buffer of `room` bytes; nil otherwise.
  static func usableMTU(_ bus: Bus, room: Int) throws(Failure) -> UInt16? {
    let mtu = try number(bus, mtuOffset)
    let fits = Int(mtu) + frameOverhead <= room
    if mtu >= smallestMTU && fits { return mtu }
    if Log.wanted(.info) {
      Log.line("device MTU").number(mtu).text("not used: below 68 or above the buffers").send(.info)
    }
    return nil
  }

  /// Bytes of the longest frame that a device makes of several (5.1.6.3.1), without its header.
  static let longestJoined = 65550

  /// Pairs of queues that a device with MQ has (5.1.4); 1 where that makes no sense.
  static func pairs(_ bus: Bus) throws(Failure) -> UInt16 {
    let pairs = try number(bus, pairsOffset)
    return pairs < 1 || pairs > 0x8000 ? 1 : pairs
  }

  private(set) var hashing = HashLimits()

  /// Reads what the device can hash with, and gives up the features of one that can less than it must (5.1.4.1).
  mutating func readHashing(_ bus: Bus, _ features: inout FeatureSet) throws(Failure) {
    if !features.has(VIRTIO_NET_F_RSS) && !features.has(VIRTIO_NET_F_HASH_REPORT) { return }
    var types: UInt32 = 0
    try unsafe bus.readConfig(NetConfig.keyOffset, &hashing.key, 1)
    try unsafe bus.readConfig(NetConfig.hashTypesOffset, &types, 4)
    hashing.table = try NetConfig.number(bus, NetConfig.tableOffset)
    hashing.types = UInt32(littleEndian: types) & HashLimits.knownTypes
    let canHash = hashing.key >= 40 && hashing.types != 0
    if !canHash { features.remove(VIRTIO_NET_F_HASH_REPORT) }
    if !canHash || hashing.table < 128 { features.remove(VIRTIO_NET_F_RSS) }
    if Log.wanted(.info) {
      Log.line("hashing: key of").number(hashing.key).text("table of").number(hashing.table).text("types")
        .hex(hashing.types).text(canHash ? "" : "not used: the specification wants more").send(.info)
    }
  }

  static let frameHeader: UInt32 = 14
  /// Ethernet header and one VLAN tag.
  static let frameOverhead = 18

  /// Reads what the negotiated features promise, where the user has not said otherwise.
  mutating func read(_ bus: Bus, _ features: FeatureSet, _ options: PortOptions) throws(Failure) {
    var given = MACAddress((0, 0, 0, 0, 0, 0))
    if features.has(VIRTIO_NET_F_MAC) { try unsafe bus.readConfig(NetConfig.addressOffset, &given.bytes, 6) }
    deviceAddress = given
    // Without the feature the link is believed to be up (5.1.4.2).
    linkUp = true
    if features.has(VIRTIO_NET_F_STATUS) {
      linkUp = try NetConfig.status(bus) & UInt16(VIRTIO_NET_S_LINK_UP) != 0
    }
    try readSpeed(bus, features, requested: options.speed)
    if let wish = options.address { given = wish }
    // No address, or one that no station can have (a group's, all zero): a random one, for as long as the port lives.
    addressIsRandom = !given.isUsable
    if addressIsRandom && !randomAddress.isUsable { randomAddress = MACAddress.random() }
    address = addressIsRandom ? randomAddress : given
  }

  /// May change whenever the device says that its configuration did. `requested` is the user's own speed, 0 for none.
  mutating func readSpeed(_ bus: Bus, _ features: FeatureSet, requested: UInt32) throws(Failure) {
    speed = requested
    duplex = requested == 0 ? VIONET_DUPLEX_UNKNOWN : VIONET_DUPLEX_FULL
    if requested != 0 || !features.has(VIRTIO_NET_F_SPEED_DUPLEX) { return }
    var said: (speed: UInt32, duplex: UInt8) = (0, 0)
    try unsafe bus.readConfig(NetConfig.speedOffset, &said.speed, 4)
    try unsafe bus.readConfig(NetConfig.duplexOffset, &said.duplex, 1)
    // "Unknown" is all ones; other values of which the specification knows nothing are no better (5.1.4).
    let number = UInt32(littleEndian: said.speed)
    speed = number > 0x7fff_ffff ? 0 : number
    duplex = said.duplex == 0 ? VIONET_DUPLEX_HALF : said.duplex == 1 ? VIONET_DUPLEX_FULL : VIONET_DUPLEX_UNKNOWN
  }

  /// The link and the wish that we announce ourselves, for a device with STATUS.
  static func status(_ bus: Bus) throws(Failure) -> UInt16 { try number(bus, statusOffset) }

  /// A 16-bit little-endian field.
  private static func number(_ bus: Bus, _ offset: Int) throws(Failure) -> UInt16 {
    var field: UInt16 = 0
    try unsafe bus.readConfig(offset, &field, 2)
    return UInt16(littleEndian: field)
  }
}

/// What a device with RSS or HASH_REPORT can do (5.1.4).
struct HashLimits {
  /// Bytes of the longest key, entries of the longest table.
  var key: UInt8 = 0
  var table: UInt16 = 0
  var types: UInt32 = 0

  static let knownTypes: UInt32 = 0x1ff

  /// What a command with all of it takes at most.
  static func commandBytes(table: Int, key: Int) -> Int { 16 + 2 * table + key }
}
