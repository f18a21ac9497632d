// SPDX-License-Identifier: BSD-2-Clause
//
// Sending packets that lie in a UDP tunnel and are to be cut by the device (virtio 1.4, 5.1.9.2.1). The device cuts the
// packet inside and repeats the headers of both for each piece, so that it has to be told where they lie: the tunnel's
// offsets are beside the packet, and the checksum's place is in the packet inside.

import CLinux
import CVionet
import Linux
import Virtio

extension TransmitQueue {
  /// Gives a checked packet the length of its headers. That of a received packet is a hint that may say anything; the device
  /// relies on the right one (GUEST_HDRLEN). If no TCP or UDP lies where the packet says, the number stays.
  @inline(never)
  mutating func findTunnelHeaders(_ head: Packet) {
    guard let headers = innerHeaders(head) else { return }
    var offloads = head.offloads
    if offloads.checksumStart != headers.transport { return }
    offloads.headerLength = headers.end
    head.offloads = offloads
  }

  /// Headers of the packet in the tunnel that a checked packet says it is.
  private mutating func innerHeaders(_ head: Packet) -> FrameHeaders? {
    guard let pool = PacketPools.containing(head) else { return nil }
    return start(head).headers(in: Int(pool.value.tunnel(head).innerNetwork))
  }

  /// Prepares a packet that its flags say is in a tunnel: both checksums, and the places inside.
  @inline(never)
  mutating func prepareTunnel(_ packet: Packet, _ pool: Cell<PacketPool>) throws(Failure) {
    if !offloads.hasTunnel { throw TransmitQueue.lacks("VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO") }
    if packet.flags & Offloads.tunnelChecksum != 0 && !offloads.hasTunnelChecksum {
      throw TransmitQueue.lacks("VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM")
    }
    try offloads.mustHave(packet.flags)
    var requests = packet.offloads
    if requests.checksumStart != 0 && requests.headerLength != 0 { return }
    try PacketViews.check(packet)
    guard let inner = innerHeaders(packet) else {
      throw Failure(EINVAL, "no TCP or UDP lies in the tunnel where vionet_packet_tunnel_set() says its IP header is")
    }
    if requests.checksumStart == 0 {
      let total = Int(packet.totalLength)
      let frame = start(packet)
      try store(frame.pseudoSum(inner, total &- Int(inner.transport)), inner, packet)
      if packet.flags & Offloads.tunnelChecksum != 0 {
        guard let outer = frame.headers, !outer.isTCP,
          outer.transport == pool.value.tunnel(packet).outerTransport
        else {
          throw Failure(EINVAL, "no UDP header lies where vionet_packet_tunnel_set() says the tunnel's is")
        }
        try store(frame.pseudoSum(outer, total &- Int(outer.transport)), outer, packet)
      }
      requests.checksumStart = inner.transport
      requests.checksumOffset = inner.checksumOffset
    }
    requests.headerLength = inner.end
    packet.offloads = requests
  }

  private mutating func store(_ sum: WordSum, _ headers: FrameHeaders, _ packet: Packet) throws(Failure) {
    let field = Int(headers.transport &+ headers.checksumOffset)
    if !packet.isWritable(field, 2) { throw TransmitQueue.sharedData }
    packet.store(sum.folded, at: field)
  }

  private static func lacks(_ feature: StaticString) -> Failure {
    Failure(ENOTSUP, "the packet's flags ask for ").text(feature)
      .text(", which was not negotiated: the key tunnel=1, and a device that offers it")
  }
}

extension PacketCut {
  /// Where the tunnel's headers lie in a frame with a copy of the packet's headers: further on if a tag was put in.
  func tunnel(of packet: Packet, _ pool: Cell<PacketPool>) -> TunnelOffsets {
    let shift = offloads.checksumStart &- packet.offloads.checksumStart
    let tunnel = pool.value.tunnel(packet)
    return TunnelOffsets(
      outerTransport: tunnel.outerTransport &+ shift, innerNetwork: tunnel.innerNetwork &+ shift)
  }
}
