// SPDX-License-Identifier: BSD-2-Clause
//
// Preparing packets whose numbers are anything: no number of the caller's makes the library trap.

import CLinux
import CVionet
import Linux
import Testing
import Virtio

@testable import VioNet

@Suite struct PrepareNumbersTests {
  @Test func noNumberOfTheCallersTraps() throws {
    let bench = try RingBench(features: PrepareTests.all)
    for total in [0, 1, 33, UInt32.max] as [UInt32] {
      for flags in [0x01, 0x101, 0xff01, 0xffff_ffff] as [UInt32] {
        let packet = try bench.packet(0)
        packet.fill(FrameBuilder().bytes())
        packet.flags = flags
        packet.set { packet in
          packet.total_length = total
          packet.header_length = 65535
          packet.segment_size = 65535
        }
        _ = try? bench.transmit.value.prepare(packet)
        bench.free(packet)
      }
    }
    #expect(bench.conserved())
  }
}
