// SPDX-License-Identifier: BSD-2-Clause
//
// The hash of a received packet: what the device reports, or with rss=soft the Toeplitz hash that a device with
// HASH_REPORT would report (virtio 1.4, 5.1.9.4.3), over the addresses and, of TCP and UDP, the ports.

import CLinux
import CVionet
import Linux
import Virtio

package enum SoftwareHash {
  /// The Toeplitz hash of the program's own bytes.
  // Safety: the pointers have as many bytes as the counts say.
  package static func toeplitz(
    _ key: UnsafePointer<UInt8>, _ keyLength: Int, _ data: UnsafeRawPointer, _ count: Int
  ) -> UInt32 {
    unsafe Toeplitz.hash(key, keyLength, data, count)
  }
}

extension ReceiveQueue {
  /// Gives a delivered packet its hash.
  // Safety: the header is that of a delivered packet, as applyHeader() has it.
  @inline(never)
  mutating func takeHash(_ packet: Packet, _ header: UnsafeMutableRawPointer) {
    guard let hashTable else { return unsafe packet.takeHash(header) }
    packet.hash(hashTable)
  }
}

extension Packet {
  /// Computes the hash. A packet that is neither IPv4 nor IPv6 has none; a fragment, or another protocol, has one over the
  /// addresses. What is read of the frame may change meanwhile: each place that is read was compared with the length.
  // Safety: the packet is the driver's own.
  fileprivate func hash(_ table: Table<UInt32>) {
    guard let (type, at) = network else { return }
    let isIPv6 = type == EtherType.ipv6
    if !isIPv6 && type != EtherType.ipv4 || at &+ (isIPv6 ? 40 : 20) > readable { return }
    let (first, words) = isIPv6 ? (at &+ 8, 16) : (at &+ 12, 4)
    var sum: UInt32 = 0
    for place in 0..<words { Toeplitz.add(word(first &+ place &* 2), at: place &* 2, to: &sum, table) }
    var report = isIPv6 ? HashReport.ipv6 : HashReport.ipv4
    if let headers = headers(of: type, in: at) {
      for place in 0..<2 {
        Toeplitz.add(word(Int(headers.transport) &+ place &* 2), at: (words &+ place) &* 2, to: &sum, table)
      }
      report =
        isIPv6
        ? headers.isTCP ? HashReport.tcp6 : HashReport.udp6
        : headers.isTCP ? HashReport.tcp4 : HashReport.udp4
    }
    unsafe pointer.pointee.hash = sum
    flags |= VIONET_PACKET_HASH.rawValue | report << 24
  }
}
