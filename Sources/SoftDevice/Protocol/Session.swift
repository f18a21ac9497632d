// SPDX-License-Identifier: BSD-2-Clause
//
// What was agreed with the front-end that is connected, and what the device is for all of them.

import CLinux
import Linux

struct Session {
  var features: UInt64 = 0
  var protocolFeatures: UInt64 = 0
  var status: UInt8 = 0
  var featuresAreSet = false
  /// NET_SET_MTU's; 0 before it.
  var mtu: UInt16 = 0

  func has(_ feature: UInt64) -> Bool { features & feature != 0 }

  /// Buffers may be used: the driver has said DRIVER_OK, if this front-end passes its status on at all (2.1.2).
  var isReady: Bool {
    featuresAreSet && (protocolFeatures & ProtocolFeature.status == 0 || status & Status.driverOK != 0)
  }

  /// Without the protocol features every ring is enabled from the beginning.
  var ringsBeginEnabled: Bool { featuresAreSet && !has(Feature.protocolFeatures) }

  var rings: RingAgreement {
    RingAgreement(
      isPacked: has(Feature.packed), hasIndirect: has(Feature.indirect), hasEventIndex: has(Feature.eventIndex),
      isInOrder: has(Feature.inOrder))
  }

  func terms(_ config: NetConfig) -> Terms {
    Terms(
      header: has(Feature.version1 | Feature.mergeable) ? 12 : 10,
      longest: has(Feature.mtu) ? Int(mtu != 0 ? mtu : config.mtu) + Device.linkHeader : Int.max,
      isMergeable: has(Feature.mergeable), readsHeaders: has(Feature.hostOffloads),
      guest: features & Feature.guestOffloads)
  }

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
  let pairs: Int
  let mtu: UInt16
  private(set) var mac: InlineArray<6, UInt8>

  init(_ options: DeviceOptions, longest: Int) {
    pairs = options.pairs
    mtu = options.mtu ?? UInt16(max(1500, longest - 14))
    mac = options.mac ?? Self.randomAddress()
  }

  /// A random address of our own, as told by its second bit.
  private static func randomAddress() -> InlineArray<6, UInt8> {
    var random = arc4random()
    var address = InlineArray<6, UInt8>(repeating: 0)
    address[0] = 0x02
    address[1] = 0x5e
    for index in 2..<6 {
      address[index] = UInt8(truncatingIfNeeded: random)
      random >>= 8
    }
    return address
  }

  /// One byte of the configuration space; 0 behind its last field.
  func byte(_ at: Int) -> UInt8 {
    switch at {
    case 0..<6: return mac[at]
    case 6: return UInt8(VIRTIO_NET_S_LINK_UP)
    case 8: return UInt8(truncatingIfNeeded: pairs)
    case 10: return UInt8(truncatingIfNeeded: mtu)
    case 11: return UInt8(truncatingIfNeeded: mtu >> 8)
    default: return 0
    }
  }
}
