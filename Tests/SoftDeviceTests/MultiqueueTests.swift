// SPDX-License-Identifier: BSD-2-Clause
//
// Several queue pairs: which of them get frames, and which.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

/// An IPv4 frame with UDP ports.
func datagram(_ flow: Int, _ length: Int = 80) -> [UInt8] {
  var bytes = frame(length, seed: flow)
  bytes[12] = 8
  bytes[13] = 0
  bytes.replaceSubrange(14..<24, with: [0x45, 0, 0, UInt8(length - 14), 0, 0, 0x40, 0, 64, 17])
  bytes.replaceSubrange(26..<38, with: [198, 18, 0, 1, 198, 19, 0, 1, UInt8(flow >> 8), UInt8(flow & 0xff), 0, 9])
  return bytes
}

extension SoftDeviceTests {
  @Suite struct MultiqueueTests {
    static let control = FrontEnd.simple | Feature.controlQueue | Feature.multiqueue

    @Test(arguments: [2, 3, 7])
    func loopbackComesBackOnItsPair(_ pairs: Int) throws {
      let bench = try Bench("loopback,queues=\(pairs)", pairs: pairs)
      let front = bench.front
      try front.start()
      for pair in 0..<pairs { front.fill(20, queue: 2 * pair) }
      for round in 0..<20 {
        for pair in 0..<pairs { front.transmit(frame(60 + pair, seed: round), queue: 2 * pair + 1) }
      }
      for pair in (0..<pairs).reversed() {
        for round in 0..<20 { try front.expect(frame(60 + pair, seed: round), queue: 2 * pair) }
      }
      // A pair whose receive queue is switched off sends to others.
      #expect(try front.confirm(VhostRequest.setVringEnable, FrontEnd.state(2, 0)) == 0)
      front.fill(1, queue: 0)
      front.fill(1, queue: 2)
      front.transmit(frame(99), queue: 3)
      front.fill(1, queue: 4 % front.kicks.count)
      try front.expect(frame(99), queue: pairs == 2 ? 0 : 4)
      #expect(front.takeUsed(2, wait: 20) == nil)
    }

    @Test func pairsInUseAreTheDriversToSay() throws {
      let bench = try Bench("loopback,queues=4", pairs: 4, wish: Self.control)
      let front = bench.front
      try front.negotiate()
      for queue in 0..<9 { try front.startRing(queue) }
      #expect(try front.config(8, 2) == [4, 0])
      for queue in 0..<4 { front.fill(20, queue: 2 * queue) }
      // After a reset one pair is in use.
      front.transmit(frame(60), queue: 1)
      try front.expect(frame(60))
      front.transmit(frame(61), queue: 5)
      try front.expect(frame(61))
      #expect(try front.command([4, 0, 3, 0]) == 0)
      front.transmit(frame(62), queue: 5)
      try front.expect(frame(62), queue: 4)
      for wrong: [UInt8] in [[4, 0, 0, 0], [4, 0, 5, 0], [4, 0, 1], [4, 0, 1, 0, 0], [4, 1, 1, 0]] {
        #expect(try front.command(wrong) == 1)
      }
      front.transmit(frame(63), queue: 5)
      try front.expect(frame(63), queue: 4)
      #expect(try front.command([4, 0, 1, 0]) == 0)
      front.transmit(frame(64), queue: 5)
      try front.expect(frame(64))
    }

    /// Without MQ the control queue stands behind the first pair, whatever the device could have.
    @Test func controlQueueWithoutMultiqueue() throws {
      let bench = try Bench("loopback,queues=3", pairs: 3, wish: FrontEnd.simple | Feature.controlQueue)
      let front = bench.front
      try front.negotiate()
      try front.startRing(2)
      unsafe front.rings[2].offer(
        [
          Part(address: FrontEnd.address(2, 0), length: 3),
          Part(address: FrontEnd.address(2, 1), length: 1, isWritable: true),
        ], buffer: 0)
      #expect(front.takeUsed(2)?.length == 1)
    }

    @Test(arguments: [1, 2, 3, 5])
    func generatedFlowsKeepTheirPair(_ pairs: Int) throws {
      let bench = try Bench("generate,flows=100,queues=\(pairs)", pairs: pairs)
      let front = bench.front
      try front.start()
      var flows = Set<Int>()
      // All pairs go on from the same flow, so which flows a round brings depends on who was served first.
      for round in 0..<2000 where flows.count < 100 || round < 20 {
        for pair in 0..<pairs { front.fill(10, queue: 2 * pair) }
        for pair in 0..<pairs {
          for _ in 0..<10 {
            let got = try #require(front.receiveFrame(queue: 2 * pair))
            let flow = Int(got[34]) << 8 + Int(got[35]) - 1024
            #expect(flow % pairs == pair && flow < 100, "round \(round)")
            flows.insert(flow)
          }
        }
      }
      #expect(flows.count == 100)
    }

    @Test func fewFlowsLeavePairsEmpty() throws {
      let bench = try Bench("generate,flows=2,rate=10000,queues=3", pairs: 3)
      let front = bench.front
      try front.start()
      for pair in 0..<3 { front.fill(200, queue: 2 * pair) }
      for _ in 0..<50 { #expect(front.receiveFrame(queue: 0) != nil && front.receiveFrame(queue: 2) != nil) }
      #expect(front.takeUsed(4, wait: 5) == nil)
    }

    @Test func flowsOfAPipeAreSpread() throws {
      let left = try Bench("pipe=spread")
      let right = try Bench("pipe=spread,queues=4", pairs: 4)
      try right.front.start()
      try left.front.start()
      for pair in 0..<4 { right.front.fill(200, queue: 2 * pair) }
      var counts = [0, 0, 0, 0]
      for flow in 0..<100 {
        for _ in 0..<3 { left.front.transmit(datagram(flow)) }
        for _ in 0..<3 { #expect(left.front.takeUsed(1) != nil) }
        #expect(right.until { $0.toDriver == UInt64(3 * flow + 3) })
        let pair = try #require((0..<4).first { right.front.rings[2 * $0].take() != nil })
        for _ in 0..<2 { #expect(right.front.rings[2 * pair].take() != nil) }
        counts[pair] += 1
      }
      #expect(counts.allSatisfy { $0 > 5 }, "\(counts)")
    }

    @Test func manyPairs() throws {
      let bench = try Bench("loopback,queues=128", size: 2, pairs: 128)
      let front = bench.front
      try front.start()
      let offered = try #require(try front.ask(VhostRequest.getFeatures))
      #expect(offered & (Feature.controlQueue | Feature.multiqueue) == 0)
      for pair in [0, 1, 64, 127] {
        front.fill(1, queue: 2 * pair)
        front.transmit(frame(60, seed: pair), queue: 2 * pair + 1)
        try front.expect(frame(60, seed: pair), queue: 2 * pair)
      }
    }
  }
}
