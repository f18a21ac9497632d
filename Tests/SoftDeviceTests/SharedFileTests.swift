// SPDX-License-Identifier: BSD-2-Clause
//
// Files that a front-end gives to the device and keeps. Their flags are the front-end's to change, so that a call which waits
// for one would give the device away.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

extension SoftDeviceTests {
  @Suite struct SharedFileTests {
    /// A device that another process could drive.
    private func served(_ wire: String, _ body: (String) throws -> Void) throws {
      let before = openFiles()
      try withFolder { folder in
        let device = try SoftDevice.serve(text(folder + "/s"), WireOptions(parsing: text(wire)))
        defer { SoftDevice.stop(device) }
        try body(folder + "/s")
      }
      #expect(untilOpenFiles(are: before))
    }

    /// An eventfd to which one more write would wait.
    private func full() -> Int32 {
      let file = sys_eventfd(0)
      #expect(eventfd_write(file, UInt64.max - 1) == 0)
      #expect(sys_set_blocking(file) >= 0)
      return file
    }

    @Test func callAndErrorThatAreFull() throws {
      try served("loopback") { path in
        let front = try connect(path)
        try front.start()
        let file = full()
        defer { _ = sys_close(file) }
        for queue in 0..<2 {
          let index = FrontEnd.bytes(UInt64(queue))
          #expect(try front.confirm(VhostRequest.setVringCall, index, files: [file]) == 0)
          #expect(try front.confirm(VhostRequest.setVringError, index, files: [file]) == 0)
          front.rings[queue].setInterrupts(true)
        }
        for round in 0..<10 {
          front.fill(1)
          front.transmit(frame(60, seed: round))
          try front.expect(frame(60, seed: round))
          #expect(front.takeUsed(1) != nil)
        }
        // A broken rule is told through the error file.
        front.fill(1)
        front.post(1, 1000)
        #expect(front.isClosed)
        let next = try connect(path)
        #expect(try next.ask(VhostRequest.getFeatures) != nil)
      }
    }

    @Test func channelThatIsFull() throws {
      try served("pipe=full") { path in
        let front = try connect(path)
        try front.negotiate()
        var ends: [Int32] = [-1, -1]
        #expect(unsafe sys_socket_pair(&ends) == 0)
        defer { for end in ends { _ = sys_close(end) } }
        #expect(try front.confirm(VhostRequest.setBackendRequestFile, files: [ends[1]]) == 0)
        var bytes = [UInt8](repeating: 0, count: 4096)
        while unsafe sys_send(ends[1], &bytes, bytes.count, nil, 0) > 0 {}
        #expect(sys_set_blocking(ends[1]) >= 0)
        // Its link comes and goes, of which the device would tell.
        for _ in 0..<3 {
          _ = try Bench("pipe=full")
          #expect(try front.ask(VhostRequest.getFeatures) != nil)
        }
      }
    }

    /// A call, kick or error that could make the device wait, or that is the connection itself.
    @Test func filesThatAreNoEventfds() throws {
      try served("sink") { path in
        let front = try connect(path)
        try front.negotiate()
        var pipes: [Int32] = [-1, -1]
        #expect(unsafe pipe2(&pipes, O_CLOEXEC) == 0)
        let timer = sys_timer()
        defer { for file in pipes + [timer] { _ = sys_close(file) } }
        for request in [VhostRequest.setVringKick, VhostRequest.setVringCall, VhostRequest.setVringError] {
          for file in [front.socket, pipes[0], pipes[1], timer, front.memory] {
            #expect(try front.confirm(request, FrontEnd.bytes(UInt64(0)), files: [file]) == 1)
          }
          #expect(try front.confirm(request, FrontEnd.bytes(UInt64(0)), files: [front.calls[0]]) == 0)
        }
        for file in [front.socket, pipes[1], front.memory] {
          #expect(try front.confirm(VhostRequest.setBackendRequestFile, files: [file]) == 1)
        }
      }
    }

    /// A front-end that leaves its own socket in the channel has gone all the same.
    @Test func connectionHiddenInTheChannel() throws {
      try served("sink") { path in
        do {
          let front = try connect(path)
          var ends: [Int32] = [-1, -1]
          #expect(unsafe sys_socket_pair(&ends) == 0)
          var (byte, own) = (UInt8(0), front.socket)
          #expect(unsafe sys_send(ends[0], &byte, 1, &own, 1) == 1)
          #expect(try front.ask(VhostRequest.getFeatures) != nil)
          front.send(VhostRequest.setBackendRequestFile, files: [ends[1]])
          #expect(try front.ask(VhostRequest.getFeatures) != nil)
          for end in ends { _ = sys_close(end) }
        }
        let next = try connect(path)
        #expect(try next.ask(VhostRequest.getFeatures) != nil)
      }
    }

    /// Sparse files cost a front-end nothing, and addresses the device.
    @Test func memoryWithoutEnd() throws {
      try served("sink") { path in
        let front = try connect(path)
        try front.negotiate()
        let sparse = sys_memfd("sparse", UInt32(MFD_CLOEXEC))
        defer { _ = sys_close(sparse) }
        #expect(sys_ftruncate(sparse, Int64(MemoryMap.mostBytes) * 4) == 0)
        let part = MemoryMap.mostBytes / 4
        var taken = 0
        for index in 0..<UInt64(8) {
          let region = FrontEnd.region(index << 44 | 1 << 43, index << 44 | 1 << 43, part, 0)
          if try front.confirm(VhostRequest.addRegion, region, files: [sparse]) == 0 { taken += 1 }
        }
        #expect(taken == 3)
        let far = FrontEnd.region(1 << 62, 1 << 62, 4096, MemoryMap.mostBytes * 3)
        #expect(try front.confirm(VhostRequest.addRegion, far, files: [sparse]) == 1)
        let request = FrontEnd.bytes(UInt64(1) << 20) + FrontEnd.bytes(MemoryMap.mostBytes) + Keepsake.shape(front)
        #expect(try front.confirm(VhostRequest.setInflightFile, request, files: [sparse]) == 1)
      }
    }
  }
}
