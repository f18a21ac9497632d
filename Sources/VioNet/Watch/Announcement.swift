// SPDX-License-Identifier: BSD-2-Clause
//
// Telling the network where a station is, after it moved or its link came back. Switches learn from a RARP request for its own
// address, hosts from an ARP request for each of its IPv4 addresses, sent from that address.

import CLinux
import CVionet
import Linux

/// One of the two frames: 14 bytes of Ethernet header, 28 of ARP, and zeros up to the shortest frame.
private struct AnnouncementFrame {
  private var bytes = InlineArray<60, UInt8>(repeating: 0)

  static let length = 60

  /// Makes a RARP request (RFC 903), or with an IP address an ARP announcement (RFC 5227, 3).
  init(_ station: MACAddress, ip: InlineArray<4, UInt8>?) {
    for place in 0..<6 { bytes[place] = 0xff }
    put(station, 6)
    let isReverse = ip == nil
    put(12, isReverse ? [0x80, 0x35] : [0x08, 0x06])
    // Ethernet, IPv4, the lengths of their addresses, and the operation: request, which is 3 in RARP and 1 in ARP.
    put(14, [0, 1])
    put(16, [8, 0])
    put(18, [6, 4])
    put(20, isReverse ? [0, 3] : [0, 1])
    put(station, 22)
    if isReverse { put(station, 32) }
    guard let ip else { return }
    put(28, [ip[0], ip[1]])
    put(30, [ip[2], ip[3]])
    put(38, [ip[0], ip[1]])
    put(40, [ip[2], ip[3]])
  }

  private mutating func put(_ at: Int, _ two: InlineArray<2, UInt8>) {
    bytes[at] = two[0]
    bytes[at + 1] = two[1]
  }

  private mutating func put(_ station: MACAddress, _ at: Int) {
    let address = station.bytes
    put(at, [address.0, address.1])
    put(at + 2, [address.2, address.3])
    put(at + 4, [address.4, address.5])
  }

  /// Writes the frame into a fresh packet.
  // Safety: a fresh packet has room for 64 bytes at least.
  func copy(to packet: PacketCalls.Pointer) {
    unsafe withUnsafeBytes(of: bytes) { from in
      guard let base = from.baseAddress else { return }
      unsafe packet.pointee.data.copyMemory(from: base, byteCount: AnnouncementFrame.length)
    }
    unsafe packet.pointee.length = UInt32(AnnouncementFrame.length)
    unsafe packet.pointee.total_length = UInt32(AnnouncementFrame.length)
  }
}

extension Port {
  /// The address to announce, and the pool to take packets from.
  fileprivate func announcer(_ queue: UInt16) throws(Failure) -> (MACAddress, UInt16) {
    try mustBeStarted()
    if queue >= pairsInUse { throw Failure(EINVAL, "port ").number(number).text(" uses no queue ").number(queue) }
    if phase == .waiting || bus.isGone { throw deviceIsGone() }
    return (agreed.config.address, pools.receive?.value.number ?? 0)
  }
}

extension Ports {
  /// Sends the announcement on a transmit queue, on that queue's own thread. `addresses` has 4 bytes for each of `count`.
  // Safety: the caller's array is 4 * count bytes long, as vionet.h says.
  package static func announce(
    _ number: UInt16, _ queue: UInt16, _ addresses: UnsafePointer<UInt8>?, _ count: Int
  ) throws(Failure) {
    let isMissing = unsafe addresses == nil && count != 0
    if isMissing { throw Failure(EINVAL, "addresses is NULL") }
    let (station, pool) = try look(number) { (port) throws(Failure) in try port.value.announcer(queue) }
    try send(AnnouncementFrame(station, ip: nil), number, queue, pool)
    guard let addresses = unsafe addresses else { return }
    var index = 0
    while index < count {
      let ip = unsafe addresses + 4 * index
      let bytes = unsafe [ip[0], ip[1], ip[2], ip[3]] as InlineArray<4, UInt8>
      try send(AnnouncementFrame(station, ip: bytes), number, queue, pool)
      index &+= 1
    }
  }

  // Safety: allocate() filled `packet`, and a packet that is not sent is freed once.
  private static func send(
    _ frame: AnnouncementFrame, _ number: UInt16, _ queue: UInt16, _ pool: UInt16
  ) throws(Failure) {
    var packet: PacketCalls.Pointer?
    let isThere = unsafe PacketCalls.allocate(pool, &packet, 1)
    guard isThere, let made = unsafe packet else {
      throw Failure(ENOBUFS, "the pool has no packet for an announcement")
    }
    unsafe frame.copy(to: made)
    if unsafe transmit(number, queue, &packet, 1) == 1 { return }
    unsafe PacketCalls.free(made)
    throw Failure(ENOBUFS, "transmit queue ").number(queue).text(" has no room for an announcement")
  }
}
