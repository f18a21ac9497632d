// SPDX-License-Identifier: BSD-2-Clause
//
// A device that is started again while its front-end lives on.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

extension SoftDeviceTests {
  @Suite struct RestartTests {
    /// DPDK's virtio-user names position 0 to the successor of a device, wherever the ring stands.
    @Test(arguments: [1, 40, 600])
    func aBaseFromBeforeTheRestart(_ frames: Int) throws {
      try hostile { bench in
        let front = bench.front
        try front.start()
        for round in 0..<frames {
          front.fill(1)
          front.transmit(frame(60, seed: round))
          try front.expect(frame(60, seed: round))
          #expect(front.takeUsed(1) != nil)
        }
        for queue in 0..<2 {
          try front.stopRing(queue)
          front.rings[queue].claimed = 0
        }
        for queue in 0..<2 { try front.startRing(queue) }
        front.fill(1)
        front.transmit(frame(61))
        try front.expect(frame(61))
        #expect(front.takeUsed(1) != nil)
        // None came twice.
        #expect(bench.until { $0.fromDriver == UInt64(frames + 1) })
        #expect(try front.stopRing(1) == UInt32(frames + 1))
      }
    }

    /// Each fault doubles the time to the next connection.
    @Test func aDeviceThatConnectsSlowsDownAfterFaults() throws {
      try withFolder { folder in
        var address = sockaddr_un()
        unsafe _ = sys_unix_address(&address, folder + "/s")
        let (listener, file) = SocketFile.listen(at: address, backlog: 1)
        defer {
          file.remove()
          _ = sys_close(listener)
        }
        let device = try SoftDevice.serve(text(folder + "/s"), WireOptions(parsing: text("sink,client=1")))
        defer { SoftDevice.stop(device) }
        let began = sys_nanoseconds()
        for _ in 0..<6 {
          var accepted = sys_accept(listener)
          for _ in 0..<60_000 where accepted < 0 {
            sys_sleep_microseconds(1000)
            accepted = sys_accept(listener)
          }
          let front = FrontEnd(socket: accepted)
          front.send(99)
          #expect(front.isClosed)
        }
        // 50, 100, 200, 400 and 800 ms: a slow machine only makes them longer.
        #expect(sys_nanoseconds() - began > 1_500_000_000)
      }
    }
  }
}
