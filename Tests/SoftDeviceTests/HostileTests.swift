// SPDX-License-Identifier: BSD-2-Clause
//
// Front-ends that send what they should not: the device leaves them, keeps no file of theirs, and goes on.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

extension SoftDeviceTests {
  @Suite struct HostileTests {
    /// Request, flags, size.
    @Test(arguments: [
      [UInt32.max, .max, .max], [0, 0, 0], [1, 0, 0], [1, 2, 0], [1, 5, 0], [2, 1, 513], [2, 1, .max], [99, 1, 0],
    ])
    func malformedHeaders(_ header: [UInt32]) throws {
      try hostile { bench in
        var bytes = header.flatMap(FrontEnd.bytes)
        bench.front.raw(&bytes)
        #expect(bench.front.isClosed)
      }
    }

    @Test func everyRequestOfEverySize() throws {
      for request in UInt32(0)..<48 {
        for size in [0, 1, 7, 8, 9, 12, 13, 39, 40, 41, 264, 512] {
          try hostile { bench in
            bench.front.send(request, [UInt8](repeating: 0xa5, count: size))
            // Still there, or gone, but never stuck: a valid request is answered or the connection is closed.
            bench.front.send(VhostRequest.getFeatures)
            let answered = try? bench.front.receive(12)
            #expect(answered != nil || bench.front.isClosed)
          }
        }
      }
    }

    @Test(arguments: [1, 5, 11, 12, 19])
    func truncatedMessages(_ count: Int) throws {
      try hostile { bench in
        var bytes = FrontEnd.bytes(VhostRequest.setFeatures) + FrontEnd.bytes(UInt32(1)) + FrontEnd.bytes(UInt32(8))
        bytes += FrontEnd.bytes(UInt64(0))
        var part = Array(bytes[..<count])
        bench.front.raw(&part)
        sys_sleep_microseconds(2000)
        _ = shutdown(bench.front.socket, Int32(SHUT_WR))
        #expect(bench.front.isClosed)
      }
    }

    @Test func messagesInSinglePieces() throws {
      try hostile { bench in
        for byte in FrontEnd.bytes(UInt32(1)) + FrontEnd.bytes(UInt32(1)) + FrontEnd.bytes(UInt32(0)) {
          var piece = [byte]
          bench.front.raw(&piece)
          sys_sleep_microseconds(300)
        }
        let features = try bench.front.reply(VhostRequest.getFeatures)
        #expect(features == FrontEnd.bytes(FrontEnd.offered))
      }
    }

    @Test func filesWhereNoneBelong() throws {
      for (request, size) in [
        (VhostRequest.getFeatures, 0), (VhostRequest.setFeatures, 8), (VhostRequest.setVringAddress, 40), (77, 0),
      ] {
        try hostile { bench in
          let files = [Int32](repeating: bench.front.memory, count: 8)
          bench.front.send(request, [UInt8](repeating: 0, count: size), files: files)
          #expect(bench.front.isClosed)
        }
      }
    }

    @Test(arguments: [0, 1, 2, 8])
    func filesOfAMemoryTable(_ count: Int) throws {
      try hostile { bench in
        for regions in [0, 1, 2, 8, 9, 0xffff] where regions != count || regions == 0 {
          let bench = try Bench("sink")
          var table = bench.front.memoryTable(regions: min(regions, 8))
          table.replaceSubrange(0..<4, with: FrontEnd.bytes(UInt32(regions)))
          bench.front.send(
            VhostRequest.setMemoryTable, table, files: [Int32](repeating: bench.front.memory, count: count))
          #expect(bench.front.isClosed)
        }
      }
    }

    static let sizesAndOffsets: [[UInt64]] = [
      [UInt64(FrontEnd.memorySize) + 1, 0], [0, 0], [4096, UInt64(FrontEnd.memorySize)], [UInt64.max, 0],
      [4096, 0xffff_ffff_ffff_f000],
      [4096, 0xffff_ffff_ffff_fff0],
      [1 << 62, 1 << 62],
    ]

    @Test(arguments: sizesAndOffsets)
    func memoryBeyondTheFile(_ numbers: [UInt64]) throws {
      let (size, offset) = (numbers[0], numbers[1])
      try hostile { bench in
        try bench.front.negotiate()
        let table = bench.front.memoryTable(size: size, offset: offset)
        #expect(try bench.front.confirm(VhostRequest.setMemoryTable, table, files: [bench.front.memory]) == 1)
        // Unconfirmed, it ends the connection.
        bench.front.send(VhostRequest.setMemoryTable, table, files: [bench.front.memory])
        #expect(bench.front.isClosed)
      }
    }

    @Test func memoryThatIsNoFile() throws {
      try hostile { bench in
        try bench.front.negotiate()
        for file in [bench.front.kicks[0], bench.front.socket] {
          #expect(try bench.front.confirm(VhostRequest.setMemoryTable, bench.front.memoryTable(), files: [file]) == 1)
        }
      }
    }

