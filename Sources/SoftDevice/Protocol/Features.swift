// SPDX-License-Identifier: BSD-2-Clause
//
// What the device offers, and what one front-end has agreed to. No bit is offered that is not served (virtio 1.4,
// 2.2.2).

import CLinux
import Linux

enum Feature {
  static let mtu: UInt64 = 1 << 3
  static let mac: UInt64 = 1 << 5
  static let status: UInt64 = 1 << 16
  static let anyLayout: UInt64 = 1 << 27
  static let indirect: UInt64 = 1 << 28
  /// vhost-user's own: protocol features can be asked for.
  static let protocolFeatures: UInt64 = 1 << 30
  static let version1: UInt64 = 1 << 32

  static let offered = mtu | mac | status | anyLayout | indirect | protocolFeatures | version1
}

enum ProtocolFeature {
  static let multiqueue: UInt64 = 1 << 0
  static let replyAck: UInt64 = 1 << 3
  static let mtu: UInt64 = 1 << 4
  static let config: UInt64 = 1 << 9
  static let resetDevice: UInt64 = 1 << 13
  static let status: UInt64 = 1 << 16

  static let offered = multiqueue | replyAck | mtu | config | resetDevice | status
}

enum Status {
  static let driverOK: UInt8 = 4
  static let featuresOK: UInt8 = 8
}

/// What was agreed with the front-end that is connected.
struct Session {
  var features: UInt64 = 0
  var protocolFeatures: UInt64 = 0
  var status: UInt8 = 0
  var featuresAreSet = false
  /// NET_SET_MTU's; 0 before it.
  var mtu: UInt16 = 0

  /// Bytes of virtio-net header before each frame.
  var header: Int { features & Feature.version1 != 0 ? 12 : 10 }

  /// Buffers may be used: the driver has said DRIVER_OK, if this front-end passes its status on at all (2.1.2).
  var isReady: Bool {
    featuresAreSet && (protocolFeatures & ProtocolFeature.status == 0 || status & Status.driverOK != 0)
  }

  /// Without the protocol features every ring is enabled from the beginning.
  var ringsBeginEnabled: Bool { featuresAreSet && features & Feature.protocolFeatures == 0 }

  /// As after a reset of the device; what concerns the connection stays.
  mutating func reset() {
    features = 0
    featuresAreSet = false
    status = 0
  }
}

/// What the device is, for as long as it is: the fields of virtio_net_config (virtio 1.4, 5.1.4).
struct NetConfig {
  static let size = 256
  private(set) var mac = InlineArray<6, UInt8>(repeating: 0)
  let mtu: UInt16

  /// A random address of our own, as told by its second bit.
  init(mtu: UInt16) {
    self.mtu = mtu
    var random = arc4random()
    mac[0] = 0x02
    mac[1] = 0x5e
    for index in 2..<6 {
      mac[index] = UInt8(truncatingIfNeeded: random)
      random >>= 8
    }
  }

  /// One byte of the configuration space; 0 behind its last field.
  func byte(_ at: Int) -> UInt8 {
    switch at {
    case 0..<6: return mac[at]
    case 6: return UInt8(VIRTIO_NET_S_LINK_UP)
    case 8: return 1
    case 10: return UInt8(truncatingIfNeeded: mtu)
    case 11: return UInt8(truncatingIfNeeded: mtu >> 8)
    default: return 0
    }
  }
}
