// SPDX-License-Identifier: BSD-2-Clause
//
// The names of feature bits, for sentences and logs (virtio 1.4, 5.1.3 and 6).

extension Feature {
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
}
