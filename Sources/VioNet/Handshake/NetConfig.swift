// SPDX-License-Identifier: BSD-2-Clause
//
// The configuration space of a network device (virtio 1.4, 5.1.4). A field is read only if its feature is offered, and used
// only if its value is valid.

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
  /// The smallest MTU that a device may offer (virtio 1.4, 5.1.4.1).
  static let smallestMTU: UInt16 = 68

  /// Removes features whose whole use is a field that lies beyond the `length` bytes that can be read.
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
  /// The address in the configuration space; all zero without MAC.
  private(set) var deviceAddress = MACAddress((0, 0, 0, 0, 0, 0))
  /// True if neither the device nor the user gave an address.
  var addressIsRandom = false
  private var randomAddress = MACAddress((0, 0, 0, 0, 0, 0))
  var linkUp = true
  /// Mbit/s; 0: neither the device nor the user said.
  private(set) var speed: UInt32 = 0
  private(set) var duplex = VIONET_DUPLEX_UNKNOWN
  var mtu: UInt16 = 0
  /// The device's MTU, else what receive buffers hold.
  var largestMTU: UInt16 = 0
  /// Buffers in each receive entry: several if frames need more than one and the device does not merge.
  var buffers = 1
  /// Queue pairs of the device, up to 0x8000.
  var pairs: UInt16 = 1

  /// The device's MTU if it is valid and such a frame fits into `room` bytes; nil otherwise.
  static func usableMTU(_ bus: Bus, room: Int) throws(Failure) -> UInt16? {
    let mtu = try number(bus, mtuOffset)
    let fits = Int(mtu) + frameOverhead <= room
    if mtu >= smallestMTU && fits { return mtu }
    if Log.wanted(.info) {
      Log.line("device MTU").number(mtu).text("not used: below 68 or above the buffers").send(.info)
    }
    return nil
  }

  /// Bytes of the longest frame that a device joins from several (virtio 1.4, 5.1.6.3.1), without its virtio-net header.
  static let longestJoined = 65550

  /// Queue pairs of a device with MQ (virtio 1.4, 5.1.4); 1 if the field is invalid.
  static func pairs(_ bus: Bus) throws(Failure) -> UInt16 {
    let pairs = try number(bus, pairsOffset)
    return pairs < 1 || pairs > 0x8000 ? 1 : pairs
  }

  private(set) var hashing = HashLimits()

  /// Reads what the device can hash. Removes the features of a device that can do less than it must (virtio 1.4, 5.1.4.1).
  // Safety: each read is as long as the field that it fills.
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

  /// Bytes of an Ethernet header.
  static let frameHeader: UInt32 = 14
  /// Bytes of an Ethernet header with one VLAN tag.
  static let frameOverhead = 18

  /// Reads the fields of the negotiated features, unless the user's options come first.
  // Safety: the read fills the six bytes of an address.
  mutating func read(_ bus: Bus, _ features: FeatureSet, _ options: PortOptions) throws(Failure) {
    var given = MACAddress((0, 0, 0, 0, 0, 0))
    if features.has(VIRTIO_NET_F_MAC) { try unsafe bus.readConfig(NetConfig.addressOffset, &given.bytes, 6) }
    deviceAddress = given
    // Without the feature the link counts as up (5.1.4.2).
    linkUp = true
    if features.has(VIRTIO_NET_F_STATUS) {
      linkUp = try NetConfig.status(bus) & UInt16(VIRTIO_NET_S_LINK_UP) != 0
    }
    try readSpeed(bus, features, requested: options.speed)
    if let requested = options.address { given = requested }
    // Without a unicast address the port gets a random one, and keeps it for as long as it lives.
    addressIsRandom = !given.isUsable
    if addressIsRandom && !randomAddress.isUsable { randomAddress = MACAddress.random() }
    address = addressIsRandom ? randomAddress : given
  }

  /// Reads speed and duplex, which may change whenever the device's configuration does. `requested` is the user's own speed, 0 for none.
  // Safety: each read is as long as the field that it fills.
  mutating func readSpeed(_ bus: Bus, _ features: FeatureSet, requested: UInt32) throws(Failure) {
    speed = requested
    duplex = requested == 0 ? VIONET_DUPLEX_UNKNOWN : VIONET_DUPLEX_FULL
    if requested != 0 || !features.has(VIRTIO_NET_F_SPEED_DUPLEX) { return }
    var said: (speed: UInt32, duplex: UInt8) = (0, 0)
    try unsafe bus.readConfig(NetConfig.speedOffset, &said.speed, 4)
    try unsafe bus.readConfig(NetConfig.duplexOffset, &said.duplex, 1)
    // All ones means unknown, and so does any other value that the specification does not define (5.1.4).
    let number = UInt32(littleEndian: said.speed)
    speed = number > 0x7fff_ffff ? 0 : number
    duplex = said.duplex == 0 ? VIONET_DUPLEX_HALF : said.duplex == 1 ? VIONET_DUPLEX_FULL : VIONET_DUPLEX_UNKNOWN
  }

  /// The status field of a device with STATUS: link up, and a request to announce the address.
  static func status(_ bus: Bus) throws(Failure) -> UInt16 { try number(bus, statusOffset) }

  /// A 16-bit little-endian field.
  // Safety: the read fills the two bytes of `field`.
  private static func number(_ bus: Bus, _ offset: Int) throws(Failure) -> UInt16 {
    var field: UInt16 = 0
    try unsafe bus.readConfig(offset, &field, 2)
    return UInt16(littleEndian: field)
  }
}

/// What a device with RSS or HASH_REPORT can do (virtio 1.4, 5.1.4).
struct HashLimits {
  /// Bytes of the longest key.
  var key: UInt8 = 0
  /// Entries of the longest table.
  var table: UInt16 = 0
  /// Bits of enum vionet_hash.
  var types: UInt32 = 0

  static let knownTypes: UInt32 = 0x1ff

  /// Bytes of the longest command with a table and a key of these sizes.
  static func commandBytes(table: Int, key: Int) -> Int { 16 + 2 * table + key }
}
