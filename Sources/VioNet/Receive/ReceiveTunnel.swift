// SPDX-License-Identifier: BSD-2-Clause
//
// The header of a received packet that was joined and lies in a UDP tunnel (virtio 1.4, 5.1.9.4): two offsets more, which
// nobody reads of any other packet. They go beside the packet, where vionet_packet_tunnel() finds them.

import CLinux
import CVionet
import Linux
import Virtio

extension ReceiveQueue {
  /// Puts into a packet what a header says that is not valid without a tunnel. False if its type is unknown, may not have been
  /// sent, or does not fit the packet. Reads the header anew: what was found invalid is not used.
  @inline(never)
  mutating func applyTunnel(_ packet: Packet, _ header: UnsafeMutableRawPointer) -> Bool {
    // Safety: with the feature a header has 24 bytes, and each field is read once.
    if !reading.hasTunnel { return false }
    let word = unsafe UInt32(shared_load16(header))
    let given = Offloads(
      unsafe header.loadUnaligned(fromByteOffset: NetHeaderLayout.headerLength, as: UInt64.self))
    let type = UInt8(truncatingIfNeeded: word >> 8)
    // tested by TunnelHeaderTests
    if !TunnelOffsets.isSound(type) || given.segmentSize == 0 { return false }
    if reading.types >> (type & 7) & 1 == 0 { return false }
    if type & Segmentation.ecn != 0 && !reading.hasECN { return false }  // tested by TunnelHeaderTests
    let rules = Offloads.needsChecksum | Offloads.dataValid | UInt32(NetHeaderFlag.segmentInformation)
    // tested by TunnelHeaderTests
    if word & rules != Offloads.needsChecksum { return false }
    // tested by TunnelHeaderTests
    if word & Offloads.tunnelChecksum != 0 && !reading.hasTunnelChecksum { return false }
    // tested by TunnelHeaderTests
    if UInt32(given.checksumStart) + UInt32(given.checksumOffset) + 2 > packet.totalLength { return false }
    let tunnel = TunnelOffsets(
      outerTransport: unsafe shared_load16(header + NetHeaderLayout.outerTransport),
      innerNetwork: unsafe shared_load16(header + NetHeaderLayout.innerNetwork))
    // tested by TunnelHeaderTests
    if !tunnel.fit(type, transport: given.checksumStart, total: packet.totalLength) { return false }
    PacketPools.containing(packet)?.value.setTunnel(packet, tunnel)
    var offloads = given
    if UInt32(offloads.headerLength) > packet.length { offloads.headerLength = 0 }
    packet.flags = word & (Offloads.requests | Offloads.tunnelChecksum)
    packet.offloads = offloads
    return true
  }
}
