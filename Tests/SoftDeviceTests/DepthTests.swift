// SPDX-License-Identifier: BSD-2-Clause
//
// The rest of vhost-user: memory one region at a time, messages to the front-end, announcements, and a device that
// connects by itself.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

extension FrontEnd {
  static func region(_ guest: UInt64, _ user: UInt64, _ size: UInt64, _ offset: UInt64) -> [UInt8] {
    [UInt64(0), guest, size, user, offset].flatMap { bytes($0) }
  }

  /// Gives the device a socket for its messages and returns our end.
  func backendSocket() throws -> Int32 {
    var ends: [Int32] = [-1, -1]
    #expect(unsafe sys_socket_pair(&ends) == 0)
    #expect(try confirm(VhostRequest.setBackendRequestFile, files: [ends[1]]) == 0)
    _ = sys_close(ends[1])
    return ends[0]
  }

  /// Listens at a path until a device connects there, and no longer.
  static func called(at path: String) throws -> FrontEnd {
    var address = sockaddr_un()
    unsafe _ = sys_unix_address(&address, path)
    let (listener, file) = SocketFile.listen(at: address, backlog: 1)
    if listener < 0 { throw TestError("cannot listen") }
    defer {
      file.remove()
      _ = sys_close(listener)
    }
    let deadline = Deadline(milliseconds: 3000)
    while !deadline.hasPassed {
      let accepted = sys_accept(listener)
      if accepted >= 0 { return FrontEnd(socket: accepted) }
      sys_sleep_microseconds(1000)
    }
    throw TestError("the device does not connect")
  }

  /// The device's next message: request, flags and size; nil if none comes.
  static func message(_ socket: Int32, wait milliseconds: Int = 3000) -> [UInt32]? {
    let deadline = Deadline(milliseconds: milliseconds)
    var bytes = [UInt8](repeating: 0, count: 12)
    while true {
      if unsafe sys_read(socket, &bytes, 12) == 12 {
        return (0..<3).map { UInt32(truncatingIfNeeded: number(Array(bytes[4 * $0..<4 * $0 + 4]))) }
      }
      if deadline.hasPassed { return nil }
      sys_sleep_microseconds(100)
    }
  }
}

extension SoftDeviceTests {
  @Suite struct DepthTests {
    static let half = UInt64(FrontEnd.memorySize) / 2

    @Test func memoryRegionByRegion() throws {
      try hostile { bench in
        let front = bench.front
        let (guest, user, half) = (FrontEnd.guest, FrontEnd.user, Self.half)
        #expect(try front.ask(VhostRequest.getMaximumSlots) == UInt64(MemoryMap.limit))
        try front.negotiate()
        #expect(try front.confirm(VhostRequest.removeRegion, FrontEnd.region(guest, user, 2 * half, 0)) == 0)
        #expect(try front.confirm(VhostRequest.removeRegion, FrontEnd.region(guest, user, 2 * half, 0)) == 1)
        for queue in 0..<2 {
          #expect(try front.confirm(VhostRequest.setVringSize, FrontEnd.state(UInt32(queue), 256)) == 0)
          #expect(try front.confirm(VhostRequest.setVringAddress, front.address(queue)) == 0)
          let index = FrontEnd.bytes(UInt64(queue))
          #expect(try front.confirm(VhostRequest.setVringKick, index, files: [front.kicks[queue]]) == 0)
          #expect(try front.confirm(VhostRequest.setVringEnable, FrontEnd.state(UInt32(queue), 1)) == 0)
        }
        front.fill(2)
        front.transmit(frame(60))
        #expect(front.takeUsed(1, wait: 20) == nil)
        // The rings lie in the first half, and so do the buffers.
        for (start, length) in [(UInt64(0), half), (half, half)] {
          let region = FrontEnd.region(guest + start, user + start, length, start)
          #expect(try front.confirm(VhostRequest.addRegion, region, files: [front.memory]) == 0)
        }
        try front.expect(frame(60))
        #expect(front.takeUsed(1) != nil)
        let second = FrontEnd.region(guest + half, user + half, half, half)
        #expect(try front.confirm(VhostRequest.removeRegion, second) == 0)
        front.transmit(frame(61))
        try front.expect(frame(61))
        // Without the first the rings stand still; a region that is not quite the same is none.
        #expect(try front.confirm(VhostRequest.removeRegion, FrontEnd.region(guest, user, half - 1, 0)) == 1)
        #expect(try front.confirm(VhostRequest.removeRegion, FrontEnd.region(guest, user, half, 0)) == 0)
        front.fill(1)
        front.transmit(frame(62))
        #expect(front.takeUsed(0, wait: 20) == nil)
        let first = FrontEnd.region(guest, user, half, 0)
        #expect(try front.confirm(VhostRequest.addRegion, first, files: [front.memory]) == 0)
        try front.expect(frame(62))
      }
    }

