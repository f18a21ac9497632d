// SPDX-License-Identifier: BSD-2-Clause
//
// A front-end written for these tests: it speaks vhost-user over a socket, keeps two split rings and their buffers in
// one memfd, and can break any rule on request. It shares no code with the device or the driver.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

struct TestError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// The sentence of the last Failure on this thread.
func sentence() -> String { unsafe String(cString: sentence_get(Int32(SENTENCE_ERROR))) }

/// A front-end of the device that listens there.
func connect(_ path: String) throws -> FrontEnd {
  var address = sockaddr_un()
  unsafe _ = sys_unix_address(&address, path)
  let socket = sys_unix_socket()
  if unsafe sys_unix_connect(socket, &address) < 0 { throw TestError("cannot connect") }
  return FrontEnd(socket: socket)
}

final class FrontEnd {
  static let guest: UInt64 = 0x1_0000_0000
  static let user: UInt64 = 0x7000_0000_0000
  static let memorySize = 2 << 30
  static let bufferSize = 2048
  static let versionOne: UInt64 = 1 << 32
  static let protocolBit: UInt64 = 1 << 30
  /// What it agrees to unless it is told otherwise: the simplest rings.
  static let simple =
    offered & ~(Feature.packed | Feature.inOrder | Feature.eventIndex | Feature.mergeable)
    & ~(Feature.controlQueue | Feature.throughControl)
  /// What a device of one pair offers.
  static let offered = Feature.closed(Feature.served & ~(Feature.multiqueue | Feature.rss | Feature.speedDuplex))
  /// What a served device offers before the front-end has agreed to read its configuration.
  static let offeredAtFirst = offered & ~Feature.hashReport

  let socket: Int32
  let memory: Int32
  let base: UnsafeMutableRawPointer
  let kicks: [Int32]
  let calls: [Int32]
  let size: Int
  /// Features it wants, of those that are offered.
  let wish: UInt64
  var header = 12
  /// Features above bit 63 that are accepted.
  var above: UInt64 = 0
  var rings: [TestRing] = []
  var posted: [Int]

  init(socket: Int32, size: Int = 256, pairs: Int = 1, wish: UInt64 = simple) {
    self.socket = socket
    self.size = size
    self.wish = wish
    memory = sys_memfd("test", UInt32(MFD_CLOEXEC))
    _ = sys_ftruncate(memory, Int64(Self.memorySize))
    guard let base = unsafe sys_map(nil, Self.memorySize, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0) else {
      fatalError("no memory")
    }
    unsafe self.base = base
    kicks = (0..<2 * pairs + 1).map { _ in sys_eventfd(0) }
    calls = (0..<2 * pairs + 1).map { _ in sys_eventfd(0) }
    posted = kicks.map { _ in 0 }
  }

  deinit {
    for file in kicks + calls + [memory, socket] { _ = sys_close(file) }
    unsafe _ = sys_unmap(base, Self.memorySize)
  }

  // MARK: messages

  func send(_ request: UInt32, _ payload: [UInt8] = [], files: [Int32] = [], flags: UInt32 = 1) {
    var bytes = Self.bytes(request) + Self.bytes(flags) + Self.bytes(UInt32(payload.count)) + payload
    raw(&bytes, files: files)
  }

  func raw(_ bytes: inout [UInt8], files: [Int32] = []) {
    _ = unsafe sys_send(socket, bytes, bytes.count, files, UInt32(files.count))
  }

