// SPDX-License-Identifier: BSD-2-Clause
//
// Requests and positions that are wrong in one thing only: whatever else the device looks at would let them pass.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

extension SoftDeviceTests {
  @Suite struct HostileRequestTests {
    /// A request of a wrong size, or with a wrong number of files, ends the connection.
    @Test func sizesAndFiles() throws {
      let word = FrontEnd.bytes(UInt64(0))
      let place = FrontEnd.bytes(FrontEnd.guest) + FrontEnd.bytes(UInt64(4096)) + FrontEnd.bytes(FrontEnd.user)
      let region = word + place + word
      let shape = word + word + FrontEnd.bytes(UInt16(2)) + FrontEnd.bytes(UInt16(256))
      let wrong: [(request: UInt32, payload: [UInt8], files: Int)] = [
        (VhostRequest.setFeatures, Array(FrontEnd.bytes(FrontEnd.offered)[..<7]), 0),
        (VhostRequest.setFeatures, FrontEnd.bytes(FrontEnd.offered) + [0], 0),
        (VhostRequest.setVringSize, FrontEnd.state(0, 256) + [0], 0),
        (VhostRequest.addRegion, region, 0), (VhostRequest.addRegion, region, 2),
        (VhostRequest.addRegion, region + [0], 1),
        (VhostRequest.setVringCall, word, 0), (VhostRequest.setVringKick, word, 0),
        (VhostRequest.setVringError, word, 0),
        (VhostRequest.setVringCall, FrontEnd.bytes(UInt64(0x100)), 1),
        (VhostRequest.setInflightFile, shape, 0), (VhostRequest.setInflightFile, shape + word, 1),
        (VhostRequest.getInflightFile, shape + word, 0), (VhostRequest.getInflightFile, Array(shape[..<19]), 0),
        (VhostRequest.setBackendRequestFile, [], 0),
      ]
      for (request, payload, files) in wrong {
        try hostile { bench in
          try bench.front.negotiate()
          let isOfRing = request >= VhostRequest.setVringKick && request <= VhostRequest.setVringError
          let file = isOfRing ? bench.front.kicks[0] : bench.front.memory
          let list = [Int32](repeating: file, count: files)
          bench.front.send(request, payload, files: list)
          #expect(bench.front.isClosed, "request \(request), \(payload.count) bytes, \(files) files")
        }
      }
    }

    /// Features above bit 63 from a front-end that did not agree to the message for them.
    @Test func higherFeaturesUnasked() throws {
      try hostile { bench in
        try bench.front.negotiate()
        let protocols = try bench.front.ask(VhostRequest.getProtocolFeatures) ?? 0
        bench.front.send(
          VhostRequest.setProtocolFeatures, FrontEnd.bytes(protocols & ~ProtocolFeature.higherFeatures))
        bench.front.send(VhostRequest.setHigherFeatures, FrontEnd.bytes(HigherFeature.guest), files: [])
        #expect(bench.front.isClosed)
      }
    }

    /// A table whose count and size do not agree.
    @Test(arguments: [0, 1, 31, 33, 64])
    func aTableOfAnotherSize(_ size: Int) throws {
      try hostile { bench in
        try bench.front.negotiate()
        var table = bench.front.memoryTable(regions: 3)
        table.replaceSubrange(0..<4, with: FrontEnd.bytes(UInt32(1)))
        bench.front.send(VhostRequest.setMemoryTable, Array(table[..<(8 + size)]), files: [bench.front.memory])
        #expect(bench.front.isClosed)
      }
    }