    @Test func asManyRegionsAsThereAreSlots() throws {
      try hostile { bench in
        let front = bench.front
        for index in 0...UInt64(MemoryMap.limit) {
          let region = FrontEnd.region(FrontEnd.guest + index << 32, FrontEnd.user + index << 32, 4096, index * 4096)
          let wanted: UInt64 = index < UInt64(MemoryMap.limit) ? 0 : 1
          front.send(VhostRequest.setProtocolFeatures, FrontEnd.bytes(ProtocolFeature.replyAcknowledge))
          let answer = try front.confirm(VhostRequest.addRegion, region, files: [front.memory])
          #expect(answer == wanted)
        }
      }
    }

    @Test func wrongMemoryRegions() throws {
      try hostile { bench in
        let front = bench.front
        try front.negotiate()
        let beyond = FrontEnd.region(0, 0, UInt64(FrontEnd.memorySize) + 1, 0)
        #expect(try front.confirm(VhostRequest.addRegion, beyond, files: [front.memory]) == 1)
        #expect(try front.confirm(VhostRequest.addRegion, FrontEnd.region(0, 0, 0, 0), files: [front.memory]) == 1)
        let around = FrontEnd.region(.max - 100, 0, 4096, 0)
        #expect(try front.confirm(VhostRequest.addRegion, around, files: [front.memory]) == 1)
        front.send(VhostRequest.addRegion, FrontEnd.region(0, 0, 4096, 0))
        #expect(front.isClosed)
      }
    }

    @Test func aLogIsTakenAndLeftAlone() throws {
      try hostile { bench in
        let front = bench.front
        try front.negotiate()
        #expect(
          try front.confirm(VhostRequest.setLogBase, [UInt8](repeating: 0, count: 16), files: [front.memory]) == 0)
        #expect(try front.confirm(VhostRequest.setLogFile, files: [front.kicks[0]]) == 0)
      }
    }

    /// The link of a pipe is up while there is a device at its other end, and the driver hears of it.
    @Test func linkOfAPipe() throws {
      try hostile("pipe=link", wish: FrontEnd.offered) { bench in
        let front = bench.front
        #expect(try front.config(6, 2) == [1, 0])
        try front.negotiate()
        let socket = try front.backendSocket()
        defer { _ = sys_close(socket) }
        #expect(try front.config(6, 2) == [0, 0])
        for round in 0..<3 {
          do {
            let other = try Bench("pipe=link")
            #expect(FrontEnd.message(socket).map { [$0[0], $0[2]] } == [2, 0])
            // A driver that knows how is asked to announce itself, until it says that it has.
            #expect(try front.config(6, 2) == [3, 0])
            try other.front.start()
            if round == 0 { for queue in 0..<3 { try front.startRing(queue, enable: queue < 2) } }
            #expect(try front.command([3, 0]) == 0)
            #expect(try front.config(6, 2) == [1, 0])
            other.front.fill(1)
            front.transmit(frame(60))
            try other.front.expect(frame(60))
          }
          #expect(FrontEnd.message(socket).map { $0[0] } == 2)
          #expect(try front.config(6, 2) == [0, 0])
        }
        #expect(FrontEnd.message(socket, wait: 20) == nil)
      }
    }

    /// SEND_RARP speaks for a driver that cannot.
    @Test func announcement() throws {
      try withFolder { folder in
        do {
          let bench = try Bench("pcap=,out=\(folder)/out.pcap")
          try bench.front.negotiate()
          #expect(try bench.front.confirm(VhostRequest.sendRARP, [2, 1, 2, 3, 4, 5, 0, 0]) == 0)
        }
        let mac: [UInt8] = [2, 1, 2, 3, 4, 5]
        var wanted: [UInt8] = [255, 255, 255, 255, 255, 255] + mac + [0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3]
        wanted += mac + [0, 0, 0, 0] + mac
        wanted += [UInt8](repeating: 0, count: 60 - wanted.count)
        #expect(Array(bytesOf(folder + "/out.pcap")[40...]) == wanted)
      }
    }

    /// A device that looks for its front-end finds it when it comes, and again when it has gone.
    @Test func aDeviceThatConnects() throws {
      try withFolder { folder in
        let before = openFiles()
        let device = try SoftDevice.serve(text(folder + "/s"), WireOptions(parsing: text("loopback,client=1")))
        #expect(!exists(folder + "/s"))
        for round in 0..<3 {
          let front = try FrontEnd.called(at: folder + "/s")
          try front.start()
          front.fill(1)
          front.transmit(frame(60, seed: round))
          try front.expect(frame(60, seed: round))
        }
        #expect(SoftDevice.statistics(device).connections == 3)
        SoftDevice.stop(device)
        #expect(openFiles() == before)
      }
      #expect(throws: Failure.self) { try SoftDevice.start(WireOptions(parsing: text("loopback,client=1"))) }
      #expect(sentence().contains("client=1"))
    }
  }
}
