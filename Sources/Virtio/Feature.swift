// SPDX-License-Identifier: BSD-2-Clause
//
// Feature bits of a network device, each as a mask of the 64 bits that a device offers first (virtio 1.4, 2.2). Bits 0
// to 23 and 50 to 63 are the network device's own (5.1.3), the others belong to every device (6).

package enum Feature {
  /// CSUM: the device completes checksums of sent packets.
  @inline(__always) package static var checksum: UInt64 { 1 << 0 }
  /// GUEST_CSUM: the driver takes packets whose checksum is incomplete, or that the device has checked.
  @inline(__always) package static var guestChecksum: UInt64 { 1 << 1 }
  /// CTRL_GUEST_OFFLOADS: offloads of received packets are changed by a command.
  @inline(__always) package static var controlOffloads: UInt64 { 1 << 2 }
  /// MTU: the configuration has the largest MTU.
  @inline(__always) package static var mtu: UInt64 { 1 << 3 }
  /// MAC: the configuration has the device's address.
  @inline(__always) package static var mac: UInt64 { 1 << 5 }
  /// GUEST_TSO4: the driver takes joined TCP segments over IPv4.
  @inline(__always) package static var guestTSO4: UInt64 { 1 << 7 }
  /// GUEST_TSO6: the driver takes joined TCP segments over IPv6.
  @inline(__always) package static var guestTSO6: UInt64 { 1 << 8 }
  /// GUEST_ECN: joined TCP segments may carry ECN.
  @inline(__always) package static var guestECN: UInt64 { 1 << 9 }
  /// HOST_TSO4: the device cuts TCP over IPv4 into segments.
  @inline(__always) package static var hostTSO4: UInt64 { 1 << 11 }
  /// HOST_TSO6: the device cuts TCP over IPv6 into segments.
  @inline(__always) package static var hostTSO6: UInt64 { 1 << 12 }
  /// HOST_ECN: packets to be cut into segments may carry ECN.
  @inline(__always) package static var hostECN: UInt64 { 1 << 13 }
  /// MRG_RXBUF: a received packet may take several buffers.
  @inline(__always) package static var mergeable: UInt64 { 1 << 15 }
  /// STATUS: the configuration has the state of the link.
  @inline(__always) package static var status: UInt64 { 1 << 16 }
  /// CTRL_VQ: there is a control queue.
  @inline(__always) package static var controlQueue: UInt64 { 1 << 17 }
  /// CTRL_RX: promiscuous and all-multicast mode, and the table of addresses.
  @inline(__always) package static var controlReceive: UInt64 { 1 << 18 }
  /// CTRL_VLAN: VLAN filters.
  @inline(__always) package static var controlVLAN: UInt64 { 1 << 19 }
  /// CTRL_RX_EXTRA: the other receive modes.
  @inline(__always) package static var controlReceiveExtra: UInt64 { 1 << 20 }
  /// GUEST_ANNOUNCE: the device can ask the driver to announce itself.
  @inline(__always) package static var announce: UInt64 { 1 << 21 }
  /// MQ: several pairs of queues.
  @inline(__always) package static var multiqueue: UInt64 { 1 << 22 }
  /// CTRL_MAC_ADDR: a command sets the device's address.
  @inline(__always) package static var controlAddress: UInt64 { 1 << 23 }
  /// ANY_LAYOUT: header and packet may share a descriptor (6.3, of legacy devices).
  @inline(__always) package static var anyLayout: UInt64 { 1 << 27 }
  /// INDIRECT_DESC: a descriptor may name a table of descriptors.
  @inline(__always) package static var indirect: UInt64 { 1 << 28 }
  /// EVENT_IDX: each side says at which entry it wants a signal.
  @inline(__always) package static var eventIndex: UInt64 { 1 << 29 }
  /// VHOST_USER_F_PROTOCOL_FEATURES: protocol features can be asked for (vhost-user, "Feature bits").
  @inline(__always) package static var protocolFeatures: UInt64 { 1 << 30 }
  /// VERSION_1: the device keeps to virtio 1.0 or later.
  @inline(__always) package static var version1: UInt64 { 1 << 32 }
  /// ACCESS_PLATFORM: the device reaches memory through an IOMMU or the like.
  @inline(__always) package static var accessPlatform: UInt64 { 1 << 33 }
  /// RING_PACKED: rings are packed.
  @inline(__always) package static var packed: UInt64 { 1 << 34 }
  /// IN_ORDER: the device uses buffers in the order in which it got them.
  @inline(__always) package static var inOrder: UInt64 { 1 << 35 }
  /// ORDER_PLATFORM: memory accesses need barriers as for hardware.
  @inline(__always) package static var orderPlatform: UInt64 { 1 << 36 }
  /// NOTIFICATION_DATA: a notification says where the next entry is.
  @inline(__always) package static var notificationData: UInt64 { 1 << 38 }
  /// NOTIF_CONFIG_DATA: a notification names its queue by a number that the device gives.
  @inline(__always) package static var notificationNumber: UInt64 { 1 << 39 }
  /// RING_RESET: one queue can be reset while the others run.
  @inline(__always) package static var ringReset: UInt64 { 1 << 40 }
  /// SUSPEND: the device can be told to come to rest, and keeps its state.
  @inline(__always) package static var suspend: UInt64 { 1 << 43 }
  /// DEVICE_STATS: a command reads the device's counters.
  @inline(__always) package static var deviceStatistics: UInt64 { 1 << 50 }
  /// VQ_NOTF_COAL: interrupts are moderated for each queue.
  @inline(__always) package static var queueCoalescing: UInt64 { 1 << 52 }
  /// NOTF_COAL: interrupts are moderated for all queues of a direction.
  @inline(__always) package static var coalescing: UInt64 { 1 << 53 }
  /// GUEST_USO4: the driver takes joined UDP datagrams over IPv4.
  @inline(__always) package static var guestUSO4: UInt64 { 1 << 54 }
  /// GUEST_USO6: the driver takes joined UDP datagrams over IPv6.
  @inline(__always) package static var guestUSO6: UInt64 { 1 << 55 }
  /// HOST_USO: the device cuts UDP into datagrams.
  @inline(__always) package static var hostUSO: UInt64 { 1 << 56 }
  /// HASH_REPORT: received packets come with their hash.
  @inline(__always) package static var hashReport: UInt64 { 1 << 57 }
  /// GUEST_HDRLEN: the driver's header lengths are exact.
  @inline(__always) package static var guestHeaderLength: UInt64 { 1 << 59 }
  /// RSS: the device spreads received packets over queues by their hash.
  @inline(__always) package static var rss: UInt64 { 1 << 60 }
  /// SPEED_DUPLEX: the configuration has the link's speed.
  @inline(__always) package static var speedDuplex: UInt64 { 1 << 63 }
}

