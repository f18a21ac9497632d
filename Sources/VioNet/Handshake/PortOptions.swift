// SPDX-License-Identifier: BSD-2-Clause
//
// What a user can ask of a port, checked, with every default in one place: first the keys of the device address, which are
// DPDK's where they mean the same, then vionet_config. docs/addresses.md is the table of keys.

import CLinux
import CVionet
import Linux
import Virtio

package struct PortOptions {
  /// An option that the user may leave to the library.
  enum Choice {
    case best, on, off
  }

  package static let defaultDescriptors: UInt16 = 256
  /// Descriptors to send to a TAP interface. The kernel's TCP sends up to 1000 frames at once (an interface's txqueuelen),
  /// and a program that forwards them finds room for all. What a receive ring has no room for waits in the interface.
  package static let tapTransmitDescriptors: UInt16 = 2048
  package static let maximumDescriptors: UInt64 = 32768

  var queuePairs: UInt16 = 1
  /// Keys that only PCI functions have.
  package var pci = PCIOptions()
  var receiveDescriptors = PortOptions.defaultDescriptors
  var transmitDescriptors = PortOptions.defaultDescriptors
  var pool: UInt16 = 0
  /// Feature bits that are not accepted even if offered.
  var featuresOff: UInt64 = 0
  /// The user's MAC address, used instead of the device's.
  var address: MACAddress?
  var packed = Choice.best
  var inOrder = Choice.best
  var mergeable = Choice.best
  /// EVENT_IDX may be negotiated.
  var hasEventIndex = true
  /// A control queue is used. `best` means on whole devices only, since few back-ends have one that answers.
  var control = Choice.best
  /// vionet_event_handle() recovers a port with a broken queue, or whose device needs a reset.
  var recovers = false
  /// The port listens for back-ends instead of connecting to one.
  package private(set) var isServer = false
  /// Frames are counted by size.
  var countsSizes = false
  /// Bursts find out whether two threads are on one queue.
  var checksThreads = false
  /// Mbit/s, shown instead of the device's; 0: not given.
  var speed: UInt32 = 0
  /// Bits of enum vionet_rx_offload.
  var receiveOffloads: UInt32 = 0
  /// "Checksum checked" is believed of a device that has not agreed to say so.
  private(set) var trustsChecksums = false
  /// Received packets get their hash here.
  private(set) var hashesInSoftware = false
  /// Those of them that the program cannot do without: vionet_config named them.
  private var requiredOffloads: UInt32 = 0
  /// Packets of the shared pool if this port is the first to need it; nil for the default.
  var sharedPoolPackets: Int?
  /// Bits of enum vionet_tx_offload.
  private var transmitOffloads: UInt32 = 0

  private static let knownOffloads =
    VIONET_RX_CHECKSUM.rawValue | VIONET_RX_LRO.rawValue | VIONET_RX_VLAN_STRIP.rawValue
    | VIONET_RX_VLAN_FILTER.rawValue | VIONET_RX_RSS.rawValue | VIONET_RX_HASH.rawValue | VIONET_RX_TUNNEL.rawValue

  /// Transmit queues do what the device lacks.
  var sendsInSoftware: Bool { transmitOffloads & VIONET_TX_SOFTWARE.rawValue != 0 }

  private static let knownTransmitOffloads =
    VIONET_TX_SOFTWARE.rawValue | VIONET_TX_CHECKSUM.rawValue | VIONET_TX_TCP4.rawValue | VIONET_TX_TCP6.rawValue
    | VIONET_TX_UDP.rawValue | VIONET_TX_ECN.rawValue | VIONET_TX_TUNNEL.rawValue

  /// The address asks for packets in tunnels, if the device can cut them.
  private var mayTunnel = false
  /// Packets to be sent may lie in tunnels.
  var sendsTunnels: Bool { mayTunnel || transmitOffloads & VIONET_TX_TUNNEL.rawValue != 0 }

  func receives(_ offload: vionet_rx_offload) -> Bool { receiveOffloads & offload.rawValue != 0 }

  /// The defaults. A TAP interface at the device's other end has its own.
  package init(forTAP: Bool = false) {
    if forTAP { transmitDescriptors = PortOptions.tapTransmitDescriptors }
  }

  /// Takes one key of a device address; false if it is not a driver's key.
  package mutating func set(_ key: Text, _ value: Text) throws(Failure) -> Bool {
    if key.equals("queue_size") {
      receiveDescriptors = try PortOptions.descriptors(value.unsignedNumber ?? 0, "queue_size")
      transmitDescriptors = receiveDescriptors
    } else if key.equals("queues") {
      queuePairs = try PortOptions.pairs(value.unsignedNumber ?? 0, "queues")
    } else if key.equals("mac") {
      guard let parsed = MACAddress(value), parsed.isUsable else {
        throw Failure(EINVAL, "mac: ").quoting(value).text(" is not a unicast address like 02:00:00:00:00:01")
      }
      address = parsed
    } else if key.equals("mrg_rxbuf") {
      mergeable = try PortOptions.isOn(key, value) ? .on : .off
    } else if key.equals("packed_vq") {
      packed = try PortOptions.isOn(key, value) ? .on : .off
    } else if key.equals("in_order") {
      inOrder = try PortOptions.isOn(key, value) ? .on : .off
    } else if key.equals("event_idx") {
      hasEventIndex = try PortOptions.isOn(key, value)
    } else if key.equals("rx_csum") {
      trustsChecksums = value.equals("trust")
      try setOffload(VIONET_RX_CHECKSUM, key, trustsChecksums ? Text("1") : value)
    } else if let offload = PortOptions.offload(key) {
      try setOffload(offload, key, value)
    } else if key.equals("rss") {
      hashesInSoftware = value.equals("soft")
      try setOffload(VIONET_RX_RSS, key, hashesInSoftware ? Text("0") : value)
    } else if key.equals("tunnel") {
      try setOffload(VIONET_RX_TUNNEL, key, value)
      mayTunnel = receives(VIONET_RX_TUNNEL)
    } else if key.equals("tx_software") {
      transmitOffloads = try PortOptions.isOn(key, value) ? VIONET_TX_SOFTWARE.rawValue : 0
    } else if key.equals("size_stats") {
      countsSizes = try PortOptions.isOn(key, value)
    } else if key.equals("check_threads") {
      checksThreads = try PortOptions.isOn(key, value)
    } else if key.equals("cq") {
      control = try PortOptions.isOn(key, value) ? .on : .off
    } else if key.equals("recover") {
      if !value.equals("auto") && !value.equals("0") {
        throw Failure(EINVAL, "option \"recover\" takes auto or 0, not ").quoting(value)
      }
      recovers = value.equals("auto")
    } else if key.equals("server") {
      isServer = try PortOptions.isOn(key, value)
    } else if key.equals("pool_packets") {
      guard let number = value.unsignedNumber, number >= 16, number <= 1 << 24 else {
        throw Failure(EINVAL, "option \"pool_packets\" takes 16 to 16777216, not ").quoting(value)
      }
      sharedPoolPackets = Int(number)
    } else if key.equals("speed") {
      speed = try PortOptions.speed(value)
    } else {
      return false
    }
    return true
  }

  /// The receive offload that a key switches on and off, and nothing else.
  private static func offload(_ key: Text) -> vionet_rx_offload? {
    if key.equals("lro") { return VIONET_RX_LRO }
    if key.equals("vlan_strip") { return VIONET_RX_VLAN_STRIP }
    if key.equals("vlan_filter") { return VIONET_RX_VLAN_FILTER }
    return key.equals("rx_hash") ? VIONET_RX_HASH : nil
  }

  /// Takes the options in vionet_config. Zero means "as the address says".
  package mutating func apply(_ config: vionet_config) throws(Failure) {
    if config.rx_descriptors != 0 {
      receiveDescriptors = try PortOptions.descriptors(UInt64(config.rx_descriptors), "rx_descriptors")
    }
    if config.tx_descriptors != 0 {
      transmitDescriptors = try PortOptions.descriptors(UInt64(config.tx_descriptors), "tx_descriptors")
    }
    if config.queue_pairs != 0 {
      queuePairs = try PortOptions.pairs(UInt64(config.queue_pairs), "queue_pairs")
    }
    pool = config.pool
    featuresOff = config.features_off
    if config.rx_offloads & ~PortOptions.knownOffloads != 0 {
      throw Failure(EINVAL, "rx_offloads: ").hex(UInt64(config.rx_offloads)).text(" has bits that are not defined")
    }
    receiveOffloads |= config.rx_offloads
    requiredOffloads = config.rx_offloads
    if config.tx_offloads & ~PortOptions.knownTransmitOffloads != 0 {
      throw Failure(EINVAL, "tx_offloads: ").hex(UInt64(config.tx_offloads)).text(" has bits that are not defined")
    }
    transmitOffloads |= config.tx_offloads
    try checkSizes()
    let reserved = config.reserved.0 | config.reserved.1 | config.reserved.2
    if reserved != 0 { throw Failure(EINVAL, "reserved must be zero") }
    let needed = featuresOff & Features.required
    if needed != 0 { throw Failure(EINVAL, "features_off: ").plain(Features.firstName(needed)).text(" is required") }
  }

  /// Bits of enum vionet_rx_offload that `features` give a port: those in use, or those to be had before a handshake.
  func offloads(_ features: FeatureSet, inUse: Bool) -> UInt32 {
    // Tags are taken out in software.
    var bits = inUse ? receiveOffloads & VIONET_RX_VLAN_STRIP.rawValue : VIONET_RX_VLAN_STRIP.rawValue
    if features.has(Feature.guestChecksum) || trustsChecksums { bits |= VIONET_RX_CHECKSUM.rawValue }
    if features.bits & Features.receiveSegments != 0 { bits |= VIONET_RX_LRO.rawValue }
    if features.has(Feature.controlVLAN) { bits |= VIONET_RX_VLAN_FILTER.rawValue }
    if features.has(Feature.rss) { bits |= VIONET_RX_RSS.rawValue }
    if features.has(Feature.hashReport) || hashesInSoftware { bits |= VIONET_RX_HASH.rawValue }
    if features.has(above: HigherFeature.guestTunnel) { bits |= VIONET_RX_TUNNEL.rawValue }
    return bits
  }

  /// Receive offloads by name, each with the features of which it takes one.
  private static var receiveFeatures: InlineArray<5, (offload: vionet_rx_offload, name: StaticString, bits: UInt64)> {
    [
      (VIONET_RX_CHECKSUM, "VIONET_RX_CHECKSUM", Feature.guestChecksum),
      (VIONET_RX_LRO, "VIONET_RX_LRO", Features.receiveSegments),
      (VIONET_RX_VLAN_FILTER, "VIONET_RX_VLAN_FILTER", Feature.controlVLAN),
      (VIONET_RX_RSS, "VIONET_RX_RSS", Feature.rss), (VIONET_RX_HASH, "VIONET_RX_HASH", Feature.hashReport),
    ]
  }

  /// Throws unless the device agreed to each offload that vionet_config asks for, or the library does it.
  func mustHaveOffloads(_ features: FeatureSet) throws(Failure) {
    func transmit(_ offload: vionet_tx_offload, _ name: StaticString, _ bits: UInt64) throws(Failure) {
      if sendsInSoftware || transmitOffloads & offload.rawValue == 0 || features.bits & bits != 0 { return }
      throw PortOptions.lacks("tx_offloads: ", name, bits, ", which the device does not offer, or VIONET_TX_SOFTWARE")
    }
    let missing = requiredOffloads & ~offloads(features, inUse: true)
    let known = PortOptions.receiveFeatures
    for place in 0..<known.count where missing & known[place].offload.rawValue != 0 {
      throw PortOptions.lacks(
        "rx_offloads: ", known[place].name, known[place].bits, ", which the device does not offer or cannot keep")
    }
    if requiredOffloads & VIONET_RX_TUNNEL.rawValue != 0 && !features.has(above: HigherFeature.guestTunnel) {
      throw Failure(ENOTSUP, "rx_offloads: VIONET_RX_TUNNEL takes VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO, which the device ")
        .text("does not offer, or not with all that it needs")
    }
    if transmitOffloads & VIONET_TX_TUNNEL.rawValue != 0 && !features.has(above: HigherFeature.hostTunnel) {
      throw Failure(ENOTSUP, "tx_offloads: VIONET_TX_TUNNEL takes VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO, which the device ")
        .text("does not offer, or not with all that it needs")
    }
    try transmit(VIONET_TX_CHECKSUM, "VIONET_TX_CHECKSUM", Feature.checksum)
    try transmit(VIONET_TX_TCP4, "VIONET_TX_TCP4", Feature.hostTSO4)
    try transmit(VIONET_TX_TCP6, "VIONET_TX_TCP6", Feature.hostTSO6)
    try transmit(VIONET_TX_UDP, "VIONET_TX_UDP", Feature.hostUSO)
    try transmit(VIONET_TX_ECN, "VIONET_TX_ECN", Feature.hostECN)
  }

  /// Tells the log of what keys ask for and the port does not get: a key is a wish, so that the port works without it.
  func tellOfUnmetWishes(_ features: FeatureSet) {
    if !Log.wanted(.info) { return }
    let missing = receiveOffloads & ~offloads(features, inUse: true)
    let known = PortOptions.receiveFeatures
    for place in 0..<known.count where missing & known[place].offload.rawValue != 0 {
      let bits = known[place].bits
      let line = Log.line("the key").text(Features.key(bits)).text("does nothing: the device does not offer")
        .text(Features.firstName(bits)).text("or what that needs")
      (bits == Feature.rss ? line.text("and spreads packets over queues as it likes") : line).send(.info)
    }
  }

  /// Names a field of vionet_config, an offload in it, and the feature that it takes.
  private static func lacks(
    _ field: StaticString, _ offload: StaticString, _ bits: UInt64, _ why: StaticString
  ) -> Failure {
    Failure(ENOTSUP, field).text(offload).text(" takes ").plain(Features.firstName(bits)).text(why)
  }

  private mutating func setOffload(_ offload: vionet_rx_offload, _ key: Text, _ value: Text) throws(Failure) {
    receiveOffloads &= ~offload.rawValue
    if try PortOptions.isOn(key, value) { receiveOffloads |= offload.rawValue }
  }

  package static func isOn(_ key: Text, _ value: Text) throws(Failure) -> Bool {
    if value.equals("0") { return false }
    if value.equals("1") { return true }
    if key.equals("rx_csum") {
      throw Failure(EINVAL, "option ").quoting(key).text(" takes 0, 1 or trust, not ").quoting(value)
    }
    if key.equals("rss") {
      throw Failure(EINVAL, "option ").quoting(key).text(" takes 0, 1 or soft, not ").quoting(value)
    }
    throw Failure(EINVAL, "option ").quoting(key).text(" takes 0 or 1, not ").quoting(value)
  }

  /// Throws unless both sizes are powers of two, or rings are packed. Call when all keys are read.
  package func checkSizes() throws(Failure) {
    let receive = receiveDescriptors & (receiveDescriptors - 1)
    let transmit = transmitDescriptors & (transmitDescriptors - 1)
    if receive | transmit == 0 || packed == .on { return }
    throw Failure(EINVAL, "queue_size: descriptors must be a power of two from 2 to 32768, unless packed_vq=1")
  }

  private static func descriptors(_ number: UInt64, _ name: StaticString) throws(Failure) -> UInt16 {
    if number < 2 || number > maximumDescriptors {
      throw Failure(EINVAL, name).text(" must be 2 to 32768")
    }
    return UInt16(truncatingIfNeeded: number)
  }

  private static func speed(_ value: Text) throws(Failure) -> UInt32 {
    let number = value.unsignedNumber ?? 0
    if number < 1 || number > 0x7fff_ffff {
      throw Failure(EINVAL, "option \"speed\" takes Mbit/s, 1 to 2147483647, not ").quoting(value)
    }
    return UInt32(truncatingIfNeeded: number)
  }

  private static func pairs(_ number: UInt64, _ name: StaticString) throws(Failure) -> UInt16 {
    if number < 1 || number > UInt64(VIONET_MAX_QUEUE_PAIRS) {
      throw Failure(EINVAL, name).text(" must be 1 to ").number(VIONET_MAX_QUEUE_PAIRS)
    }
    return UInt16(truncatingIfNeeded: number)
  }
}
