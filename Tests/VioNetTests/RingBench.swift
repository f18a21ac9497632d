// SPDX-License-Identifier: BSD-2-Clause
//
// A bench for queues without a device: rings of any kind in ordinary memory, and a DeviceSide that writes what a
// device would, or what it never should.

import CLinux
import CVionet
import Linux
import Virtio

@testable import VioNet

/// A receive and a transmit queue on one pool, with the device's side of both rings.
final class RingBench {
  let pool: Cell<PacketPool>
  let number: UInt16
  let region: Region
  let receive: Cell<ReceiveQueue>
  let transmit: Cell<TransmitQueue>
  var receiveDevice: DeviceSide
  var transmitDevice: DeviceSide
  let header: UInt32
  let list: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>

  static let longestBurst = 4096

  /// `features` are added to VERSION_1, which a device from before 1.0 lacks. `start`: buffers that went through a
  /// split ring before. `buffers`: number in a receive entry.
  init(
    _ kind: RingKind = .split, size: UInt16 = 16, packets: UInt32 = 256, dataSize: UInt32 = 0,
    features bits: [UInt64] = [], above: UInt64 = 0, isLegacy: Bool = false, stripsVLAN: Bool = false,
    longest: UInt32 = 1518, start: UInt16 = 0, buffers: Int = 1
  ) throws {
    let all = bits.reduce(isLegacy ? 0 : Feature.version1, |)
    let features = FeatureSet(all, above: above)
    var request = PacketPools.Request()
    request.packets = packets
    request.dataSize = dataSize
    request.hugepages = false
    number = try PacketPools.create(request)
    pool = try PacketPools.find(number)
    let hasIndirect = features.has(Feature.indirect)
    let layout = RingLayout(
      size: Int(size), isPacked: kind.isPacked, tableDescriptors: max(hasIndirect ? 8 : 0, buffers))
    region = try Region.make(layout.bytes * 2, hugepages: false)
    let shape = RingShape(
      isPacked: kind.isPacked, isInOrder: kind.isInOrder, hasEventIndex: features.has(Feature.eventIndex))
    let bases = unsafe (Shared(region.base), Shared(region.base + layout.bytes))
    var first = try Virtqueue(port: 7, index: 0, ring: bases.0, layout: layout, shape: shape)
    var second = try Virtqueue(port: 7, index: 1, ring: bases.1, layout: layout, shape: shape)
    first.ring.begin(at: start)
    second.ring.begin(at: start)
    let bytes = Negotiation.headerSize(features)
    header = UInt32(bytes)
    let tables = bases.1.advanced(layout.indirect)
    let reading = HeaderReading(features, stripsVLAN: stripsVLAN)
    let behind = bases.0.advanced(layout.indirect)
    let scatter =
      buffers > 1
      ? try ScatterTables(behind, deviceAddress: behind.address, buffers: buffers, size: Int(size)) : nil
    guard
      let receive = Cell.make(
        try ReceiveQueue(core: first, pool: pool, headerSize: bytes, reading: reading, scatter: scatter)),
      let transmit = Cell.make(
        try TransmitQueue(
          core: second, pool: pool, headerSize: bytes, longest: longest, pools: 1 << UInt64(number),
          offloads: TransmitOffloads(features),
          indirect: hasIndirect ? IndirectTables(tables, deviceAddress: tables.address, size: Int(size)) : nil))
    else { throw Failure(ENOMEM, "no memory for a test") }
    self.receive = receive
    self.transmit = transmit
    receiveDevice = DeviceSide(receive.value.core.ring, start: Int(start))
    transmitDevice = DeviceSide(transmit.value.core.ring, start: Int(start))
    unsafe list = .allocate(capacity: RingBench.longestBurst)
    unsafe list.initialize(repeating: nil, count: RingBench.longestBurst)
    unsafe receive.value.core.enable(ReceivePath.choose(shape, reading, isScattered: buffers > 1).burst)
    unsafe transmit.value.core.enable(TransmitPath.choose(shape).burst)
    _ = receive.value.fill()
  }

  deinit {
    receive.value.takeBack()
    transmit.value.takeBack()
    receive.value.destroy()
    transmit.value.destroy()
    receive.destroy()
    transmit.destroy()
    region.destroy()
    try? PacketPools.destroy(number)
    unsafe list.deallocate()
  }

  // MARK: Bursts

  func rx(_ count: UInt16 = 32) -> [Packet] {
    let received = unsafe receive.value.core.burst(receive.raw, list, count)
    return (0..<Int(received)).compactMap { place in
      guard let pointer = unsafe list[place] else { return nil }
      return unsafe Packet(pointer)
    }
  }

  /// The packet of a burst that finds one.
  func rxOne() throws -> Packet {
    let packets = rx()
    if packets.count == 1 { return packets[0] }
    throw Failure(EIO, "a burst found ").number(packets.count).text(" packets, not one")
  }

  func tx(_ packets: [Packet?]) -> Int {
    for (place, packet) in packets.enumerated() { unsafe list[place] = packet?.pointer }
    return unsafe Int(transmit.value.core.burst(transmit.raw, list, UInt16(packets.count)))
  }

