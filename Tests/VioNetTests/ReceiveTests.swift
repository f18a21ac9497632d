// SPDX-License-Identifier: BSD-2-Clause
//
// Receiving from a device that behaves, and from one that does not. Names in brackets are rows of a catalogue of what
// a hostile device may do.

import CLinux
import CVionet
import Linux
import Testing

@testable import VioNet

@Suite(.serialized) struct ReceiveTests {
  @Test func aFrameArrivesAndItsDescriptorGoesBack() throws {
    let bench = try RingBench()
    #expect(bench.receiveDevice.availableIndex == 16)
    guard let id = bench.receiveDevice.take() else { throw Failure(EIO, "nothing was made available") }
    #expect(bench.receiveDevice.flags(id) == 2)
    #expect(bench.receiveDevice.length(id) == 1984 + 12)
    bench.receiveDevice.use(UInt32(id), length: 12 + 60)
    #expect(bench.rx() == 1)
    let packet = try #require(unsafe bench.list[0])
    unsafe #expect(packet.pointee.length == 60)
    unsafe #expect(packet.pointee.total_length == 60)
    unsafe #expect(packet.pointee.port == 7)
    unsafe #expect(packet.pointee.segments == 1)
    #expect(bench.receiveDevice.availableIndex == 17)
    #expect(bench.conserved(held: 1))
    unsafe PacketCalls.free(packet)
    #expect(bench.conserved(held: 0))
  }

  @Test func indicesWrapAt65536() throws {
    let bench = try RingBench()
    for _ in 0..<70000 {
      guard let id = bench.receiveDevice.take() else { throw Failure(EIO, "the ring ran dry") }
      bench.receiveDevice.use(UInt32(id), length: 72)
      #expect(bench.rx() == 1)
      unsafe PacketCalls.free(try #require(bench.list[0]))
    }
    #expect(bench.receive.value.core.counters.packets == 70000)
    #expect(bench.conserved(held: 0))
  }

  @Test(arguments: [16, 17, 65536, 65539, UInt32.max] as [UInt32])
  func anIDBeyondTheRingBreaksTheQueue(id: UInt32) throws {
    // [R01]
    let bench = try RingBench()
    _ = bench.receiveDevice.take()
    bench.receiveDevice.use(id, length: 72)
    #expect(bench.rx() == 0)
    #expect(bench.receive.value.core.fault == .badID)
    #expect(bench.conserved(held: 0))
  }

  @Test func theSameIDTwiceBreaksTheQueueOnlyIfItWasNotGivenAgain() throws {
    // [R03] The descriptor is with the device again after each use, so a repeated id is a lie only while the pool is
    // dry and the descriptor is not.
    let bench = try RingBench(size: 16, packets: 16)
    for _ in 0..<2 { bench.receiveDevice.use(3, length: 72) }
    #expect(bench.rx() == 1)
    #expect(bench.receive.value.core.fault == .notOutstanding)
    #expect(bench.conserved(held: 1))
    unsafe PacketCalls.free(try #require(bench.list[0]))
  }

  @Test(arguments: [17, 100, 32768, 65535] as [UInt16]) func anIndexThatJumpsBreaksTheQueue(jump: UInt16) throws {
    // [R06, R07] 65535 is one back.
    let bench = try RingBench()
    bench.receiveDevice.ring.used.store16Release(2, jump)
    #expect(bench.rx() == 0)
    #expect(bench.receive.value.core.fault == .indexJump)
    #expect(bench.receive.value.core.counters.packets == 0)
    #expect(bench.conserved(held: 0))
  }

  @Test(arguments: [0, 11, 12, 25, 1997, UInt32.max] as [UInt32])
  func aWrongLengthIsDroppedAndCounted(length: UInt32) throws {
    // [R27, R28, R29]
    let bench = try RingBench()
    guard let bad = bench.receiveDevice.take(), let good = bench.receiveDevice.take() else { return }
    bench.receiveDevice.use(UInt32(bad), length: length)
    bench.receiveDevice.use(UInt32(good), length: 72)
    #expect(bench.rx() == 1)
    let reason = Int((length < 26 ? VIONET_DROP_SHORT : VIONET_DROP_LONG).rawValue)
    #expect(bench.receive.value.core.counters.dropped[reason] == 1)
    #expect(bench.receive.value.core.fault == .none)
    #expect(bench.receive.value.core.ring.outstanding == 16)
    #expect(bench.conserved(held: 1))
    unsafe PacketCalls.free(try #require(bench.list[0]))
  }

  @Test func aDescriptorTableTheDeviceOverwroteChangesNothing() throws {
    // [R10, R11]
    let bench = try RingBench()
    guard let id = bench.receiveDevice.take() else { return }
    for place in 0..<16 {
      bench.receiveDevice.ring.descriptors.store64(place * 16, 0xdead)
      bench.receiveDevice.ring.descriptors.store64(place * 16 + 8, UInt64.max)
      bench.receiveDevice.ring.available.store16(4 + place * 2, 0xffff)
    }
    bench.receiveDevice.use(UInt32(id), length: 72)
    #expect(bench.rx() == 1)
    unsafe PacketCalls.free(try #require(bench.list[0]))
    #expect(bench.conserved(held: 0))
  }

  @Test func aDryPoolHoldsDescriptorsBackAndRecoversByItself() throws {
    let bench = try RingBench(size: 16, packets: 20)
    var held: [UnsafeMutablePointer<vionet_packet>] = unsafe []
    for _ in 0..<20 {
      guard let id = bench.receiveDevice.take() else { break }
      bench.receiveDevice.use(UInt32(id), length: 72)
      if bench.rx() == 1 { unsafe held.append(try #require(bench.list[0])) }
    }
    unsafe #expect(held.count == 20)
    #expect(bench.receiveDevice.take() == nil)
    #expect(bench.receive.value.core.counters.noBuffer == 16)
    unsafe #expect(bench.conserved(held: held.count))
    for packet in unsafe held { unsafe PacketCalls.free(packet) }
    #expect(bench.rx() == 0)
    #expect(bench.receive.value.core.ring.outstanding == 16)
    #expect(bench.conserved(held: 0))
  }

  @Test func aFloodOfNonsenseIsBoundedPerCall() throws {
    let bench = try RingBench(size: 16)
    for _ in 0..<16 {
      guard let id = bench.receiveDevice.take() else { break }
      bench.receiveDevice.use(UInt32(id), length: 0)
    }
    #expect(bench.rx() == 0)
    #expect(bench.receive.value.core.counters.dropped[Int(VIONET_DROP_SHORT.rawValue)] == 16)
  }

  @Test func armingTellsOfPacketsThatWait() throws {
    let bench = try RingBench()
    #expect(bench.receive.value.core.arm() == false)
    #expect(bench.receiveDevice.ring.available.load16(0) == 0)
    guard let id = bench.receiveDevice.take() else { return }
    bench.receiveDevice.use(UInt32(id), length: 72)
    #expect(bench.receive.value.core.arm() == true)
    #expect(bench.receiveDevice.ring.available.load16(0) == 1)
    #expect(bench.rx() == 1)
    unsafe PacketCalls.free(try #require(bench.list[0]))
  }
}
