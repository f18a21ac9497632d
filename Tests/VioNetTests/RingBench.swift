// SPDX-License-Identifier: BSD-2-Clause
//
// A bench for queues without a device: a ring in ordinary memory, and a hand that writes what a device would, or what
// it never should.

import CLinux
import CVionet
import Linux

@testable import VioNet

/// One queue's ring as the device sees it.
struct DeviceSide {
  let ring: RingState
  var usedIndex: UInt16 = 0
  var takenIndex: UInt16 = 0

  init(_ ring: RingState) { self.ring = ring }

  var availableIndex: UInt16 { ring.available.load16(2) }

  /// The next head that the driver made available.
  mutating func take() -> Int? {
    if takenIndex == availableIndex { return nil }
    let head = ring.available.load16(4 + Int(takenIndex & ring.mask) * 2)
    takenIndex &+= 1
    return Int(head)
  }

  func address(_ id: Int) -> UInt64 { ring.descriptors.load64(id * 16) }
  func length(_ id: Int) -> UInt32 { ring.descriptors.load32(id * 16 + 8) }
  func flags(_ id: Int) -> UInt16 { ring.descriptors.load16(id * 16 + 12) }
  func next(_ id: Int) -> Int { Int(ring.descriptors.load16(id * 16 + 14)) }

  mutating func use(_ id: UInt32, length: UInt32) {
    let at = 4 + Int(usedIndex & ring.mask) * 8
    ring.used.store32(at, id)
    ring.used.store32(at + 4, length)
    usedIndex &+= 1
    ring.used.store16Release(2, usedIndex)
  }
}

/// A receive and a transmit queue on one pool, with the device's hands on both rings.
final class RingBench {
  let pool: Cell<PacketPool>
  let number: UInt16
  let region: Region
  let receive: Cell<ReceiveQueue>
  let transmit: Cell<TransmitQueue>
  var receiveDevice: DeviceSide
  var transmitDevice: DeviceSide
  let list: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>

  init(size: UInt16 = 16, packets: UInt32 = 256) throws {
    var request = PacketPools.Request()
    request.packets = packets
    request.hugepages = false
    number = try PacketPools.create(request)
    pool = try PacketPools.find(number)
    let layout = RingLayout(size: Int(size))
    region = try Region.make(layout.bytes * 2, hugepages: false)
    let first = try unsafe Virtqueue(
      port: 7, index: 0, ring: Shared(region.base), layout: layout, shape: RingShape())
    let second = try unsafe Virtqueue(
      port: 7, index: 1, ring: Shared(region.base + layout.bytes), layout: layout, shape: RingShape())
    let none = FeatureSet(0)
    guard
      let receive = Cell.make(
        try ReceiveQueue(
          core: first, pool: pool, headerSize: 12, reading: HeaderReading(none, stripsVLAN: false))),
      let transmit = Cell.make(
        try TransmitQueue(
          core: second, pool: pool, headerSize: 12, longest: 1518, pools: 1 << UInt64(number),
          offers: TransmitOffers(none), indirect: nil))
    else { throw Failure(ENOMEM, "no memory for a test") }
    self.receive = receive
    self.transmit = transmit
    receiveDevice = DeviceSide(receive.value.core.ring)
    transmitDevice = DeviceSide(transmit.value.core.ring)
    unsafe list = .allocate(capacity: 64)
    unsafe list.initialize(repeating: nil, count: 64)
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

  func rx(_ count: UInt16 = 32) -> Int {
    let path = ReceivePath.choose(receive.value.core.ring.shape, receive.value.reading)
    return unsafe Int(path.burst(receive.raw, list, count))
  }
  func tx(_ count: UInt16) -> Int {
    let path = TransmitPath.choose(transmit.value.core.ring.shape)
    return unsafe Int(path.burst(transmit.raw, list, count))
  }

  /// The next head on the transmit ring.
  func taken() throws -> Int {
    guard let id = transmitDevice.take() else { throw Failure(EIO, "nothing is on the transmit ring") }
    return id
  }

  /// A packet of the bench's pool with `length` bytes of data.
  func packet(_ length: UInt32) -> UnsafeMutablePointer<vionet_packet> {
    var packet: UnsafeMutablePointer<vionet_packet>?
    let made = unsafe PacketCalls.allocate(number, &packet, 1)
    guard made, let packet = unsafe packet else { preconditionFailure("the test's pool is empty") }
    unsafe packet.pointee.length = length
    unsafe packet.pointee.total_length = length
    return unsafe packet
  }

  /// free + in ring + with caller must be all there are; `held` is what the test itself holds.
  func conserved(held: Int) -> Bool {
    var inRings = 0
    for id in 0..<Int(receive.value.core.ring.size) {
      if receive.value.core.slots[id] != nil { inRings += 1 }
      if transmit.value.core.slots[marked: id] != 0 { inRings += 1 }
    }
    let caches = receive.value.cache.count + transmit.value.cache.count
    return pool.value.freeCount + caches + inRings + held == pool.value.packetCount
  }
}
