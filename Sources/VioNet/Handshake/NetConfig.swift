// SPDX-License-Identifier: BSD-2-Clause
//
// The configuration space of a network device (virtio 1.4, 5.1.4). A field is read only if its feature is offered, and used
// only if its value is valid.

import CLinux
import CVionet
import Linux
import Virtio

struct NetConfig {
  /// Removes features whose whole use is a field that lies beyond the `length` bytes that can be read.
  /// A back-end tells how many pairs it has by a message (`tellsPairs`).
  static func dropUnreadable(_ features: inout FeatureSet, _ length: Int, tellsPairs: Bool) {
    if length < ConfigLayout.mac + 6 { features.remove(Feature.mac) }  // tested by abi-negotiation
    if length < ConfigLayout.status + 2 { features.remove(Feature.status) }
    if length < ConfigLayout.pairs + 2 && !tellsPairs { features.remove(Feature.multiqueue) }
    if length < ConfigLayout.mtu + 2 { features.remove(Feature.mtu) }
    if length < ConfigLayout.duplex + 1 { features.remove(Feature.speedDuplex) }
    if length < ConfigLayout.hashTypes + 4 {
      features.remove(Feature.rss)
      features.remove(Feature.hashReport)
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
  /// Pairs by which the control queue's place is counted (virtio 1.4, 5.1.2): those of the configuration, where that can be
  /// read. A back-end may use fewer or more.
  var pairsBeforeControl: UInt16 = 1

  /// The device's MTU if it is valid and such a frame fits into `room` bytes; nil otherwise.
  static func usableMTU(_ bus: Bus, room: Int) throws(Failure) -> UInt16? {
    let mtu = try number(bus, ConfigLayout.mtu)
    let fits = Int(mtu) + frameOverhead <= room
    if mtu >= ConfigLimit.smallestMTU && fits { return mtu }  // tested by abi-dropped-packets
    if Log.wanted(.info) {
      Log.line("device MTU").number(mtu).text("not used: below 68 or above the buffers").send(.info)
    }
    return nil
  }

  /// Bytes of the longest frame that a device joins from several (virtio 1.4, 5.1.6.3.1), without its virtio-net header.
  static let longestJoined = 65550

  /// Queue pairs of a device with MQ (virtio 1.4, 5.1.4); 1 if the field is invalid.
  static func pairs(_ bus: Bus) throws(Failure) -> UInt16 {
    let pairs = try number(bus, ConfigLayout.pairs)
    if pairs < 1 || pairs > ConfigLimit.mostPairs { return 1 }  // tested by abi-queue-numbers
    return pairs
  }

  private(set) var hashing = HashLimits()

  /// Reads what the device can hash. Removes the features of a device that can do less than it must (virtio 1.4, 5.1.4.1).
  // Safety: each read is as long as the field that it fills.
  mutating func readHashing(_ bus: Bus, _ features: inout FeatureSet) throws(Failure) {
    if !features.has(Feature.rss) && !features.has(Feature.hashReport) { return }
    var types: UInt32 = 0
    try unsafe bus.readConfig(ConfigLayout.hashKeyLength, &hashing.key, 1)
    try unsafe bus.readConfig(ConfigLayout.hashTypes, &types, 4)
    // The field is there with RSS only, and no other may be read (virtio 1.4, 2.5.1).
    hashing.table = features.has(Feature.rss) ? try NetConfig.number(bus, ConfigLayout.hashTableLength) : 0
    hashing.types = UInt32(littleEndian: types) & HashLimits.knownTypes
    let canHash = hashing.key >= 40 && hashing.types != 0
    if !canHash { features.remove(Feature.hashReport) }
    if !canHash || hashing.table < 128 { features.remove(Feature.rss) }  // tested by abi-hashing
    if Log.wanted(.info) {
      Log.line("hashing: key of").number(hashing.key).text("table of").number(hashing.table).text("types")
        .hex(hashing.types).text(canHash ? "" : "not used: the specification wants more").send(.info)
    }
  }

  /// Bytes of an Ethernet header.
  static let frameHeader: UInt32 = 14
  /// Bytes of an Ethernet header with two VLAN tags, those of a provider's network and of a customer's.
  static let frameOverhead = 22

  /// Reads the fields of the negotiated features, unless the user's options come first.
  // Safety: the read fills the six bytes of an address.
  mutating func read(_ bus: Bus, _ features: FeatureSet, _ options: PortOptions) throws(Failure) {
    var given = MACAddress((0, 0, 0, 0, 0, 0))
    if features.has(Feature.mac) { try unsafe bus.readConfig(ConfigLayout.mac, &given.bytes, 6) }
    deviceAddress = given
    // Without the feature the link counts as up (5.1.4.2).
    linkUp = true
    if features.has(Feature.status) {
      linkUp = try NetConfig.status(bus) & LinkStatus.up != 0
    }
    try readSpeed(bus, features, requested: options.speed)
    if let requested = options.address { given = requested }
    // Without a unicast address the port gets a random one, and keeps it for as long as it lives.
    addressIsRandom = !given.isUsable
    if addressIsRandom && !randomAddress.isUsable { randomAddress = try MACAddress.random() }
    address = addressIsRandom ? randomAddress : given
  }

  /// Reads speed and duplex. `requested` is the user's own speed, 0 for none.
  // Safety: each read is as long as the field that it fills.
  private mutating func readSpeed(_ bus: Bus, _ features: FeatureSet, requested: UInt32) throws(Failure) {
    speed = requested
    duplex = requested == 0 ? VIONET_DUPLEX_UNKNOWN : VIONET_DUPLEX_FULL
    if requested != 0 || !features.has(Feature.speedDuplex) { return }
    var said: (speed: UInt32, duplex: UInt8) = (0, 0)
    try unsafe bus.readConfig(ConfigLayout.speed, &said.speed, 4)
    try unsafe bus.readConfig(ConfigLayout.duplex, &said.duplex, 1)
    noteSpeed(said.speed, said.duplex)
  }

  /// Takes speed and duplex as a device says them; they may change whenever its configuration does.
  mutating func noteSpeed(_ saidSpeed: UInt32, _ saidDuplex: UInt8) {
    // All ones means unknown, and so does any other value that the specification does not define (5.1.4).
    let number = UInt32(littleEndian: saidSpeed)
    speed = number > 0x7fff_ffff ? 0 : number
    duplex = saidDuplex == 0 ? VIONET_DUPLEX_HALF : saidDuplex == 1 ? VIONET_DUPLEX_FULL : VIONET_DUPLEX_UNKNOWN
  }

  /// The status field of a device with STATUS: link up, and a request to announce the address.
  private static func status(_ bus: Bus) throws(Failure) -> UInt16 { try number(bus, ConfigLayout.status) }

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
