// SPDX-License-Identifier: BSD-2-Clause
//
// Feature bits: those that the driver requires, those that it accepts when offered, each with its reason, and the names of
// all. A bit in neither set is never accepted (virtio 1.4, 2.2.1).

import CLinux
import CVionet
import Linux

package struct FeatureSet: Sendable, Equatable {
  /// Bits 0 to 63.
  package var bits: UInt64
  /// Bits 64 to 127. Only a modern PCI device can offer them.
  package var above: UInt64

  package init(_ bits: UInt64, above: UInt64 = 0) {
    self.bits = bits
    self.above = above
  }

  package var isEmpty: Bool { bits | above == 0 }

  package func has(_ bit: Int32) -> Bool { (bit < 64 ? bits : above) >> UInt64(bit & 63) & 1 != 0 }
  package mutating func remove(_ bit: Int32) {
    if bit < 64 { bits &= ~(1 << UInt64(bit)) } else { above &= ~(1 << UInt64(bit & 63)) }
  }
}

package enum Features {
  /// Features without which a device cannot be driven.
  static let required: UInt64 =
    // Little-endian rings, one 12-byte header with and without merged buffers, FEATURES_OK.
    1 << UInt64(VIRTIO_F_VERSION_1)

  /// Features without which a legacy device, one from before virtio 1.0, cannot be driven.
  static let requiredOfLegacy: UInt64 =
    // The header lies before the data, in one descriptor with it (virtio 1.4, 5.1.9.8).
    1 << UInt64(VIRTIO_F_ANY_LAYOUT)

  /// Features that a device which offers them must get. With ACCESS_PLATFORM a PCI function is given addresses in the IOMMU,
  /// without it physical ones (virtio 1.4, 6.1). A vDPA device has no other way.
  static let requiredWhenOffered: UInt64 = 1 << UInt64(VIRTIO_F_ACCESS_PLATFORM)

  /// Features accepted of any device.
  static let wanted: UInt64 =
    required
    // The device's own address instead of a random one (5.1.4.2).
    | 1 << UInt64(VIRTIO_NET_F_MAC)
    // Whether the link is up. Without it the link counts as up.
    | 1 << UInt64(VIRTIO_NET_F_STATUS)
    // How fast the link is.
    | 1 << UInt64(VIRTIO_NET_F_SPEED_DUPLEX)
    // The largest packet, so that none longer is sent (5.1.4.2).
    | 1 << UInt64(VIRTIO_NET_F_MTU)
    // A packet of several segments takes one descriptor of the ring.
    | 1 << UInt64(VIRTIO_RING_F_INDIRECT_DESC)
    // Each side says at which entry it wants a notification, so that there are fewer.
    | 1 << UInt64(VIRTIO_RING_F_EVENT_IDX)
    | transmitOffloads

  /// Offloads that packets to be sent may ask for. They cost nothing while no packet does.
  static let transmitOffloads: UInt64 =
    1 << UInt64(VIRTIO_NET_F_CSUM) | 1 << UInt64(VIRTIO_NET_F_HOST_TSO4) | 1 << UInt64(VIRTIO_NET_F_HOST_TSO6)
    | 1 << UInt64(VIRTIO_NET_F_HOST_ECN) | 1 << UInt64(VIRTIO_NET_F_HOST_USO)
    // header_length is exact, as vionet.h requires.
    | 1 << UInt64(VIRTIO_NET_F_GUEST_HDRLEN)

  /// Features accepted of a device with a control queue that answers: settings of a running device.
  static let controlFeatures: UInt64 =
    1 << UInt64(VIRTIO_NET_F_CTRL_VQ)
    // The device asks the driver to announce its address to the network: VIONET_EVENT_ANNOUNCE.
    | 1 << UInt64(VIRTIO_NET_F_GUEST_ANNOUNCE)
    // Which frames are received: modes, a table of addresses, the port's own address.
    | 1 << UInt64(VIRTIO_NET_F_CTRL_RX) | 1 << UInt64(VIRTIO_NET_F_CTRL_RX_EXTRA)
    | 1 << UInt64(VIRTIO_NET_F_CTRL_MAC_ADDR)
    // Offloads for received packets that change without a reset; delayed interrupts; counters.
    | 1 << UInt64(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | withoutEffectOnPackets

  /// Delayed interrupts, and counters of the device.
  private static let withoutEffectOnPackets: UInt64 =
    1 << UInt64(VIRTIO_NET_F_DEVICE_STATS) | 1 << UInt64(VIRTIO_NET_F_NOTF_COAL)
    | 1 << UInt64(VIRTIO_NET_F_VQ_NOTF_COAL)

  /// The device may pass packets whose checksum it verified, or left to be completed.
  static let receiveChecksum: UInt64 = 1 << UInt64(VIRTIO_NET_F_GUEST_CSUM)
  /// The device may join several packets of a flow to one.
  static let receiveSegments: UInt64 =
    1 << UInt64(VIRTIO_NET_F_GUEST_TSO4) | 1 << UInt64(VIRTIO_NET_F_GUEST_TSO6)
    | 1 << UInt64(VIRTIO_NET_F_GUEST_ECN) | 1 << UInt64(VIRTIO_NET_F_GUEST_USO4)
    | 1 << UInt64(VIRTIO_NET_F_GUEST_USO6)

  /// Features accepted of a whole device, one with registers of its own: a platform lies between it and memory.
  static let platformFeatures: UInt64 =
    // Addresses go through an IOMMU, in which all shared memory is mapped (6.1).
    1 << UInt64(VIRTIO_F_ACCESS_PLATFORM)
    // Barriers as for a hardware device; the driver's are.
    | 1 << UInt64(VIRTIO_F_ORDER_PLATFORM)
    // One queue can be reset while the others run (2.6.1).
    | 1 << UInt64(VIRTIO_F_RING_RESET)
    // The notification says where the next entry is, so that the device need not fetch it (2.9).
    | 1 << UInt64(VIRTIO_F_NOTIFICATION_DATA)

  /// Bits 64 to 127 that are accepted: none in this version.
  static let acceptedAbove: UInt64 = 0

  /// Features that work through commands, and mean nothing without CTRL_VQ.
  static let throughControl: UInt64 =
    1 << UInt64(VIRTIO_NET_F_CTRL_RX) | 1 << UInt64(VIRTIO_NET_F_CTRL_RX_EXTRA) | 1 << UInt64(VIRTIO_NET_F_CTRL_VLAN)
    | 1 << UInt64(VIRTIO_NET_F_CTRL_MAC_ADDR) | 1 << UInt64(VIRTIO_NET_F_GUEST_ANNOUNCE)
    | 1 << UInt64(VIRTIO_NET_F_MQ) | 1 << UInt64(VIRTIO_NET_F_RSS) | 1 << UInt64(VIRTIO_NET_F_HASH_REPORT)
    | 1 << UInt64(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | withoutEffectOnPackets

  /// Removes features that need another one which is not there (virtio 1.4, 5.1.3.1).
  static func dropDependent(_ features: inout FeatureSet) {
    if !features.has(VIRTIO_NET_F_CTRL_VQ) { features.bits &= ~throughControl }
    let needs: InlineArray<8, (Int32, Int32)> = [
      (VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_CSUM), (VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_CSUM),
      (VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_GUEST_CSUM), (VIRTIO_NET_F_GUEST_USO6, VIRTIO_NET_F_GUEST_CSUM),
      (VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_CSUM), (VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_CSUM),
      (VIRTIO_NET_F_HOST_USO, VIRTIO_NET_F_CSUM), (VIRTIO_NET_F_GUEST_ANNOUNCE, VIRTIO_NET_F_STATUS),
    ]
    for index in 0..<needs.count where !features.has(needs[index].1) { features.remove(needs[index].0) }
    let guest = features.has(VIRTIO_NET_F_GUEST_TSO4) || features.has(VIRTIO_NET_F_GUEST_TSO6)
    if !guest { features.remove(VIRTIO_NET_F_GUEST_ECN) }
    let host = features.has(VIRTIO_NET_F_HOST_TSO4) || features.has(VIRTIO_NET_F_HOST_TSO6)
    if !host { features.remove(VIRTIO_NET_F_HOST_ECN) }
  }

  /// The specification's name of a bit; nil if a network device has no such bit.
  package static func name(_ bit: UInt32) -> StaticString? {
    switch bit {
    case 0: "VIRTIO_NET_F_CSUM"
    case 1: "VIRTIO_NET_F_GUEST_CSUM"
    case 2: "VIRTIO_NET_F_CTRL_GUEST_OFFLOADS"
    case 3: "VIRTIO_NET_F_MTU"
    case 5: "VIRTIO_NET_F_MAC"
    case 6: "VIRTIO_NET_F_GSO"
    case 7: "VIRTIO_NET_F_GUEST_TSO4"
    case 8: "VIRTIO_NET_F_GUEST_TSO6"
    case 9: "VIRTIO_NET_F_GUEST_ECN"
    case 10: "VIRTIO_NET_F_GUEST_UFO"
    case 11: "VIRTIO_NET_F_HOST_TSO4"
    case 12: "VIRTIO_NET_F_HOST_TSO6"
    case 13: "VIRTIO_NET_F_HOST_ECN"
    case 14: "VIRTIO_NET_F_HOST_UFO"
    case 15: "VIRTIO_NET_F_MRG_RXBUF"
    case 16: "VIRTIO_NET_F_STATUS"
    case 17: "VIRTIO_NET_F_CTRL_VQ"
    case 18: "VIRTIO_NET_F_CTRL_RX"
    case 19: "VIRTIO_NET_F_CTRL_VLAN"
    case 20: "VIRTIO_NET_F_CTRL_RX_EXTRA"
    case 21: "VIRTIO_NET_F_GUEST_ANNOUNCE"
    case 22: "VIRTIO_NET_F_MQ"
    case 23: "VIRTIO_NET_F_CTRL_MAC_ADDR"
    default: nameOfHigher(bit)
    }
  }

  private static func nameOfHigher(_ bit: UInt32) -> StaticString? {
    switch bit {
    case 24: "VIRTIO_F_NOTIFY_ON_EMPTY"
    case 27: "VIRTIO_F_ANY_LAYOUT"
    case 28: "VIRTIO_F_INDIRECT_DESC"
    case 29: "VIRTIO_F_EVENT_IDX"
    case 32: "VIRTIO_F_VERSION_1"
    case 33: "VIRTIO_F_ACCESS_PLATFORM"
    case 34: "VIRTIO_F_RING_PACKED"
    case 35: "VIRTIO_F_IN_ORDER"
    case 36: "VIRTIO_F_ORDER_PLATFORM"
    case 37: "VIRTIO_F_SR_IOV"
    case 38: "VIRTIO_F_NOTIFICATION_DATA"
    case 39: "VIRTIO_F_NOTIF_CONFIG_DATA"
    case 40: "VIRTIO_F_RING_RESET"
    case 41: "VIRTIO_F_ADMIN_VQ"
    case 43: "VIRTIO_F_SUSPEND"
    case 50: "VIRTIO_NET_F_DEVICE_STATS"
    case 51: "VIRTIO_NET_F_HASH_TUNNEL"
    case 52: "VIRTIO_NET_F_VQ_NOTF_COAL"
    case 53: "VIRTIO_NET_F_NOTF_COAL"
    case 54: "VIRTIO_NET_F_GUEST_USO4"
    case 55: "VIRTIO_NET_F_GUEST_USO6"
    case 56: "VIRTIO_NET_F_HOST_USO"
    case 57: "VIRTIO_NET_F_HASH_REPORT"
    case 59: "VIRTIO_NET_F_GUEST_HDRLEN"
    case 60: "VIRTIO_NET_F_RSS"
    case 61: "VIRTIO_NET_F_RSC_EXT"
    case 62: "VIRTIO_NET_F_STANDBY"
    case 63: "VIRTIO_NET_F_SPEED_DUPLEX"
    case 64: "VIRTIO_NET_F_RSS_CONTEXT"
    case 65: "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO"
    case 66: "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM"
    case 67: "VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO"
    case 68: "VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM"
    case 69: "VIRTIO_NET_F_OUT_NET_HEADER"
    case 70: "VIRTIO_NET_F_IPSEC"
    default: nil
    }
  }

  /// The key of a device address that asks for a feature.
  static func key(_ bit: Int32) -> StaticString {
    switch bit {
    case VIRTIO_NET_F_CTRL_VQ: "cq=1"
    case VIRTIO_NET_F_CTRL_VLAN: "vlan_filter=1"
    case VIRTIO_NET_F_MQ: "queues=2"
    case VIRTIO_NET_F_RSS: "rss=1"
    case VIRTIO_NET_F_HASH_REPORT: "rx_hash=1"
    case VIRTIO_NET_F_GUEST_CSUM: "rx_csum=1"
    default: "lro=1"
    }
  }

  /// Features that change how rings work, which a program does not see.
  static let ofRings: UInt64 =
    1 << UInt64(VIRTIO_F_RING_PACKED) | 1 << UInt64(VIRTIO_F_IN_ORDER) | 1 << UInt64(VIRTIO_RING_F_EVENT_IDX)
    | 1 << UInt64(VIRTIO_RING_F_INDIRECT_DESC) | 1 << UInt64(VIRTIO_NET_F_MRG_RXBUF)
    | 1 << UInt64(VIRTIO_F_ORDER_PLATFORM) | 1 << UInt64(VIRTIO_F_NOTIFICATION_DATA)

  /// The name of the lowest bit in `bits`, for a sentence.
  static func firstName(_ bits: UInt64) -> Text {
    Text(name(UInt32(bits.trailingZeroBitCount)) ?? "an unknown feature")
  }
}
