// SPDX-License-Identifier: BSD-2-Clause
//
// The buffer that a front-end keeps for a back-end's successor.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

/// An inflight buffer as a front-end has it.
final class Keepsake {
  let file: Int32
  let length: Int
  let base: UnsafeMutableRawPointer

  init(_ front: FrontEnd) throws {
    let request = FrontEnd.bytes(UInt64(0)) + FrontEnd.bytes(UInt64(0)) + Self.shape(front)
    front.send(VhostRequest.getInflightFile, request)
    var bytes = [UInt8](repeating: 0, count: 36)
    var files: [Int32] = [-1]
    var count: UInt32 = 0
    let deadline = Deadline(milliseconds: 3000)
    while unsafe sys_receive(front.socket, &bytes, 36, &files, 1, &count) < 0 {
      if deadline.hasPassed { throw TestError("no reply") }
      sys_sleep_microseconds(100)
    }
    file = files[0]
    length = Int(FrontEnd.number(Array(bytes[12..<20])))
    guard count == 1, let base = unsafe sys_map(nil, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) else {
      throw TestError("no buffer")
    }
    unsafe self.base = base
  }

  deinit {
    unsafe _ = sys_unmap(base, length)
    _ = sys_close(file)
  }

  static func shape(_ front: FrontEnd) -> [UInt8] {
    FrontEnd.bytes(UInt16(2)) + FrontEnd.bytes(UInt16(front.size)) + FrontEnd.bytes(UInt32(0))
  }

  /// SET_INFLIGHT_FD.
  func give(to front: FrontEnd) throws -> UInt64? {
    let request = FrontEnd.bytes(UInt64(length)) + FrontEnd.bytes(UInt64(0)) + Self.shape(front)
    return try front.confirm(VhostRequest.setInflightFile, request, files: [file])
  }

  /// A queue's part.
  func part(_ queue: Int) -> UnsafeMutableRawPointer { unsafe base + queue * (length / 2) }
}

extension SoftDeviceTests {
  @Suite struct InflightTests {
    private func connect(_ path: String, _ wish: UInt64) throws -> FrontEnd {
      var address = sockaddr_un()
      unsafe _ = sys_unix_address(&address, path)
      let socket = sys_unix_socket()
      if unsafe sys_unix_connect(socket, &address) < 0 { throw TestError("cannot connect") }
      return FrontEnd(socket: socket, size: wish & Feature.packed != 0 ? 7 : 8, wish: wish)
    }

