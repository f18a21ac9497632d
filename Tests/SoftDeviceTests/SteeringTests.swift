// SPDX-License-Identifier: BSD-2-Clause
//
// RSS: where the table sends a frame on every wire, and which commands for tables and hashes are refused.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

extension SoftDeviceTests {
  @Suite struct SteeringTests {
    static let simple = FrontEnd.simple | Feature.controlQueue
    static let wish = simple | Feature.multiqueue | Feature.rss | Feature.hashReport | Feature.deviceStatistics
    /// 128 entries for four queues, in no simple order.
    static let table = (0..<128).map { UInt16(($0 * 5 + $0 / 7) % 4) }

    private func started(_ wire: String, pairs: Int = 4, _ wish: UInt64 = wish) throws -> Bench {
      let bench = try Bench(wire + (pairs > 1 ? ",queues=\(pairs)" : ""), pairs: pairs, wish: wish)
      try bench.front.negotiate()
      for queue in 0..<bench.front.kicks.count { try bench.front.startRing(queue) }
      return bench
    }

    @Test func configuration() throws {
      let many = try Bench("sink,queues=4", pairs: 4)
      #expect(try many.front.config(17, 7) == [40, 0, 2, 0xff, 1, 0, 0])
      #expect(try many.front.config(8, 2) == [4, 0])
      // RSS is for several queues; hashes are reported with one, too.
      let one = try Bench("sink")
      let offered = try one.front.ask(VhostRequest.getFeatures) ?? 0
      #expect(offered & Feature.rss == 0 && offered & Feature.hashReport != 0)
      #expect(try one.front.config(17, 7) == [40, 0, 0, 0xff, 1, 0, 0])
      let bare = try Bench("sink,queues=4,features_off=0x20000", pairs: 4)
      #expect(try (bare.front.ask(VhostRequest.getFeatures) ?? 0) & (Feature.rss | Feature.hashReport) == 0)
      #expect(try bare.front.config(17, 7) == [0, 0, 0, 0, 0, 0, 0])
    }

    @Test(arguments: [0, Feature.mergeable, Feature.packed, Feature.packed | Feature.mergeable])
    func tablesDecide(_ extra: UInt64) throws {
      let bench = try started("loopback", Self.wish | extra)
      let front = bench.front
      #expect(try front.command(rssCommand(table: Self.table, unclassified: 3, pairs: 4), cut: 100) == 0)
      for queue in 0..<4 { front.fill(60, length: 200, queue: 2 * queue) }
      var counts = [0, 0, 0, 0]
      for flow in 0..<40 {
        let sent = datagram(flow, 200 + flow)
        let hash = toeplitz(knownKey, Array(sent[26..<38]))
        let short = datagram(flow, 120)
        let queue = Int(Self.table[Int(hash & 127)])
        // Sent on any queue, and in pieces; without merged buffers a short one.
        let frame = extra & Feature.mergeable != 0 ? sent : short
        front.transmit(frame, queue: 2 * (flow % 4) + 1, parts: 1 + flow % 3)
        let got = try #require(front.receiveWhole(queue: 2 * queue))
        #expect(got.frame == frame && saidHash(got.header) == (hash, 3))
        counts[queue] += 1
      }
      #expect(counts.allSatisfy { $0 > 2 }, "\(counts)")
      // What has no hash goes to its own queue.
      front.transmit(frame(60), queue: 1)
      let got = try #require(front.receiveWhole(queue: 6))
      #expect(saidHash(got.header) == (0, 0))
      #expect(bench.statistics.toDriverDrops == 0)
    }

