// SPDX-License-Identifier: BSD-2-Clause
//
// The type field of an Ethernet frame (IEEE 802.3, 3.2.6), as far as drivers and devices have to look at it.

package enum EtherType {
  @inline(__always) package static var ipv4: UInt16 { 0x0800 }
  @inline(__always) package static var ipv6: UInt16 { 0x86dd }
  /// A customer's VLAN tag follows (IEEE 802.1Q, table 9-1).
  @inline(__always) package static var vlan: UInt16 { 0x8100 }
  /// A provider's VLAN tag follows.
  @inline(__always) package static var providerVLAN: UInt16 { 0x88a8 }

  @inline(__always) package static func isTag(_ type: UInt16) -> Bool { type == vlan || type == providerVLAN }
}
