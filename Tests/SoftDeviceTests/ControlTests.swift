// SPDX-License-Identifier: BSD-2-Clause
//
// The control queue: what each command changes, and that nothing else does.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

extension FrontEnd {
  var controlQueue: Int { kicks.count - 1 }

  /// Sends a request in pieces of `cut` bytes and returns the answer.
  func command(_ bytes: [UInt8], cut: Int = 64) throws -> UInt8 {
    let answer = try ask(bytes, room: 1, cut: cut)
    #expect(answer.count == 1)
    return answer[0]
  }

  /// Sends a request with `room` bytes for the answer, and returns those that the device says it has written.
  func ask(_ bytes: [UInt8], room: Int, cut: Int = 64, answerCut: Int = 4096) throws -> [UInt8] {
    let queue = controlQueue
    for (position, byte) in bytes.enumerated() {
      unsafe (buffer(queue, 0) + position).storeBytes(of: byte, as: UInt8.self)
    }
    for place in 0..<room { unsafe (buffer(queue, 1) + place).storeBytes(of: 0xff, as: UInt8.self) }
    var parts = stride(from: 0, to: bytes.count, by: cut).map { at in
      Part(address: Self.address(queue, 0) + UInt64(at), length: UInt32(min(cut, bytes.count - at)))
    }
    parts += stride(from: 0, to: room, by: answerCut).map { at in
      Part(
        address: Self.address(queue, 1) + UInt64(at), length: UInt32(min(answerCut, room - at)), isWritable: true)
    }
    unsafe rings[queue].offer(parts, buffer: 0)
    guard let (_, length) = takeUsed(queue) else { throw TestError("the command is not answered") }
    let all = (0..<room).map { unsafe (buffer(queue, 1) + $0).load(as: UInt8.self) }
    #expect(length >= 1 && length <= room && (all[0] != 0 || all[Int(length)...].allSatisfy { $0 == 0xff }))
    return Array(all[..<Int(length)])
  }

  /// Bytes of the configuration space.
  func config(_ offset: Int, _ count: Int) throws -> [UInt8] {
    let head = Self.bytes(UInt32(offset)) + Self.bytes(UInt32(count)) + Self.bytes(UInt32(0))
    send(VhostRequest.getConfig, head + [UInt8](repeating: 0, count: count))
    return Array(try reply(VhostRequest.getConfig)?[12...] ?? [])
  }
}

/// A frame to an address, perhaps with a VLAN tag.
func frame(to address: [UInt8], vlan: Int? = nil, _ seed: Int = 0) -> [UInt8] {
  let tag: [UInt8] = vlan.map { [0x81, 0, UInt8($0 >> 8), UInt8($0 & 0xff)] } ?? []
  return address + [2, 0, 0, 0, 0, 9] + tag + [0x88, 0xb5] + frame(50, seed: seed)
}

extension SoftDeviceTests {
  @Suite struct ControlTests {
    static let wish = FrontEnd.offered & ~(Feature.packed | Feature.inOrder | Feature.eventIndex | Feature.mergeable)
    static let own: [UInt8] = [2, 0x11, 0x22, 0x33, 0x44, 0x55]
    static let other: [UInt8] = [2, 0xaa, 0xbb, 0xcc, 0xdd, 0xee]
    static let group: [UInt8] = [0x33, 0x33, 0, 0, 0, 1]
    static let all = [UInt8](repeating: 0xff, count: 6)

    private func started(_ extra: UInt64 = 0, _ wire: String = "loopback,mac=02:11:22:33:44:55") throws -> Bench {
      let bench = try Bench(wire, wish: Self.wish | extra)
      try bench.front.negotiate()
      for queue in 0..<3 { try bench.front.startRing(queue, enable: queue < 2) }
      return bench
    }

    /// Sends the frames round and returns which of them came back.
    private func kept(_ bench: Bench, _ frames: [[UInt8]]) throws -> [Bool] {
      let front = bench.front
      return try frames.map { sent in
        let before = bench.statistics.fromDriver
        front.fill(1)
        front.transmit(sent)
        #expect(front.takeUsed(1) != nil)
        if !bench.until({ $0.fromDriver == before + 1 }) { throw TestError("stuck") }
        guard let got = front.receiveFrame(wait: 0) else { return false }
        #expect(got == sent)
        return true
      }
    }

    private var frames: [[UInt8]] { [Self.own, Self.other, Self.group, Self.all].map { frame(to: $0) } }

    @Test(arguments: [0, Feature.packed, Feature.packed | Feature.inOrder, Feature.eventIndex])
    func modes(_ extra: UInt64) throws {
      let bench = try started(extra)
      let front = bench.front
      #expect(try kept(bench, frames) == [true, true, true, true])
      let steps: [([UInt8], [Bool])] = [
        ([0, 0], [true, false, false, true]), ([1, 1], [true, false, true, true]), ([2, 1], [true, true, true, true]),
        ([3, 1], [true, true, false, true]), ([5, 1], [true, true, false, false]),
        ([4, 1], [false, false, false, false]), ([0, 1], [true, true, true, true]),
        ([0, 0], [false, false, false, false]), ([4, 0], [true, true, false, false]),
      ]
      for (index, (mode, wanted)) in steps.enumerated() {
        #expect(try front.command([0] + mode, cut: 1 + index % 3) == 0)
        #expect(try kept(bench, frames) == wanted, "after \(mode)")
      }
      #expect(bench.statistics.toDriverDrops == 0)
    }