    /// What a ring knew of the old memory is forgotten with it. The device lives, and the next front-end is served.
    @Test func aTableWhileARingRuns() throws {
      try hostile { bench in
        let front = bench.front
        try front.start()
        front.fill(1)
        front.transmit(frame(60))
        try front.expect(frame(60))
        var elsewhere = front.memoryTable()
        elsewhere.replaceSubrange(24..<32, with: FrontEnd.bytes(FrontEnd.user + 1 << 40))
        #expect(try front.confirm(VhostRequest.setMemoryTable, elsewhere, files: [front.memory]) == 0)
        for queue in 0..<2 { _ = sys_eventfd_signal(front.kicks[queue]) }
        for _ in 0..<10 { #expect(try front.ask(VhostRequest.getFeatures) == FrontEnd.offered) }
      }
    }

    /// A table that is refused leaves no ring that would be read where the old memory was. The right one mends that.
    @Test func aTableThatIsRefusedWhileARingRuns() throws {
      try hostile { bench in
        let front = bench.front
        try front.start()
        front.fill(2)
        for sent in 0..<2 {
          front.transmit(frame(60))
          try front.expect(frame(60))
          if sent > 0 { break }
          var table = front.memoryTable()
          table.replaceSubrange(16..<24, with: FrontEnd.bytes(UInt64(1) << 40))
          #expect(try front.confirm(VhostRequest.setMemoryTable, table, files: [front.memory]) == 1)
          for queue in 0..<2 { _ = sys_eventfd_signal(front.kicks[queue]) }
          for _ in 0..<10 { #expect(try front.ask(VhostRequest.getFeatures) == FrontEnd.offered) }
          #expect(try front.confirm(VhostRequest.setMemoryTable, front.memoryTable(), files: [front.memory]) == 0)
        }
      }
    }

    @Test func refused() throws {
      try hostile { bench in
        let front = bench.front
        try front.negotiate()
        for place in [UInt64.max - 100, UInt64.max - 4094] {
          for (guest, user) in [(place, FrontEnd.user), (FrontEnd.guest, place)] {
            let table =
              FrontEnd.bytes(UInt64(1)) + FrontEnd.bytes(guest) + FrontEnd.bytes(UInt64(4096)) + FrontEnd.bytes(user)
              + FrontEnd.bytes(UInt64(0))
            #expect(try front.confirm(VhostRequest.setMemoryTable, table, files: [front.memory]) == 1)
          }
        }
        // A ring whose writes are to be logged.
        var logged = front.address(0)
        logged[4] = 1
        #expect(try front.confirm(VhostRequest.setVringAddress, logged) == 1)
        #expect(try front.confirm(VhostRequest.setVringAddress, front.address(0)) == 0)
        for bit in UInt64(0)..<64 where FrontEnd.offered >> bit & 1 == 0 {
          #expect(try front.confirm(VhostRequest.setFeatures, FrontEnd.bytes(FrontEnd.simple | 1 << bit)) == 1)
        }
      }
    }

    /// The ring of a queue that begins behind its end stands still; all else is right.
    @Test func positionsBeyondAPackedRing() throws {
      for (index, used) in [(6, 6), (7, 0), (0, 7), (0x7fff, 0), (0, 0x7fff)] {
        try hostile("sink", size: 7, wish: FrontEnd.simple | Feature.packed) { bench in
          let front = bench.front
          try front.negotiate()
          let error = sys_eventfd(0)
          defer { _ = sys_close(error) }
          #expect(try front.confirm(VhostRequest.setVringError, FrontEnd.bytes(UInt64(1)), files: [error]) == 0)
          // Both wrap counters are 1.
          let base = FrontEnd.state(1, 0x8000_0000 | UInt32(used) << 16 | 0x8000 | UInt32(index))
          front.send(VhostRequest.setVringCall, FrontEnd.bytes(UInt64(1)), files: [front.calls[1]])
          #expect(try front.confirm(VhostRequest.setVringBase, base) == 0)
          #expect(try front.confirm(VhostRequest.setVringSize, FrontEnd.state(1, 7)) == 0)
          let set = try front.confirm(VhostRequest.setVringAddress, front.address(1))
          var kicked: UInt64?
          if set == 0 {
            kicked = try front.confirm(VhostRequest.setVringKick, FrontEnd.bytes(UInt64(1)), files: [front.kicks[1]])
          }
          let isRefused = kicked != 0 || sys_eventfd_drain(error) > 0
          #expect(isRefused == (index >= 7 || used >= 7), "index \(index), used \(used)")
        }
      }
    }

    /// Inflight records of a packed ring with a place behind its end.
    @Test func inflightPlacesBeyondTheRing() throws {
      try hostile("sink", size: 7, wish: FrontEnd.simple | Feature.packed) { bench in
        let front = bench.front
        try front.negotiate()
        let keepsake = try Keepsake(front)
        let error = sys_eventfd(0)
        defer { _ = sys_close(error) }
        #expect(try front.confirm(VhostRequest.setVringError, FrontEnd.bytes(UInt64(1)), files: [error]) == 0)
        let part = unsafe keepsake.part(1)
        // Behind version and size: the place of the next used descriptor, and that before the last batch.
        for (next, before, isRight) in [(6, 6, true), (7, 6, false), (6, 7, false), (0x7fff, 0x7fff, false)] {
          for (index, value) in [1, 7, 0, 0, next, before].enumerated() {
            unsafe part.storeBytes(of: UInt16(value), toByteOffset: 8 + 2 * index, as: UInt16.self)
          }
          #expect(try keepsake.give(to: front) == 0)
          try front.startRing(1)
          #expect((sys_eventfd_drain(error) > 0) == !isRight)
          try front.stopRing(1)
        }
      }
    }
  }
}
