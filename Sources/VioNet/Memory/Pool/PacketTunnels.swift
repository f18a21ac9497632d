// SPDX-License-Identifier: BSD-2-Clause
//
// Packets that lie in a UDP tunnel: where their headers are, kept beside the packet, so that a packet stays one cache line
// and others never touch a second one (virtio 1.4, 5.1.9).

import CLinux
import CVionet
import Linux
import Virtio

package enum PacketTunnels {
  /// Tells the two offsets, each where there is a place for it.
  package static func read(
    _ packet: UnsafePointer<vionet_packet>, _ outerTransport: UnsafeMutablePointer<UInt16>?,
    _ innerNetwork: UnsafeMutablePointer<UInt16>?
  ) throws(Failure) {
    // Safety: only its address counts before it was compared with the pools' packets.
    let packet = unsafe Packet(UnsafeMutablePointer(mutating: packet))
    let pool = try PacketPools.held(packet)
    if packet.flags & Offloads.tunnels == 0 { throw Failure(EINVAL, "the packet's flags name no tunnel") }
    let tunnel = pool.value.tunnel(packet)
    unsafe outerTransport?.pointee = tunnel.outerTransport
    unsafe innerNetwork?.pointee = tunnel.innerNetwork
  }

  package static func set(
    _ packet: UnsafeMutablePointer<vionet_packet>, outerTransport: UInt16, innerNetwork: UInt16
  ) throws(Failure) {
    // Safety: as read().
    let packet = unsafe Packet(packet)
    let pool = try PacketPools.held(packet)
    if outerTransport < 34 {
      throw Failure(EINVAL, "outer_transport must be at least 34, behind the headers of Ethernet and IP, not ")
        .number(outerTransport)
    }
    if innerNetwork &- outerTransport < 8 || innerNetwork < outerTransport {
      throw Failure(EINVAL, "inner_network must be at least 8 bytes behind outer_transport, not ").number(innerNetwork)
    }
    pool.value.setTunnel(packet, TunnelOffsets(outerTransport: outerTransport, innerNetwork: innerNetwork))
  }
}

extension Packet {
  /// The headers of the tunnel that the packet lies in have moved: a VLAN tag before them was taken out or put in.
  @inline(never)
  func moveTunnel(by bytes: Int) {
    guard let pool = PacketPools.containing(self) else { return }
    var tunnel = pool.value.tunnel(self)
    tunnel.outerTransport = UInt16(truncatingIfNeeded: Int(tunnel.outerTransport) &+ bytes)
    tunnel.innerNetwork = UInt16(truncatingIfNeeded: Int(tunnel.innerNetwork) &+ bytes)
    pool.value.setTunnel(self, tunnel)
  }
}
