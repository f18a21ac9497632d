// SPDX-License-Identifier: BSD-2-Clause
//
// What was agreed with the connected front-end, and the configuration, which is the same for every front-end.

import CLinux
import Linux
import Virtio

struct Session {
  var features: UInt64 = 0
  /// Those of bits 64 to 127, which come before the others.
  var above: UInt64 = 0
  var protocolFeatures: UInt64 = 0
  /// SET_OWNER has come.
  var isOwned = false
  /// The front-end has asked for protocol features before that.
  private var hasAskedEarly = false
  var status: UInt8 = 0
  var featuresAreSet = false
  /// The MTU of NET_SET_MTU; 0 before that.
  var mtu: UInt16 = 0
  /// What the driver has said through the control queue: pairs in use (1 after a reset), offloads in use, its address.
  var pairs = 1
  var offloads: UInt64 = 0
  var tunnels: UInt64 = 0
  var mac: UInt64 = 0
  /// The driver is asked to announce itself.
  var announces = false
  /// Limits of interrupts that wait, for all queues of a direction.
  var receiveLimits: UInt64 = 0
  var transmitLimits: UInt64 = 0
  /// Commands of the control queue, and how many of them were done.
  var commands: UInt64 = 0
  var commandsDone: UInt64 = 0

  func has(_ feature: UInt64) -> Bool { features & feature != 0 }

  /// Buffers may be used: the driver has said DRIVER_OK, if this front-end passes its status on at all (2.1.2).
  var isReady: Bool {
    featuresAreSet && (protocolFeatures & ProtocolFeature.status == 0 || status & DeviceStatus.driverOK != 0)
  }

  /// The protocol features that this front-end is offered. QEMU asks before it takes the device (SET_OWNER), and again for
  /// each further pair of queues, makes the configuration of a network device itself, and warns whenever a back-end offers
  /// CONFIG. Front-ends that read the configuration take the device first.
  mutating func offerProtocol(isHosted: Bool) -> UInt64 {
    if !isOwned { hasAskedEarly = true }
    if isHosted { return ProtocolFeature.offered | ProtocolFeature.higherFeatures }
    return hasAskedEarly ? ProtocolFeature.offered & ~ProtocolFeature.config : ProtocolFeature.offered
  }

  /// Bytes of the net header (virtio 1.4, 5.1.9).
  var headerBytes: Int {
    if above & HigherFeature.tunnels != 0 { return NetHeaderLayout.bytesWithTunnel }
    if has(Feature.hashReport) { return NetHeaderLayout.bytesWithHash }
    return has(Feature.version1 | Feature.mergeable) ? NetHeaderLayout.bytes : NetHeaderLayout.legacyBytes
  }

  /// Without the protocol features every ring is enabled from the beginning.
  var ringsBeginEnabled: Bool { featuresAreSet && !has(Feature.protocolFeatures) }

  var rings: RingAgreement {
    RingAgreement(
      isPacked: has(Feature.packed), hasIndirect: has(Feature.indirect), hasEventIndex: has(Feature.eventIndex),
      isInOrder: has(Feature.inOrder))
  }

  /// Pairs that may receive while no table says it. Without a control queue, SET_VRING_ENABLE alone decides.
  func receivingPairs(_ config: NetConfig) -> Int {
    has(Feature.controlQueue) ? has(Feature.manyPairs) ? pairs : 1 : config.pairs
  }

  func terms(_ config: NetConfig, _ filter: Filter, _ steering: Steering) -> Terms {
    Terms(
      header: headerBytes,
      longest: has(Feature.mtu) ? Int(mtu != 0 ? mtu : config.mtu) + Device.linkHeader : Frame.longest,
      isMergeable: has(Feature.mergeable), readsHeaders: has(Feature.hostOffloads),
      guest: features & offloads, tunnels: HigherFeature.closed(above & tunnels, with: features & offloads),
      hasTunnels: above & HigherFeature.hostTunnel != 0, filters: filter.isActive,
      counts: has(Feature.deviceStatistics), steers: steering.isActive, reports: has(Feature.hashReport))
  }

  /// Resets the device's part of the session. What concerns the connection stays.
  mutating func reset() {
    status = 0
    above = 0
    begin(0)
    featuresAreSet = false
  }

  /// Begins with new features; settings made through them are as after a reset.
  mutating func begin(_ agreed: UInt64) {
    features = agreed
    featuresAreSet = true
    pairs = 1
    receiveLimits = 0
    transmitLimits = 0
    offloads = agreed & Feature.guestOffloads
    tunnels = above & HigherFeature.guest
  }
}

/// The fields of struct virtio_net_config that never change (virtio 1.4, 5.1.4).
struct NetConfig {
  static let size = 256
  let pairs: Int
  let mtu: UInt16
  /// The six bytes of the address, in the order of the network.
  let mac: UInt64
  /// Mbit/s; nil: without SPEED_DUPLEX.
  let speed: UInt32?
  private var hashes = false
  private var steers = false

  init(_ options: DeviceOptions, longest: Int) throws(Failure) {
    pairs = options.pairs
    speed = options.speed
    mtu = options.mtu ?? UInt16(max(1500, longest - 14))
    mac = if let chosen = options.mac { chosen } else { try Self.randomAddress() }
  }

  /// Fields of features that are not offered stay zero.
  mutating func offer(_ features: UInt64) {
    hashes = features & (Feature.rss | Feature.hashReport) != 0
    steers = features & Feature.rss != 0
  }

  /// A random address, marked by its second bit as locally administered.
  private static func randomAddress() throws(Failure) -> UInt64 {
    0x025e << 32 | (try MACAddress.randomNumber() & 0xffff_ffff)
  }

  /// One byte of the configuration space; 0 behind its last field.
  func byte(_ at: Int, _ session: Session, linkIsUp: Bool) -> UInt8 {
    switch at {
    case ConfigLayout.mac..<ConfigLayout.mac + 6: return UInt8(truncatingIfNeeded: session.mac >> UInt64(40 - 8 * at))
    case ConfigLayout.status:
      return UInt8((linkIsUp ? LinkStatus.up : 0) | (session.announces ? LinkStatus.announce : 0))
    case ConfigLayout.pairs: return UInt8(truncatingIfNeeded: pairs)
    case ConfigLayout.mtu: return UInt8(truncatingIfNeeded: mtu)
    case ConfigLayout.mtu + 1: return UInt8(truncatingIfNeeded: mtu >> 8)
    case ConfigLayout.speed..<ConfigLayout.speed + 4:
      return UInt8(truncatingIfNeeded: (speed ?? 0) >> UInt32(8 * (at - ConfigLayout.speed)))
    case ConfigLayout.duplex: return speed == nil ? 0 : Duplex.full
    default: return hashes ? hashByte(at) : 0
    }
  }

  /// What can be hashed, and how.
  private func hashByte(_ at: Int) -> UInt8 {
    switch at {
    case ConfigLayout.hashKeyLength: return UInt8(Steering.longestKey)
    case ConfigLayout.hashTableLength..<ConfigLayout.hashTableLength + 2:
      return steers ? UInt8(truncatingIfNeeded: Steering.longestTable >> (8 * (at - ConfigLayout.hashTableLength))) : 0
    case ConfigLayout.hashTypes..<ConfigLayout.hashTypes + 4:
      return UInt8(truncatingIfNeeded: Steering.knownTypes >> UInt32(8 * (at - ConfigLayout.hashTypes)))
    default: return 0
    }
  }
}