/// Features above bit 63, each as a mask of bits 64 to 127.
package enum HigherFeature {
  /// GUEST_UDP_TUNNEL_GSO: the driver takes joined packets that lie in a UDP tunnel.
  @inline(__always) package static var guestTunnel: UInt64 { 1 << 1 }
  /// GUEST_UDP_TUNNEL_GSO_CSUM: the tunnel's own checksum may be incomplete, or checked.
  @inline(__always) package static var guestTunnelChecksum: UInt64 { 1 << 2 }
  /// HOST_UDP_TUNNEL_GSO: the device cuts packets that lie in a UDP tunnel.
  @inline(__always) package static var hostTunnel: UInt64 { 1 << 3 }
  /// HOST_UDP_TUNNEL_GSO_CSUM: the device completes the tunnel's own checksum.
  @inline(__always) package static var hostTunnelChecksum: UInt64 { 1 << 4 }

  @inline(__always) package static var guest: UInt64 { guestTunnel | guestTunnelChecksum }
  // In the command that sets offloads, which has 64 bits, others stand for these two (5.1.9.5.9.1).
  private static var offloadShift: UInt64 { 45 }
  package static func offloads(_ above: UInt64) -> UInt64 { (above & guest) << offloadShift }
  package static func above(offloads: UInt64) -> UInt64 { offloads >> offloadShift & guest }
  @inline(__always) package static var host: UInt64 { hostTunnel | hostTunnelChecksum }
  /// Those that give the net header the offsets of a tunnel, each alone (virtio 1.4, 5.1.9).
  @inline(__always) package static var tunnels: UInt64 { guestTunnel | hostTunnel }

  /// What is left of some features without those whose prerequisite is not among them or in `bits` (5.1.3.1).
  package static func closed(_ above: UInt64, with bits: UInt64) -> UInt64 {
    let guestSegments = Feature.guestTSO4 | Feature.guestTSO6 | Feature.guestUSO4 | Feature.guestUSO6
    let hostSegments = Feature.hostTSO4 | Feature.hostTSO6 | Feature.hostUSO
    var left = above
    if bits & guestSegments != guestSegments { left &= ~guestTunnel }
    if bits & hostSegments != hostSegments { left &= ~hostTunnel }
    if left & guestTunnel == 0 { left &= ~guestTunnelChecksum }
    if left & hostTunnel == 0 { left &= ~hostTunnelChecksum }
    return left
  }
}

/// The 128 feature bits that a device can offer and a driver accept.
package struct FeatureSet: Sendable, Equatable {
  /// Bits 0 to 63.
  package var bits: UInt64
  /// Bits 64 to 127, which virtio 1.4 begins to use. A modern PCI device can offer them, and our own.
  package var above: UInt64

  @inline(__always)
  package init(_ bits: UInt64, above: UInt64 = 0) {
    self.bits = bits
    self.above = above
  }

  package var isEmpty: Bool { bits | above == 0 }

  /// True if the set has one of these bits.
  @inline(__always) package func has(_ feature: UInt64) -> Bool { bits & feature != 0 }
  @inline(__always) package func has(above feature: UInt64) -> Bool { above & feature != 0 }
  @inline(__always) package mutating func remove(_ feature: UInt64) { bits &= ~feature }

  /// True if the set has the bit of this number, 0 to 127.
  package func has(bit: UInt32) -> Bool { (bit < 64 ? bits : above) >> UInt64(bit & 63) & 1 != 0 }
  package mutating func remove(bit: UInt32) {
    if bit < 64 { bits &= ~(1 << UInt64(bit)) } else { above &= ~(1 << UInt64(bit & 63)) }
  }
}
