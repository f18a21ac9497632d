// SPDX-License-Identifier: BSD-2-Clause
//
// Checksums that a frame for a TAP interface lacks, though its header leaves none to do. passt leaves them out and says
// that frames were checked (DATA_VALID); a driver cannot pass that on (virtio 1.4, 5.1.9.2.1), and the kernel drops such
// frames. TCP's checksum is never left out, and UDP's not over IPv6: 0 stands for one that is missing, or all ones in
// IPv6, where 0 would be refused. Whatever was right comes out the same.

import CLinux
import Linux
import Virtio

enum TapChecksums {
  private static let tcp: UInt8 = 6
  private static let udp: UInt8 = 17

  /// Puts a missing checksum into a whole frame.
  static func complete(_ frame: Bytes) {
    var at = 12
    while at < 20, EtherType.isTag(type(frame, at)) { at += 4 }
    let network = frame.dropping(at + 2)
    switch type(frame, at) {
    case EtherType.ipv4: completeIPv4(network)
    case EtherType.ipv6: completeIPv6(network)
    default: break
    }
  }

  private static func type(_ frame: Bytes, _ at: Int) -> UInt16 { UInt16(bigEndian: frame.load(at, as: UInt16.self)) }

  private static func completeIPv4(_ packet: Bytes) {
    let header = Int(packet[0] & 15) * 4
    let total = Int(UInt16(bigEndian: packet.load(2, as: UInt16.self)))
    let fragment = UInt16(bigEndian: packet.load(6, as: UInt16.self)) & 0x3fff
    if packet[0] >> 4 != 4 || header < 20 || total > packet.count || total < header || fragment != 0 { return }
    if packet[9] != tcp { return }
    complete(packet.first(total).dropping(header), packet[9], addresses: packet.dropping(12).first(8))
  }

  private static func completeIPv6(_ packet: Bytes) {
    let length = Int(UInt16(bigEndian: packet.load(4, as: UInt16.self)))
    if packet[0] >> 4 != 6 || length > packet.count - 40 { return }
    complete(packet.dropping(40).first(length), packet[6], addresses: packet.dropping(8).first(32))
  }

  private static func complete(_ segment: Bytes, _ type: UInt8, addresses: Bytes) {
    if type != tcp && type != udp || segment.count < (type == tcp ? 20 : 8) { return }
    let at = type == tcp ? 16 : 6
    let found = segment.load(at, as: UInt16.self)
    if found != 0 && (type == tcp || found != .max) { return }
    segment.store(at, UInt16(0))
    let pseudo =
      Checksum.sum(addresses) &+ UInt64(UInt16(type).bigEndian)
      &+ UInt64(UInt16(truncatingIfNeeded: segment.count).bigEndian)
    segment.store(at, Checksum.finish(pseudo &+ Checksum.sum(segment)))
  }
}
