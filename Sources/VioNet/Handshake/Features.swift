// SPDX-License-Identifier: BSD-2-Clause
//
// Feature bits: those that the driver requires, those that it accepts when offered, each with its reason.
// A bit in neither set is never accepted (virtio 1.4, 2.2.1).

import CLinux
import CVionet
import Linux
import Virtio

package enum Features {
  /// Features without which a device cannot be driven.
  static let required: UInt64 =
    // Little-endian rings, one 12-byte header with and without merged buffers, FEATURES_OK.
    Feature.version1

  /// Features without which a legacy device, one from before virtio 1.0, cannot be driven.
  static let requiredOfLegacy: UInt64 =
    // The header lies before the data, in one descriptor with it (virtio 1.4, 5.1.9.8).
    Feature.anyLayout

  /// Features that a device which offers them must get. With ACCESS_PLATFORM a PCI function is given addresses in the IOMMU,
  /// without it physical ones (virtio 1.4, 6.1). A vDPA device has no other way.
  static let requiredWhenOffered: UInt64 = Feature.accessPlatform

  /// Features accepted of any device.
  static let wanted: UInt64 =
    required
    // The device's own address instead of a random one (5.1.4.2).
    | Feature.mac
    // Whether the link is up. Without it the link counts as up.
    | Feature.status
    // How fast the link is.
    | Feature.speedDuplex
    // The largest packet, so that none longer is sent (5.1.4.2).
    | Feature.mtu
    // A packet of several segments takes one descriptor of the ring.
    | Feature.indirect
    // Each side says at which entry it wants a notification, so that there are fewer.
    | Feature.eventIndex
    | transmitOffloads

  /// Offloads that packets to be sent may ask for. They cost nothing while no packet does.
  static let transmitOffloads: UInt64 =
    Feature.checksum | Feature.hostTSO4 | Feature.hostTSO6
    | Feature.hostECN | Feature.hostUSO
    // header_length is exact, as vionet.h requires.
    | Feature.guestHeaderLength

  /// Features accepted of a device with a control queue that answers: settings of a running device.
  static let controlFeatures: UInt64 =
    Feature.controlQueue
    // The device asks the driver to announce its address to the network: VIONET_EVENT_ANNOUNCE.
    | Feature.announce
    // Which frames are received: modes, a table of addresses, the port's own address.
    | Feature.controlReceive | Feature.controlReceiveExtra
    | Feature.controlAddress
    // Offloads for received packets that change without a reset; delayed interrupts; counters.
    | Feature.controlOffloads | withoutEffectOnPackets

  /// Delayed interrupts, and counters of the device.
  private static let withoutEffectOnPackets: UInt64 =
    Feature.deviceStatistics | Feature.coalescing
    | Feature.queueCoalescing

  /// The device may pass packets whose checksum it verified, or left to be completed.
  static let receiveChecksum: UInt64 = Feature.guestChecksum
  /// The device may join several packets of a flow to one.
  static let receiveSegments: UInt64 =
    Feature.guestTSO4 | Feature.guestTSO6
    | Feature.guestECN | Feature.guestUSO4
    | Feature.guestUSO6

  /// Features accepted of a whole device, one with registers of its own: a platform lies between it and memory.
  static let platformFeatures: UInt64 =
    // Addresses go through an IOMMU, in which all shared memory is mapped (6.1).
    Feature.accessPlatform
    // Barriers as for a hardware device; the driver's are.
    | Feature.orderPlatform
    // One queue can be reset while the others run (2.6.1).
    | Feature.ringReset
    // The notification says where the next entry is, so that the device need not fetch it (2.9).
    | Feature.notificationData
    // The notification names its queue by a number of the device's, which so finds it faster (4.1.4.3).
    | Feature.notificationNumber
    // The device comes to rest before its reset, so that what it has sent by then is shown (3.4).
    | Feature.suspend

  /// Features that work through commands, and mean nothing without CTRL_VQ.
  static let throughControl: UInt64 =
    Feature.controlReceive | Feature.controlReceiveExtra | Feature.controlVLAN
    | Feature.controlAddress | Feature.announce
    | Feature.multiqueue | Feature.rss | Feature.hashReport
    | Feature.controlOffloads | withoutEffectOnPackets

  /// Removes features that need another one which is not there (virtio 1.4, 5.1.3.1).
  static func dropDependent(_ features: inout FeatureSet) {
    if !features.has(Feature.controlQueue) { features.bits &= ~throughControl }
    let needs: InlineArray<8, (UInt64, UInt64)> = [
      (Feature.guestTSO4, Feature.guestChecksum), (Feature.guestTSO6, Feature.guestChecksum),
      (Feature.guestUSO4, Feature.guestChecksum), (Feature.guestUSO6, Feature.guestChecksum),
      (Feature.hostTSO4, Feature.checksum), (Feature.hostTSO6, Feature.checksum),
      (Feature.hostUSO, Feature.checksum), (Feature.announce, Feature.status),
    ]
    for index in 0..<needs.count where !features.has(needs[index].1) { features.remove(needs[index].0) }
    let guest = features.has(Feature.guestTSO4) || features.has(Feature.guestTSO6)
    if !guest { features.remove(Feature.guestECN) }
    let host = features.has(Feature.hostTSO4) || features.has(Feature.hostTSO6)
    if !host { features.remove(Feature.hostECN) }
    features.above = HigherFeature.closed(features.above, with: features.bits)
  }

  /// The key of a device address that asks for a feature.
  static func key(_ feature: UInt64) -> StaticString {
    switch feature {
    case Feature.controlQueue: "cq=1"
    case Feature.controlVLAN: "vlan_filter=1"
    case Feature.multiqueue: "queues=2"
    case Feature.rss: "rss=1"
    case Feature.hashReport: "rx_hash=1"
    case Feature.guestChecksum: "rx_csum=1"
    default: "lro=1"
    }
  }

  /// Features that change how rings work, which a program does not see.
  static let ofRings: UInt64 =
    Feature.packed | Feature.inOrder | Feature.eventIndex
    | Feature.indirect | Feature.mergeable
    | Feature.orderPlatform | Feature.notificationData | Feature.notificationNumber

  /// The name of the lowest bit in `bits`, for a sentence.
  static func firstName(_ bits: UInt64) -> Text {
    Text(Feature.name(UInt32(bits.trailingZeroBitCount)) ?? "an unknown feature")
  }
}
