// SPDX-License-Identifier: BSD-2-Clause
//
// What the device can offer. No bit is offered that is not served, and none without those it depends on (virtio 1.4,
// 2.2.2).

import CLinux
import Linux

enum Feature {
  static let checksum: UInt64 = 1 << 0
  static let guestChecksum: UInt64 = 1 << 1
  static let controlOffloads: UInt64 = 1 << 2
  static let mtu: UInt64 = 1 << 3
  static let mac: UInt64 = 1 << 5
  static let guestTSO4: UInt64 = 1 << 7
  static let guestTSO6: UInt64 = 1 << 8
  static let guestECN: UInt64 = 1 << 9
  static let hostTSO4: UInt64 = 1 << 11
  static let hostTSO6: UInt64 = 1 << 12
  static let hostECN: UInt64 = 1 << 13
  static let mergeable: UInt64 = 1 << 15
  static let status: UInt64 = 1 << 16
  static let controlQueue: UInt64 = 1 << 17
  static let controlReceive: UInt64 = 1 << 18
  static let controlVLAN: UInt64 = 1 << 19
  static let controlReceiveExtra: UInt64 = 1 << 20
  static let announce: UInt64 = 1 << 21
  static let multiqueue: UInt64 = 1 << 22
  static let controlAddress: UInt64 = 1 << 23
  static let anyLayout: UInt64 = 1 << 27
  static let indirect: UInt64 = 1 << 28
  static let eventIndex: UInt64 = 1 << 29
  /// vhost-user's own: protocol features can be asked for.
  static let protocolFeatures: UInt64 = 1 << 30
  static let version1: UInt64 = 1 << 32
  static let packed: UInt64 = 1 << 34
  static let inOrder: UInt64 = 1 << 35
  static let guestUSO4: UInt64 = 1 << 54
  static let guestUSO6: UInt64 = 1 << 55
  static let hostUSO: UInt64 = 1 << 56
  /// The driver says how long headers are. Nothing here relies on it.
  static let guestHeaderLength: UInt64 = 1 << 59

  /// All that this device serves.
  static let served =
    mtu | mac | status | mergeable | anyLayout | indirect | eventIndex | protocolFeatures | version1 | packed | inOrder
    | controlQueue | throughControl | guestOffloads | hostOffloads | guestHeaderLength

  /// What can be agreed on only with a control queue.
  static let throughControl =
    controlOffloads | controlReceive | controlVLAN | controlReceiveExtra | announce | multiqueue | controlAddress
  /// Offloads that a frame for the driver may need.
  static let guestOffloads = guestChecksum | guestTSO4 | guestTSO6 | guestECN | guestUSO4 | guestUSO6
  /// Offloads that a frame of the driver's may ask for.
  static let hostOffloads = checksum | hostTSO4 | hostTSO6 | hostECN | hostUSO

  /// What is left of some features without those whose prerequisite is not among them (5.1.3.1).
  static func closed(_ features: UInt64) -> UInt64 {
    var left = features
    if left & controlQueue == 0 { left &= ~throughControl }
    if left & checksum == 0 { left &= ~hostOffloads }
    if left & (hostTSO4 | hostTSO6) == 0 { left &= ~hostECN }
    if left & guestChecksum == 0 { left &= ~guestOffloads }
    if left & (guestTSO4 | guestTSO6) == 0 { left &= ~guestECN }
    if left & guestOffloads == 0 { left &= ~controlOffloads }
    if left & status == 0 { left &= ~announce }
    return left
  }
}

enum ProtocolFeature {
  static let multiqueue: UInt64 = 1 << 0
  static let announcement: UInt64 = 1 << 2
  static let replyAck: UInt64 = 1 << 3
  static let mtu: UInt64 = 1 << 4
  static let backendRequests: UInt64 = 1 << 5
  static let config: UInt64 = 1 << 9
  static let inflight: UInt64 = 1 << 12
  static let resetDevice: UInt64 = 1 << 13
  static let memorySlots: UInt64 = 1 << 15
  static let status: UInt64 = 1 << 16

  static let offered =
    multiqueue | announcement | replyAck | mtu | backendRequests | config | inflight | resetDevice | memorySlots
    | status
}

enum Status {
  static let driverOK: UInt8 = 4
  static let featuresOK: UInt8 = 8
}
