// SPDX-License-Identifier: BSD-2-Clause
//
// A front-end written for these tests: it speaks vhost-user over a socket, keeps two split rings and their buffers in
// one memfd, and can break any rule on request. It shares no code with the device or the driver.

import CLinux
import Linux
import Testing

@testable import SoftDevice

struct TestError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// The sentence of the last Failure on this thread.
func sentence() -> String { unsafe String(cString: sentence_get(Int32(SENTENCE_ERROR))) }

final class FrontEnd {
  static let guest: UInt64 = 0x1_0000_0000
  static let user: UInt64 = 0x7000_0000_0000
  static let memorySize = 8 << 20
  static let bufferSize = 2048
  static let versionOne: UInt64 = 1 << 32
  static let protocolBit: UInt64 = 1 << 30

  let socket: Int32
  let memory: Int32
  let base: UnsafeMutableRawPointer
  let kicks: [Int32]
  let calls: [Int32]
  let size: Int
  var header = 12
  var available: [UInt16] = [0, 0]
  var used: [UInt16] = [0, 0]

  init(socket: Int32, size: Int = 256) {
    self.socket = socket
    self.size = size
    memory = sys_memfd("test", UInt32(MFD_CLOEXEC))
    _ = sys_ftruncate(memory, Int64(Self.memorySize))
    guard let base = unsafe sys_map(nil, Self.memorySize, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0) else {
      fatalError("no memory")
    }
    unsafe self.base = base
    kicks = [sys_eventfd(0), sys_eventfd(0)]
    calls = [sys_eventfd(0), sys_eventfd(0)]
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

  static func ringOffset(_ queue: Int) -> Int { queue * 0x100000 }

  func address(_ queue: Int, shift: UInt64 = 0) -> [UInt8] {
    let ring = Self.user &+ UInt64(Self.ringOffset(queue)) &+ shift
    return Self.bytes(UInt32(queue)) + Self.bytes(UInt32(0)) + Self.bytes(ring) + Self.bytes(ring &+ 0xc0000)
      + Self.bytes(ring &+ 0x80000) + Self.bytes(UInt64(0))
  }

  /// Features, protocol features, memory.
  func negotiate(features: UInt64? = nil, status: Bool = false) throws {
    let offered = try ask(Request.getFeatures) ?? 0
    send(Request.setOwner)
    let protocols = try ask(Request.getProtocolFeatures) ?? 0
    let wanted = status ? protocols : protocols & ~ProtocolFeature.status
    send(Request.setProtocolFeatures, Self.bytes(wanted))
    #expect(try ask(Request.getQueueNum) == 1)
    let agreed = features ?? offered
    header = agreed & Self.versionOne != 0 ? 12 : 10
    #expect(try confirm(Request.setFeatures, Self.bytes(agreed)) == 0)
    #expect(try confirm(Request.setMemTable, memoryTable(), files: [memory]) == 0)
  }

  func startRing(_ queue: Int, enable: Bool = true) throws {
    let index = UInt32(queue)
    send(Request.setVringCall, Self.bytes(UInt64(queue)), files: [calls[queue]])
    #expect(try confirm(Request.setVringNum, Self.state(index, UInt32(size))) == 0)
    #expect(try confirm(Request.setVringBase, Self.state(index, UInt32(used[queue]))) == 0)
    #expect(try confirm(Request.setVringAddr, address(queue)) == 0)
    #expect(try confirm(Request.setVringKick, Self.bytes(UInt64(queue)), files: [kicks[queue]]) == 0)
    if enable { #expect(try confirm(Request.setVringEnable, Self.state(index, 1)) == 0) }
  }

  func start() throws {
    try negotiate()
    try startRing(0)
    try startRing(1)
  }

  /// Stops a ring and returns the index the device stood at.
  func stopRing(_ queue: Int) throws -> UInt32? {
    send(Request.getVringBase, Self.state(UInt32(queue), 0))
    return try reply(Request.getVringBase).map { UInt32(truncatingIfNeeded: Self.number(Array($0[4...]))) }
  }

  // MARK: rings

  func ring(_ queue: Int) -> UnsafeMutableRawPointer { unsafe base + Self.ringOffset(queue) }

  static func bufferOffset(_ queue: Int, _ index: Int) -> Int { 0x200000 + (queue * 1024 + index) * bufferSize }

  func buffer(_ queue: Int, _ index: Int) -> UnsafeMutableRawPointer {
    unsafe base + Self.bufferOffset(queue, index)
  }

  static func address(_ queue: Int, _ index: Int) -> UInt64 { guest + UInt64(bufferOffset(queue, index)) }

  func describe(_ queue: Int, _ index: Int, _ address: UInt64, _ length: UInt32, _ flags: UInt16, _ next: UInt16 = 0) {
    let at = unsafe ring(queue) + 16 * index
    unsafe at.storeBytes(of: address, as: UInt64.self)
    unsafe at.storeBytes(of: length, toByteOffset: 8, as: UInt32.self)
    unsafe at.storeBytes(of: flags, toByteOffset: 12, as: UInt16.self)
    unsafe at.storeBytes(of: next, toByteOffset: 14, as: UInt16.self)
  }

  /// Makes one chain available and kicks if the device wants that.
  func post(_ queue: Int, _ head: Int) {
    let ring = unsafe ring(queue)
    let slot = Int(available[queue]) & (size - 1)
    unsafe (ring + 0x80004 + 2 * slot).storeBytes(of: UInt16(head), as: UInt16.self)
    available[queue] &+= 1
    unsafe shared_store16_release(ring + 0x80002, available[queue])
    shared_fence()
    if unsafe shared_load16(ring + 0xc0000) == 0 { _ = sys_eventfd_signal(kicks[queue]) }
  }

  var kicksWanted: Bool { unsafe shared_load16(ring(0) + 0xc0000) == 0 && shared_load16(ring(1) + 0xc0000) == 0 }

  /// Posts receive buffers of one descriptor each.
  func fill(_ count: Int, length: Int = bufferSize) {
    for _ in 0..<count {
      let index = Int(available[0]) & (size - 1)
      describe(0, index, Self.address(0, index), UInt32(length), 2)
      post(0, index)
    }
  }

  /// Puts a frame with its header into a transmit buffer, without posting it.
  func place(_ frame: [UInt8], _ index: Int) {
    let at = unsafe buffer(1, index)
    for position in 0..<header { unsafe (at + position).storeBytes(of: 0, as: UInt8.self) }
    for (position, byte) in frame.enumerated() { unsafe (at + header + position).storeBytes(of: byte, as: UInt8.self) }
  }

  func transmit(_ frame: [UInt8]) {
    let index = Int(available[1]) & (size - 1)
    place(frame, index)
    describe(1, index, Self.address(1, index), UInt32(header + frame.count), 0)
    post(1, index)
  }

  /// The next used element; nil if none comes.
  func takeUsed(_ queue: Int, wait milliseconds: Int = 3000) -> (id: Int, length: Int)? {
    let ring = unsafe ring(queue)
    let deadline = Deadline(milliseconds: milliseconds)
    while unsafe shared_load16_acquire(ring + 0xc0002) == used[queue] {
      if deadline.hasPassed { return nil }
      sys_sleep_microseconds(20)
    }
    let at = unsafe ring + 0xc0004 + 8 * (Int(used[queue]) & (size - 1))
    used[queue] &+= 1
    return unsafe (Int(shared_load32(at)), Int(shared_load32(at + 4)))
  }

  /// The next received frame; nil if none comes.
  func receiveFrame(wait milliseconds: Int = 3000) -> [UInt8]? {
    guard let (id, length) = takeUsed(0, wait: milliseconds) else { return nil }
    let at = unsafe buffer(0, id)
    for position in 0..<10 { #expect(unsafe at.load(fromByteOffset: position, as: UInt8.self) == 0) }
    if header == 12 { #expect(unsafe at.load(fromByteOffset: 10, as: UInt16.self) == 1) }
    return (header..<max(length, header)).map { unsafe at.load(fromByteOffset: $0, as: UInt8.self) }
  }
}

/// A device with one front-end attached, both ended when the test is over.
final class Bench {
  let device: Cell<Device>
  let front: FrontEnd

  init(_ wire: String, size: Int = 256) throws {
    let socket: Descriptor
    do {
      (device, socket) = try SoftDevice.start(WireOptions(parsing: text(wire)))
    } catch {
      throw TestError(sentence())
    }
    front = FrontEnd(socket: socket.number, size: size)
  }

  deinit { SoftDevice.stop(device) }

  var statistics: DeviceStatistics { SoftDevice.statistics(device) }

  /// Waits until `condition` holds for the counters.
  func until(_ condition: (DeviceStatistics) -> Bool) -> Bool {
    let deadline = Deadline(milliseconds: 3000)
    while !deadline.hasPassed {
      if condition(statistics) { return true }
      sys_sleep_microseconds(100)
    }
    return false
  }
}

func frame(_ length: Int, seed: Int = 0) -> [UInt8] {
  (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ seed &* 13) }
}