    /// The last command decides: VQ_PAIRS_SET leaves the choice to the device again, and a reset ends all.
    @Test func theLastCommandDecides() throws {
      let bench = try started("loopback")
      let front = bench.front
      for queue in 0..<4 { front.fill(20, queue: 2 * queue) }
      #expect(try front.command(rssCommand(table: [2], pairs: 3)) == 0)
      front.transmit(datagram(1), queue: 1)
      #expect(front.receiveWhole(queue: 4) != nil)
      // With a table the kinds are those of its own command.
      #expect(try front.command(hashCommand(HashKind.all)) == 1)
      #expect(try front.command([4, 0, 3, 0]) == 0)
      front.transmit(datagram(1), queue: 3)
      let got = try #require(front.receiveWhole(queue: 2))
      #expect(saidHash(got.header).1 == 3)
      front.transmit(datagram(1), queue: 7)
      #expect(front.receiveWhole(queue: 0) != nil)
      #expect(try front.command(hashCommand(HashKind.ipv4)) == 0)
      front.transmit(datagram(1), queue: 1)
      #expect(try saidHash(#require(front.receiveWhole(queue: 0)).header).1 == 1)
      // Half of the table at a queue that does not receive: those frames are lost and counted.
      #expect(try front.command(rssCommand(table: [1, 3], pairs: 4)) == 0)
      #expect(try front.confirm(VhostRequest.setVringEnable, FrontEnd.state(6, 0)) == 0)
      var lost: UInt64 = 0
      for flow in 0..<20 {
        let sent = datagram(flow)
        let goes = toeplitz(knownKey, Array(sent[26..<38])) & 1
        front.transmit(sent, queue: 1)
        if goes == 0 { #expect(front.receiveWhole(queue: 2) != nil) } else { lost += 1 }
        #expect(bench.until { $0.toDriverStopped == lost })
      }
      #expect(lost > 2)
    }

    @Test func refused() throws {
      let bench = try started("loopback")
      let front = bench.front
      #expect(try front.command(rssCommand(table: [2], pairs: 4)) == 0)
      let long = [UInt8](repeating: 1, count: 41)
      let requests: [[UInt8]] = [
        rssCommand(table: [0, 1, 2], pairs: 4), rssCommand(table: [], pairs: 4, mask: 0xffff),
        rssCommand(table: [UInt16](repeating: 0, count: 1024), pairs: 4), rssCommand(table: [0], pairs: 0),
        rssCommand(table: [0], pairs: 5),
        rssCommand(table: [4], pairs: 4), rssCommand(table: [0, 0, 0, 0x8000], pairs: 4),
        rssCommand(table: [0], unclassified: 4, pairs: 4),
        rssCommand(table: [0], unclassified: 0x8001, pairs: 4), rssCommand(HashKind.all + 1, table: [0], pairs: 4),
        rssCommand(1 << 31, table: [0], pairs: 4), rssCommand(table: [0], pairs: 4, key: long),
        rssCommand(table: [0], pairs: 4, keyLength: 39), rssCommand(table: [0], pairs: 4, keyLength: 41),
        rssCommand(table: [0], pairs: 4, keyLength: 255), rssCommand(table: [0, 1], pairs: 4, mask: 0),
        rssCommand(table: [0, 1], pairs: 4, mask: 3), [4, 1], [4, 1, 0], Array(rssCommand(table: [0], pairs: 4)[..<14]),
        [4, 3] + rssCommand(table: [0], pairs: 4)[2...],
        rssCommand(table: [0], pairs: 4) + [UInt8](repeating: 0, count: 2000),
        hashCommand(HashKind.all),
      ]
      for request in requests { #expect(try front.command(request, cut: 300) == 1, "\(request.prefix(20))") }
      front.fill(1, queue: 4)
      front.transmit(datagram(1), queue: 1)
      #expect(front.receiveWhole(queue: 4) != nil)
      // A queue that does not run yet is none to send frames to.
      #expect(try front.command(rssCommand(table: [3], pairs: 4)) == 0)
      try front.stopRing(6)
      #expect(try front.command(rssCommand(table: [0, 3], pairs: 4)) == 1)
      #expect(try front.command(rssCommand(table: [0], unclassified: 3, pairs: 4)) == 1)
      #expect(try front.command(rssCommand(table: [UInt16](repeating: 2, count: 512), pairs: 1), cut: 400) == 0)
    }

    @Test func refusedReports() throws {
      let bench = try started("loopback", pairs: 1, Self.simple | Feature.hashReport)
      let front = bench.front
      #expect(try front.command(hashCommand(HashKind.tcp4)) == 0)
      let requests: [[UInt8]] = [
        hashCommand(HashKind.all + 1), hashCommand(1, reserved: [0, 0, 0, 0, 0, 0, 1, 0]),
        hashCommand(1, reserved: [1, 0, 0, 0, 0, 0, 0, 0]), hashCommand(1, key: [UInt8](repeating: 1, count: 41)),
        hashCommand(1, keyLength: 39), hashCommand(1, keyLength: 41), [4, 2], Array(hashCommand(1)[..<14]),
        rssCommand(table: [0], pairs: 1),
      ]
      for request in requests { #expect(try front.command(request) == 1, "\(request)") }
      front.fill(1)
      front.transmit(ipPacket(known4, 6))
      #expect(try saidHash(#require(front.receiveWhole()).header) == (0x51cc_c178, 2))
      let bare = try started("loopback", pairs: 1, Self.simple)
      #expect(try bare.front.command(hashCommand(1)) == 1)
    }

    /// RSS without MQ and without reports: the control queue stands behind the last pair all the same.
    @Test func aTableAlone() throws {
      let bench = try started("loopback", Self.simple | Feature.rss)
      let front = bench.front
      for queue in 0..<4 { front.fill(4, queue: 2 * queue) }
      front.transmit(datagram(1), queue: 3)
      #expect(front.receiveFrame(queue: 0) == datagram(1))
      #expect(try front.command(rssCommand(table: [3], unclassified: 2, pairs: 4)) == 0)
      front.transmit(datagram(1), queue: 3)
      #expect(front.receiveFrame(queue: 6) == datagram(1))
      #expect(try front.command(rssCommand(0, table: [3], unclassified: 2, pairs: 4)) == 0)
      front.transmit(datagram(1), queue: 3)
      #expect(front.receiveFrame(queue: 4) == datagram(1))
    }

    @Test func generatedFlows() throws {
      let bench = try started("generate,flows=50", Self.wish)
      let front = bench.front
      #expect(try front.command(rssCommand(table: Self.table, pairs: 4)) == 0)
      var seen = Set<Int>()
      for _ in 0..<200 where seen.count < 50 {
        for queue in 0..<4 { front.fill(4, queue: 2 * queue) }
        for queue in 0..<4 {
          while let got = front.receiveWhole(wait: 2, queue: 2 * queue) {
            let hash = toeplitz(knownKey, Array(got.frame[26..<38]))
            #expect(saidHash(got.header) == (hash, 3) && Int(Self.table[Int(hash & 127)]) == queue)
            seen.insert(Int(got.frame[34]) << 8 + Int(got.frame[35]))
          }
        }
      }
      #expect(seen.count == 50)
    }

    @Test func framesOfAPipe() throws {
      let left = try Bench("pipe=steered")
      let right = try started("pipe=steered")
      try left.front.start()
      #expect(try right.front.command(rssCommand(table: Self.table, pairs: 4)) == 0)
      for queue in 0..<4 { right.front.fill(100, queue: 2 * queue) }
      for flow in 0..<60 {
        let sent = datagram(flow)
        let hash = toeplitz(knownKey, Array(sent[26..<38]))
        left.front.transmit(sent)
        let got = try #require(right.front.receiveWhole(queue: 2 * Int(Self.table[Int(hash & 127)])))
        #expect(got.frame == sent && saidHash(got.header) == (hash, 3))
      }
    }
  }
}