    /// Sends frames round in batches that end at all places of the ring.
    private func go(_ front: FrontEnd, _ rounds: Range<Int>) throws {
      for round in rounds {
        let count = round % 3 + 1
        front.fill(count)
        for index in 0..<count { front.transmit(frame(60, seed: round + index)) }
        for index in 0..<count { try front.expect(frame(60, seed: round + index)) }
        for _ in 0..<count { #expect(front.takeUsed(1) != nil) }
      }
    }

    /// A successor that is told a stale base finds the right one in the buffer.
    @Test(arguments: [Feature.packed, Feature.packed | Feature.inOrder, 0])
    func aSuccessorGoesOn(_ extra: UInt64) throws {
      let wish = FrontEnd.simple | extra
      let first = try Bench("loopback", size: extra == 0 ? 8 : 7, wish: wish)
      try first.front.negotiate()
      let keepsake = try Keepsake(first.front)
      #expect(try keepsake.give(to: first.front) == 0)
      for queue in 0..<2 { try first.front.startRing(queue) }
      #expect(try keepsake.give(to: first.front) == 1, "while a ring runs")
      try go(first.front, 0..<40)
      let second = try Bench("loopback", size: first.front.size, wish: wish)
      // The same memory and rings, as of one front-end that was left and found another back-end.
      unsafe memcpy(second.front.base, first.front.base, 0x10000)
      try second.front.negotiate()
      let rings = second.front.rings
      second.front.rings = first.front.rings.enumerated().map { queue, ring in
        unsafe ring.moved(to: rings[queue].base, kick: second.front.kicks[queue])
      }
      #expect(try keepsake.give(to: second.front) == 0)
      for queue in 0..<2 {
        if extra != 0 { second.front.rings[queue].claimed = 0x8000_8000 }
        try second.front.startRing(queue)
        #expect(try second.front.stopRing(queue) == second.front.rings[queue].position)
        second.front.rings[queue].claimed = nil
        try second.front.startRing(queue)
      }
      try go(second.front, 40..<80)
    }

    /// A batch of a packed ring that was half written is done again, one that was written whole is not.
    @Test(arguments: [true, false])
    func halfABatch(_ wasDone: Bool) throws {
      let bench = try Bench("sink", size: 7, wish: FrontEnd.simple | Feature.packed)
      let front = bench.front
      try front.negotiate()
      let keepsake = try Keepsake(front)
      let part = unsafe keepsake.part(1)
      for index in 0..<3 { front.transmit(frame(60, seed: index)) }
      unsafe part.storeBytes(of: 1, toByteOffset: 8, as: UInt16.self)
      unsafe part.storeBytes(of: 7, toByteOffset: 10, as: UInt16.self)
      unsafe part.storeBytes(of: 3, toByteOffset: 16, as: UInt16.self)
      unsafe part.storeBytes(of: 0x101, toByteOffset: 20, as: UInt16.self)
      for place in 1..<3 {
        let at = unsafe front.ring(1) + 16 * place + 8
        unsafe (part + 40 + 32 * place).storeBytes(of: at.load(as: UInt64.self), as: UInt64.self)
        unsafe at.storeBytes(of: at.load(as: UInt64.self) | 0x8080 << 48, as: UInt64.self)
      }
      if wasDone {
        let at = unsafe front.ring(1) + 8
        unsafe at.storeBytes(of: at.load(as: UInt64.self) | 0x8080 << 48, as: UInt64.self)
      }
      #expect(try keepsake.give(to: front) == 0)
      try front.startRing(1)
      for _ in 0..<3 { #expect(front.takeUsed(1) != nil) }
      #expect(bench.until { $0.fromDriver == (wasDone ? 0 : 3) })
      for index in 0..<9 {
        front.transmit(frame(60, seed: index))
        #expect(front.takeUsed(1) != nil)
      }
      #expect(bench.until { $0.fromDriver == (wasDone ? 9 : 12) })
    }

    /// Buffer and rings lie in files of the front-end's, which it may shorten while the rings run.
    @Test(arguments: [true, false])
    func aFileThatIsShortenedEndsItsSession(_ isBuffer: Bool) throws {
      try withFolder { folder in
        let path = folder + "/s"
        let device = try SoftDevice.serve(text(path), try WireOptions(parsing: text("loopback")))
        defer { SoftDevice.stop(device) }
        let front = try connect(path, FrontEnd.simple | Feature.packed)
        try front.negotiate()
        let file = unsafe sys_memfd("inflight", UInt32(MFD_CLOEXEC))
        defer { _ = sys_close(file) }
        #expect(sys_ftruncate(file, 1 << 16) == 0)
        let request = FrontEnd.bytes(UInt64(1 << 16)) + FrontEnd.bytes(UInt64(0)) + Keepsake.shape(front)
        #expect(try front.confirm(VhostRequest.setInflightFile, request, files: [file]) == 0)
        for queue in 0..<2 { try front.startRing(queue) }
        try go(front, 0..<8)
        if isBuffer { front.fill(1) }
        #expect(sys_ftruncate(isBuffer ? file : front.memory, 0) == 0)
        if isBuffer { front.transmit(frame(60)) } else { _ = sys_eventfd_signal(front.kicks[1]) }
        #expect(front.isClosed)
        let next = try connect(path, FrontEnd.simple)
        try next.start()
        try go(next, 0..<8)
      }
    }

    @Test func buffersThatDoNotFit() throws {
      try hostile("sink", wish: FrontEnd.simple) { bench in
        let front = bench.front
        try front.negotiate()
        let keepsake = try Keepsake(front)
        func set(_ size: UInt64, _ offset: UInt64, _ queues: UInt16, _ entries: UInt16) throws -> UInt64? {
          let shape = FrontEnd.bytes(queues) + FrontEnd.bytes(entries) + FrontEnd.bytes(UInt32(0))
          let request = FrontEnd.bytes(size) + FrontEnd.bytes(offset) + shape
          return try front.confirm(VhostRequest.setInflightFile, request, files: [keepsake.file])
        }
        let length = UInt64(keepsake.length)
        #expect(try set(length, 0, 2, 256) == 0)
        #expect(try set(length - 1, 0, 2, 256) == 1)
        #expect(try set(length, 64, 2, 256) == 1)
        #expect(try set(length, .max, 2, 256) == 1)
        #expect(try set(length, .max / 2, 2, 256) == 1)
        for (queues, entries) in [(UInt16(0), UInt16(256)), (4, 256), (2, 0), (2, 32769), (2, 65535)] {
          #expect(try set(.max, 0, queues, entries) == 1)
        }
        // Of another size, or with chains in flight: the ring stands still, and the error event says so.
        let error = sys_eventfd(0)
        defer { _ = sys_close(error) }
        #expect(try front.confirm(VhostRequest.setVringError, FrontEnd.bytes(UInt64(1)), files: [error]) == 0)
        let part = unsafe keepsake.part(1)
        unsafe part.storeBytes(of: 1, toByteOffset: 8, as: UInt16.self)
        for (entries, flag) in [(128, 0), (256, 1)] {
          unsafe part.storeBytes(of: UInt16(entries), toByteOffset: 10, as: UInt16.self)
          unsafe part.storeBytes(of: UInt8(flag), toByteOffset: 16 + 16 * 255, as: UInt8.self)
          #expect(try set(length, 0, 2, 256) == 0)
          try front.startRing(1)
          #expect(sys_eventfd_drain(error) > 0)
          front.transmit(frame(60))
          #expect(front.takeUsed(1, wait: 10) == nil)
          try front.stopRing(1)
        }
      }
    }
  }
}
