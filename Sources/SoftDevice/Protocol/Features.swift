// SPDX-License-Identifier: BSD-2-Clause
//
// Features that the device can offer. It offers no bit that it does not serve, and none without those that the bit
// depends on (virtio 1.4, 2.2.2).

import CLinux
import Linux
import Virtio

extension Feature {
  /// All that this device serves.
  static let served =
    mtu | mac | status | mergeable | anyLayout | indirect | eventIndex | protocolFeatures | version1 | packed | inOrder
    | controlQueue | throughControl | guestOffloads | hostOffloads | guestHeaderLength | speedDuplex

  /// What can be agreed on only with a control queue.
  static let throughControl =
    controlOffloads | controlReceive | controlVLAN | controlReceiveExtra | announce | multiqueue | controlAddress
    | deviceStatistics | rss | hashReport | coalescing | queueCoalescing
  /// Either lets the driver use more than one pair (5.1.2).
  static let manyPairs = multiqueue | rss
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

extension ProtocolFeature {
  /// The protocol features that this device offers.
  static let offered =
    multiqueue | announce | replyAcknowledge | mtu | backendRequests | config | inflight | resetDevice | memorySlots
    | status
}

extension HigherFeature {
  /// All features above bit 63 that this device serves.
  static let served = guest | host
}