    @Test func refusedValues() throws {
      try hostile { bench in
        let front = bench.front
        try front.negotiate()
        try front.startRing(0)
        let refused: [(UInt32, [UInt8])] = [
          (VhostRequest.setFeatures, FrontEnd.bytes(UInt64(1) << 40)),
          (VhostRequest.setFeatures, FrontEnd.bytes(UInt64(0))),
          (VhostRequest.setProtocolFeatures, FrontEnd.bytes(UInt64(1) << 20)),
          (VhostRequest.setVringSize, FrontEnd.state(0, 256)), (VhostRequest.setVringSize, FrontEnd.state(1, 0)),
          (VhostRequest.setVringSize, FrontEnd.state(1, 3)), (VhostRequest.setVringSize, FrontEnd.state(1, 65536)),
          (VhostRequest.setVringBase, FrontEnd.state(0, 1)), (VhostRequest.setVringBase, FrontEnd.state(1, 65536)),
          (VhostRequest.setVringEnable, FrontEnd.state(1, 2)), (VhostRequest.setMTU, FrontEnd.bytes(UInt64(67))),
          (VhostRequest.setMTU, FrontEnd.bytes(UInt64(65536))),
          (VhostRequest.setConfig, [UInt8](repeating: 0, count: 13)),
          (VhostRequest.setStatus, FrontEnd.bytes(UInt64(256))), (99, []),
        ]
        for (request, payload) in refused { #expect(try front.confirm(request, payload) == 1, "request \(request)") }
        #expect(try front.confirm(VhostRequest.setVringSize, FrontEnd.state(1, 256)) == 0)
        for shift in [UInt64(1), 8, 1 << 40, UInt64.max - FrontEnd.user, UInt64(FrontEnd.memorySize) - 100] {
          #expect(try front.confirm(VhostRequest.setVringAddress, front.address(1, shift: shift)) == 1)
        }
        #expect(try front.ask(VhostRequest.getFeatures) == FrontEnd.offered)
      }
    }

    @Test func ringsThatDoNotExist() throws {
      for request in [
        VhostRequest.setVringSize, VhostRequest.setVringBase, VhostRequest.getVringBase, VhostRequest.setVringKick,
        VhostRequest.setVringCall,
        VhostRequest.setVringError, VhostRequest.setVringEnable,
      ] {
        try hostile { bench in
          let front = bench.front
          let takesFile = request >= VhostRequest.setVringKick && request <= VhostRequest.setVringError
          front.send(request, FrontEnd.state(3, 0), files: takesFile ? [front.kicks[0]] : [])
          #expect(front.isClosed)
        }
      }
    }

    @Test func configurationOutsideItsBounds() throws {
      for (offset, size, extra) in [(0, 257, 257), (256, 1, 1), (250, 10, 10), (0, 8, 7), (0, 0, 0)] {
        try hostile { bench in
          let request = FrontEnd.bytes(UInt32(offset)) + FrontEnd.bytes(UInt32(size)) + FrontEnd.bytes(UInt32(0))
          bench.front.send(VhostRequest.getConfig, request + [UInt8](repeating: 0, count: extra))
          #expect(bench.front.isClosed)
        }
      }
    }

    @Test func configuration() throws {
      try hostile("generate,length=2014") { bench in
        let request = FrontEnd.bytes(UInt32(0)) + FrontEnd.bytes(UInt32(24)) + FrontEnd.bytes(UInt32(0))
        bench.front.send(VhostRequest.getConfig, request + [UInt8](repeating: 0xff, count: 24))
        let reply = try #require(try bench.front.reply(VhostRequest.getConfig))
        #expect(reply.count == 36)
        let fields = Array(reply[12...])
        #expect(fields[0] == 2 && fields[6] == 1 && fields[8] == 1)
        #expect(Int(fields[10]) + Int(fields[11]) << 8 == 2000)
        #expect(Array(fields[12...]) == [0, 0, 0, 0, 0, 40, 0, 0, 0xff, 1, 0, 0])
      }
    }

    @Test func kicksThatCannotBeWaitedFor() throws {
      try hostile { bench in
        try bench.front.negotiate()
        let kick = FrontEnd.bytes(UInt64(0))
        #expect(try bench.front.confirm(VhostRequest.setVringKick, kick, files: [bench.front.memory]) == 1)
      }
    }

    /// A kick that is always readable must cost nothing: it is told of once.
    @Test func kickThatNeverFallsSilent() throws {
      try hostile { bench in
        let front = bench.front
        try front.start()
        let kick = sys_eventfd(1)
        #expect(try front.confirm(VhostRequest.setVringKick, FrontEnd.bytes(UInt64(0)), files: [kick]) == 0)
        _ = sys_close(kick)
        // It sleeps again, however long a busy machine takes to let it look at the kick.
        for _ in 0..<3000 where !front.kicksWanted { sys_sleep_microseconds(10_000) }
        #expect(front.kicksWanted)
        front.fill(1)
        front.transmit(frame(60))
        #expect(front.receiveFrame() == frame(60))
      }
    }
  }
}