  /// Does what vionet_tx_done() does.
  func txDone() -> Int { tx([]) }

  /// Does what vionet_rx_arm() does.
  func arm() -> Bool { receive.value.core.arm() }

  // MARK: The device's side

  /// Fills the next receive buffer with a frame of that many bytes and returns it.
  @discardableResult
  func deliver(_ length: UInt32 = 60, _ header: [UInt8] = [], first: UInt8 = 0) throws -> Offer {
    let offer = try receiveDevice.take(1)[0]
    write(length, header, first: first, to: offer)
    receiveDevice.use(offer, length: self.header + length)
    return offer
  }

  /// Writes header and frame. The default header says num_buffers 1.
  func write(_ length: UInt32, _ header: [UInt8] = [], first: UInt8 = 0, to offer: Offer) {
    let memory = offer.pieces[0].memory
    let header = header.isEmpty ? HeaderBytes().bytes(self.header) : header
    for (place, byte) in header.enumerated() { memory.store8(place, byte) }
    for place in 0..<Int(length) { memory.store8(header.count + place, first &+ UInt8(truncatingIfNeeded: place)) }
  }

  /// The next transmit buffer and its bytes, header included.
  func takeSent() throws -> (Offer, [UInt8]) {
    let offer = try transmitDevice.take(1)[0]
    let bytes = offer.pieces.flatMap { piece in (0..<Int(piece.length)).map { piece.memory.load8($0) } }
    return (offer, bytes)
  }

  // MARK: Packets

  /// A packet of the bench's pool with `length` bytes of data, which follow from `first`.
  func packet(_ length: UInt32, first: UInt8 = 0) throws -> Packet {
    var pointer: UnsafeMutablePointer<vionet_packet>?
    let made = unsafe PacketCalls.allocate(number, &pointer, 1)
    guard made, let pointer = unsafe pointer else { throw Failure(ENOBUFS, "the test's pool is empty") }
    let packet = unsafe Packet(pointer)
    for place in 0..<Int(length) {
      unsafe pointer.pointee.data.storeBytes(
        of: first &+ UInt8(truncatingIfNeeded: place), toByteOffset: place, as: UInt8.self)
    }
    unsafe pointer.pointee.length = length
    unsafe pointer.pointee.total_length = length
    return packet
  }

  func packets(_ count: Int, _ length: UInt32 = 60) throws -> [Packet] {
    var packets: [Packet] = []
    for place in 0..<count { packets.append(try packet(length, first: UInt8(truncatingIfNeeded: place))) }
    return packets
  }

  /// One packet of several segments.
  func chain(_ lengths: [UInt32]) throws -> Packet {
    var first: UInt8 = 0
    var head: Packet?
    for length in lengths {
      let segment = try packet(length, first: first)
      first &+= UInt8(truncatingIfNeeded: length)
      guard let head else {
        head = segment
        continue
      }
      unsafe _ = vionet_packet_chain(head.pointer, segment.pointer)
    }
    guard let head else { throw Failure(EINVAL, "no segments") }
    return head
  }

  func free(_ packet: Packet) { unsafe PacketCalls.free(packet.pointer) }
  func free(_ packets: [Packet]) { for packet in packets { free(packet) } }

  /// True if packets in the pool, in rings and in the test's hands (`held`) are all there are. `refused`: frees that
  /// were refused.
  func conserved(held: Int = 0, refused: UInt64 = 0) -> Bool {
    var inRings = 0
    for id in 0..<Int(receive.value.core.ring.size) {
      var segment = receive.value.core.slots[unchecked: id] ?? receive.value.scatter?.rest[unchecked: id]
      while let packet = segment {
        inRings += 1
        // Only buffers of a table are linked; what else says a packet in a ring is its last caller's.
        segment = receive.value.scatter == nil ? nil : packet.next
      }
      let tagged = transmit.value.core.slots[uncheckedTagged: id]
      if tagged & SlotTag.indirect != 0, let indirect = transmit.value.indirect {
        inRings += (id * 8..<id * 8 + 8).filter { indirect.packets[unchecked: $0] != nil }.count
      } else if tagged != 0 {
        inRings += 1
      }
    }
    let caches = receive.value.cache.count + transmit.value.cache.count
    return pool.value.freeCount + caches + inRings + held == pool.value.packetCount && pool.value.refused == refused
  }

  // MARK: Counters

  var received: QueueCounters { receive.value.core.counters }
  var sent: QueueCounters { transmit.value.core.counters }
}

extension QueueCounters {
  func dropped(_ reason: vionet_drop) -> UInt64 { dropped[Int(reason.rawValue)] }
  var allDropped: UInt64 { (0..<8).reduce(0) { $0 + dropped[$1] } }
}

extension RingState {
  /// Makes a split ring look as if that many buffers of one descriptor had gone through it.
  mutating func begin(at start: UInt16) {
    if start == 0 || shape.isPacked { return }
    nextAvailable = start
    lastUsed = start
    published = start
    idle.head &+= start
    idle.tail &+= start
    exposeSplit()
    used.store16(2, start)
    refuseNotifications()
  }
}
