// SPDX-License-Identifier: BSD-2-Clause
//
// Devices that listen on a socket.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

extension SoftDeviceTests {
  @Suite struct ServeTests {
    private func serve(_ path: String, _ wire: String) throws -> Cell<Device> {
      do { return try SoftDevice.serve(text(path), WireOptions(parsing: text(wire))) } catch {
        throw TestError(sentence())
      }
    }

    @Test func frontEndsComeAndGo() throws {
      try withFolder { folder in
        let before = openFiles()
        let path = folder + "/socket"
        let device = try serve(path, "loopback")
        for round in 0..<20 {
          let front = try connect(path)
          try front.start()
          front.fill(1)
          front.transmit(frame(60, seed: round))
          #expect(front.receiveFrame() == frame(60, seed: round))
        }
        #expect(SoftDevice.statistics(device).connections == 20)
        // The counter follows the frame.
        for _ in 0..<6000 where SoftDevice.statistics(device).toDriver != 20 { sys_sleep_microseconds(10_000) }
        #expect(SoftDevice.statistics(device).toDriver == 20)
        SoftDevice.stop(device)
        #expect(!exists(path))
        #expect(openFiles() == before)
      }
    }

    @Test func theSecondFrontEndWaits() throws {
      try withFolder { folder in
        let device = try serve(folder + "/s", "sink")
        defer { SoftDevice.stop(device) }
        do {
          let first = try connect(folder + "/s")
          try first.start()
          let second = try connect(folder + "/s")
          second.send(VhostRequest.getFeatures)
          sys_sleep_microseconds(20_000)
          #expect(SoftDevice.statistics(device).connections == 1)
          _ = shutdown(first.socket, Int32(SHUT_RDWR))
          let features = try second.reply(VhostRequest.getFeatures)
          #expect(features == FrontEnd.bytes(FrontEnd.offeredAtFirst))
        }
        // One that misbehaves is followed by the next, too.
        let bad = try connect(folder + "/s")
        bad.send(99)
        #expect(bad.isClosed)
        #expect(try connect(folder + "/s").ask(VhostRequest.getFeatures) == FrontEnd.offeredAtFirst)
      }
    }

    @Test func theWireStays() throws {
      try withFolder { folder in
        let device = try serve(folder + "/s", "generate")
        defer { SoftDevice.stop(device) }
        for round in 0..<3 {
          let front = try connect(folder + "/s")
          try front.start()
          front.fill(5)
          for index in 0..<5 { #expect(front.receiveFrame()?[49] == UInt8(round * 5 + index)) }
        }
      }
    }

    @Test func sockets() throws {
      try withFolder { folder in
        let path = folder + "/s"
        let device = try serve(path, "sink")
        #expect(throws: TestError.self) { try serve(path, "sink") }
        #expect(sentence().contains(path) && sentence().contains("in use"), "\(sentence())")
        SoftDevice.stop(device)
        write([1], to: path)
        #expect(throws: TestError.self) { try serve(path, "sink") }
        #expect(bytesOf(path) == [1])
        #expect(throws: TestError.self) { try serve(folder + "/none/s", "sink") }
        #expect(sentence().contains("No such file"))
        #expect(throws: TestError.self) { try serve(folder + "/" + String(repeating: "x", count: 120), "sink") }
        #expect(sentence().contains("107"))
        #expect(throws: TestError.self) { try serve("", "sink") }
        // What a killed program leaves behind is replaced.
        let left = folder + "/left"
        var address = sockaddr_un()
        unsafe _ = sys_unix_address(&address, left)
        let (socket, _) = SocketFile.listen(at: address, backlog: 1)
        _ = sys_close(socket)
        #expect(exists(left))
        SoftDevice.stop(try serve(left, "sink"))
        #expect(!exists(left))
      }
    }

    @Test func stopIsQuickWhateverGoesOn() throws {
      for wire in ["generate", "loopback", "generate,rate=10"] {
        let bench = try Bench(wire)
        try bench.front.start()
        bench.front.fill(100)
        let start = sys_nanoseconds()
        _ = consume bench
        #expect(sys_nanoseconds() - start < 500_000_000)
      }
    }
  }
}