    @Test func addresses() throws {
      let bench = try started()
      let front = bench.front
      #expect(try front.command([0, 0, 0]) == 0)
      #expect(try front.command([1, 0] + FrontEnd.bytes(UInt32(1)) + Self.other + FrontEnd.bytes(UInt32(0))) == 0)
      #expect(try kept(bench, frames) == [true, true, false, true])
      #expect(try front.command([1, 0] + FrontEnd.bytes(UInt32(0)) + FrontEnd.bytes(UInt32(1)) + Self.group) == 0)
      #expect(try kept(bench, frames) == [true, false, true, true])
      // More than are kept stand for all of their kind.
      let many = FrontEnd.bytes(UInt32(65)) + [UInt8](repeating: 0x02, count: 65 * 6)
      #expect(try front.command([1, 0] + many + FrontEnd.bytes(UInt32(0)), cut: 100) == 0)
      #expect(try kept(bench, frames) == [true, true, false, true])
      #expect(try front.command([1, 0] + FrontEnd.bytes(UInt64(0))) == 0)
      #expect(try front.command([1, 1] + Self.other) == 0)
      #expect(try kept(bench, frames) == [false, true, false, true])
      #expect(try front.config(0, 6) == Self.other)
      // The first address returns with the next set of features.
      #expect(try front.confirm(VhostRequest.resetDevice) == 0)
      #expect(try front.config(0, 6) == Self.own)
    }

    @Test func vlans() throws {
      let bench = try started()
      let front = bench.front
      let tagged = [frame(to: Self.own, vlan: 7), frame(to: Self.own, vlan: 4095), frame(to: Self.own)]
      #expect(try kept(bench, tagged) == [true, true, true])
      #expect(try front.command([0, 0, 0]) == 0)
      #expect(try kept(bench, tagged) == [false, false, true])
      #expect(try front.command([2, 0, 7, 0]) == 0)
      #expect(try kept(bench, tagged) == [true, false, true])
      #expect(try front.command([2, 0, 0xff, 0x0f]) == 0)
      #expect(try front.command([2, 1, 7, 0]) == 0)
      #expect(try kept(bench, tagged) == [false, true, true])
    }

    /// What is not known, not negotiated, too short, too long or out of range.
    @Test func refused() throws {
      let bench = try started()
      let front = bench.front
      let requests: [[UInt8]] = [
        [0], [0, 0], [0, 0, 0, 0], [0, 6, 1], [1, 0], [1, 0] + [UInt8](repeating: 0, count: 7), [1, 2] + Self.own,
        [1, 0] + FrontEnd.bytes(UInt32(1)) + FrontEnd.bytes(UInt32(0)),
        [1, 0] + FrontEnd.bytes(UInt32.max) + FrontEnd.bytes(UInt32.max) + Self.own,
        [1, 0] + FrontEnd.bytes(UInt32(0)) + FrontEnd.bytes(UInt32(1)) + Self.own + [0],
        [1, 1] + Self.own + [0], [1, 1, 2], [2, 0, 0, 0x10], [2, 2, 1, 0], [2, 0, 1], [3, 1], [4, 0, 1, 0],
        [5, 0] + FrontEnd.bytes(UInt64(1) << 10), [5, 0, 0], [5, 1] + FrontEnd.bytes(UInt64(0)), [6, 0], [255, 255],
      ]
      for request in requests { #expect(try front.command(request) == 1, "\(request)") }
      #expect(try kept(bench, frames) == [true, true, true, true])
    }

    @Test func notNegotiated() throws {
      let bench = try Bench("loopback", wish: FrontEnd.simple | Feature.controlQueue)
      try bench.front.negotiate()
      for queue in 0..<3 { try bench.front.startRing(queue) }
      let requests: [[UInt8]] = [
        [0, 0, 0], [0, 1, 1], [0, 5, 1], [1, 0] + [UInt8](repeating: 0, count: 8), [1, 1] + Self.own, [2, 0, 1, 0],
        [3, 0], [4, 0, 1, 0], [5, 0] + FrontEnd.bytes(UInt64(0)),
      ]
      for request in requests { #expect(try bench.front.command(request) == 1, "\(request)") }
      #expect(try kept(bench, frames) == [true, true, true, true])
    }

    @Test func requestsThatAreNone() throws {
      let shapes: [[Part]] = [
        [Part(address: FrontEnd.address(2, 0), length: 3)],
        [Part(address: FrontEnd.address(2, 0), length: 3, isWritable: true)],
        [
          Part(address: FrontEnd.address(2, 0), length: 1, isWritable: true),
          Part(address: FrontEnd.address(2, 1), length: 3),
        ],
      ]
      for extra in [0, Feature.packed] {
        for shape in shapes {
          try hostile("sink", wish: Self.wish | extra) { bench in
            try bench.front.negotiate()
            for queue in 0..<3 { try bench.front.startRing(queue) }
            unsafe bench.front.rings[2].offer(shape, buffer: 0)
            #expect(bench.front.isClosed)
          }
        }
      }
    }
  }
}