  static func bytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    unsafe withUnsafeBytes(of: value) { unsafe Array($0) }
  }

  /// Exactly `count` bytes, or nil when the device closed the connection. Throws after 3 s.
  func receive(_ count: Int) throws -> [UInt8]? {
    var bytes = [UInt8]()
    let deadline = Deadline(milliseconds: 3000)
    while bytes.count < count {
      var chunk = [UInt8](repeating: 0, count: count - bytes.count)
      var files: UInt32 = 0
      let got = unsafe sys_receive(socket, &chunk, chunk.count, nil, 0, &files)
      if got == 0 || got == -Int(ECONNRESET) { return nil }
      if got > 0 { bytes += chunk[..<got] } else if deadline.hasPassed { throw TestError("no reply") }
      if got < 0 { sys_sleep_microseconds(50) }
    }
    return bytes
  }

  /// The payload of a reply; nil when the device closed the connection.
  func reply(_ request: UInt32) throws -> [UInt8]? {
    guard let head = try receive(12) else { return nil }
    #expect(Array(head[0..<4]) == Self.bytes(request))
    #expect(Array(head[4..<8]) == Self.bytes(UInt32(5)))
    return try receive(Int(head[8]) + Int(head[9]) << 8)
  }

  static func number(_ bytes: [UInt8]) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  func ask(_ request: UInt32, _ payload: [UInt8] = [], files: [Int32] = []) throws -> UInt64? {
    send(request, payload, files: files)
    return try reply(request).map(Self.number)
  }

  /// Sends a request with need_reply and returns the answer: 0 is good, nil is a closed connection.
  @discardableResult
  func confirm(_ request: UInt32, _ payload: [UInt8] = [], files: [Int32] = []) throws -> UInt64? {
    send(request, payload, files: files, flags: 9)
    return try reply(request).map(Self.number)
  }

  var isClosed: Bool {
    let deadline = Deadline(milliseconds: 3000)
    while !deadline.hasPassed {
      var byte: UInt8 = 0
      var files: UInt32 = 0
      let got = unsafe sys_receive(socket, &byte, 1, nil, 0, &files)
      if got == 0 || got == -Int(ECONNRESET) { return true }
      if got < 0 { sys_sleep_microseconds(100) }
    }
    return false
  }

  // MARK: bring-up

  static func state(_ index: UInt32, _ number: UInt32) -> [UInt8] { bytes(index) + bytes(number) }

  func memoryTable(regions: Int = 1, size: UInt64 = UInt64(memorySize), offset: UInt64 = 0) -> [UInt8] {
    var table = Self.bytes(UInt32(regions)) + Self.bytes(UInt32(0))
    for index in 0..<UInt64(regions) {
      table += Self.bytes(Self.guest + index << 40) + Self.bytes(size)
      table += Self.bytes(Self.user + index << 40) + Self.bytes(offset)
    }
    return table
  }

  func ringOffset(_ queue: Int) -> Int { queue * TestRing.bytes(size) }

  func address(_ queue: Int, shift: UInt64 = 0) -> [UInt8] {
    let ring = Self.user &+ UInt64(ringOffset(queue)) &+ shift
    return Self.bytes(UInt32(queue)) + Self.bytes(UInt32(0)) + Self.bytes(ring)
      + Self.bytes(ring &+ UInt64(TestRing.deviceOffset(size)))
      + Self.bytes(ring &+ UInt64(TestRing.driverOffset(size))) + Self.bytes(UInt64(0))
  }

  /// Features, protocol features, memory.
  func negotiate(features: UInt64? = nil, status: Bool = false) throws {
    let offered = try ask(VhostRequest.getFeatures) ?? 0
    send(VhostRequest.setOwner)
    let protocols = try ask(VhostRequest.getProtocolFeatures) ?? 0
    let wanted = status ? protocols : protocols & ~ProtocolFeature.status
    send(VhostRequest.setProtocolFeatures, Self.bytes(wanted))
    #expect(try ask(VhostRequest.getQueueNumber) == UInt64(kicks.count / 2))
    if above != 0 {
      #expect(try ask(VhostRequest.getHigherFeatures) == HigherFeature.guest | HigherFeature.host)
      #expect(try confirm(VhostRequest.setHigherFeatures, Self.bytes(above)) == 0)
    }
    agree(features ?? offered & wish)
    #expect(try confirm(VhostRequest.setFeatures, Self.bytes(features ?? offered & wish)) == 0)
    #expect(try confirm(VhostRequest.setMemoryTable, memoryTable(), files: [memory]) == 0)
  }

  /// Makes rings as the features say.
  func agree(_ features: UInt64) {
    header = features & (Self.versionOne | Feature.mergeable) != 0 ? 12 : 10
    if features & Feature.hashReport != 0 { header = 20 }
    if above & HigherFeature.tunnels != 0 { header = 24 }
    rings = kicks.enumerated().map { queue, kick in
      unsafe TestRing.make(base + ringOffset(queue), size, features, kick)
    }
  }

  func startRing(_ queue: Int, enable: Bool = true) throws {
    let index = UInt32(queue)
    send(VhostRequest.setVringCall, Self.bytes(UInt64(queue)), files: [calls[queue]])
    #expect(try confirm(VhostRequest.setVringSize, Self.state(index, UInt32(size))) == 0)
    #expect(
      try confirm(VhostRequest.setVringBase, Self.state(index, rings[queue].claimed ?? rings[queue].position)) == 0)
    #expect(try confirm(VhostRequest.setVringAddress, address(queue)) == 0)
    #expect(try confirm(VhostRequest.setVringKick, Self.bytes(UInt64(queue)), files: [kicks[queue]]) == 0)
    if enable { #expect(try confirm(VhostRequest.setVringEnable, Self.state(index, 1)) == 0) }
  }

  func start() throws {
    try negotiate()
    for queue in 0..<kicks.count - 1 { try startRing(queue) }
  }

  /// Stops a ring and returns the index the device stood at.
  @discardableResult
  func stopRing(_ queue: Int) throws -> UInt32? {
    send(VhostRequest.getVringBase, Self.state(UInt32(queue), 0))
    return try reply(VhostRequest.getVringBase).map { UInt32(truncatingIfNeeded: Self.number(Array($0[4...]))) }
  }
}
