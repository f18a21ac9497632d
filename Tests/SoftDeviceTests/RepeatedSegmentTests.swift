// SPDX-License-Identifier: BSD-2-Clause
//
// Chains that name the same memory a thousand times: "frames" of four gigabytes, for which a driver needs four megabytes. To
// read one takes a second. They are dropped and counted before a byte of them is read.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

extension SoftDeviceTests {
  @Suite struct RepeatedSegmentTests {
    private static let segments = 1000
    private static let length: UInt32 = 4 << 20
    private static let frames = 200

    /// A table that names one segment again and again, for each of the queue's first chains.
    private func describe(_ front: FrontEnd, _ queue: Int, length: UInt32, count: Int = segments) {
      let at = 0x2000_0000 + queue * 0x10_0000
      for index in 0..<count {
        let entry = unsafe front.base + at + 16 * index
        let flags: UInt16 = (queue == 0 ? 2 : 0) | (index < count - 1 ? 1 : 0)
        unsafe entry.storeBytes(of: FrontEnd.address(queue, 0), as: UInt64.self)
        unsafe entry.storeBytes(of: length, toByteOffset: 8, as: UInt32.self)
        unsafe entry.storeBytes(of: flags, toByteOffset: 12, as: UInt16.self)
        unsafe entry.storeBytes(of: UInt16(index + 1), toByteOffset: 14, as: UInt16.self)
      }
      for chain in 0..<Self.frames {
        front.describe(queue, chain, FrontEnd.guest + UInt64(at), UInt32(16 * count), 4)
      }
    }

    @Test(arguments: ["pcap=,out=/dev/null", "pipe=repeated", "loopback", "sink"], [0, 1])
    func longFramesAreLeftUnread(_ wire: String, _ flags: UInt8) throws {
      // A header that asks for a checksum makes a recorder read the whole frame; MTU would bound a plain one.
      try hostile(wire, wish: FrontEnd.simple & ~Feature.mtu) { bench in
        let front = bench.front
        try front.start()
        unsafe front.buffer(1, 0).storeBytes(of: flags, as: UInt8.self)
        for queue in 0..<2 { describe(front, queue, length: Self.length) }
        for queue in 0..<2 { for chain in 0..<Self.frames { front.split(queue).publish(chain) } }
        front.split(0).signal()
        front.split(1).signal()
        #expect(bench.until { $0.fromDriver == Self.frames })
        // A sink takes whatever there is, unread; an end of a pipe whose other end is missing takes nothing.
        let statistics = bench.statistics
        #expect(statistics.toDriver == 0)
        #expect(statistics.fromDriverDrops + statistics.toDriverDrops == (wire == "sink" ? 0 : UInt64(Self.frames)))
      }
    }

    /// Descriptors without a byte are work, too: no chain has more than others may have.
    @Test func emptySegmentsCount() throws {
      try hostile("sink") { bench in
        try bench.front.start()
        describe(bench.front, 1, length: 0, count: 2000)
        bench.front.post(1, 0)
        #expect(bench.front.isClosed)
      }
    }
  }
}
