// SPDX-License-Identifier: BSD-2-Clause
//
// The test front-end's buffers and frames, on whichever rings were agreed on.

import CLinux
import Linux
import Testing

@testable import SoftDevice

extension FrontEnd {
  func ring(_ queue: Int) -> UnsafeMutableRawPointer { unsafe base + ringOffset(queue) }

  static func bufferOffset(_ queue: Int, _ index: Int) -> Int { 0x4000000 + (queue * 1024 + index) * bufferSize }

  func buffer(_ queue: Int, _ index: Int) -> UnsafeMutableRawPointer {
    unsafe base + Self.bufferOffset(queue, index)
  }

  static func address(_ queue: Int, _ index: Int) -> UInt64 { guest + UInt64(bufferOffset(queue, index)) }

  func split(_ queue: Int) -> SplitTestRing {
    guard let ring = rings[queue] as? SplitTestRing else { fatalError("not a split ring") }
    return ring
  }

  /// Writes one descriptor of a split ring, without showing it.
  func describe(_ queue: Int, _ index: Int, _ address: UInt64, _ length: UInt32, _ flags: UInt16, _ next: UInt16 = 0) {
    let part = Part(address: address, length: length)
    unsafe rings[queue].describe(ring(queue) + 16 * index, part, flags, next)
  }

  /// Makes the chain of a split ring that begins at `head` available, whatever it is.
  func post(_ queue: Int, _ head: Int) {
    split(queue).outstanding.append((head, 0, head))
    split(queue).publish(head)
    split(queue).signal()
  }

  var kicksWanted: Bool { rings[0].asksForNext && rings[1].asksForNext }

  /// Waits until the device has nothing to do.
  func untilAsleep() throws {
    let deadline = Deadline(milliseconds: 3000)
    sys_sleep_microseconds(100)
    while !kicksWanted {
      if deadline.hasPassed { throw TestError("the device does not sleep") }
      sys_sleep_microseconds(100)
    }
  }

  /// The next buffer of a queue; there are 1024.
  private func turn(_ queue: Int) -> Int {
    posted[queue] += 1
    return (posted[queue] - 1) % 1024
  }

  /// Posts receive buffers, each in `parts` pieces.
  func fill(_ count: Int, length: Int = bufferSize, queue: Int = 0, parts: Int = 1, indirect: Bool = false) {
    for _ in 0..<count {
      let index = turn(queue)
      offer(queue, index, length, parts, writable: true, indirect: indirect)
    }
  }

  /// Shows `length` bytes of a buffer, cut into pieces: of five bytes, and a rest.
  private func offer(_ queue: Int, _ index: Int, _ length: Int, _ parts: Int, writable: Bool, indirect: Bool) {
    var pieces = (0..<parts).map { part in
      Part(address: Self.address(queue, index) + UInt64(5 * part), length: 5, isWritable: writable)
    }
    pieces[parts - 1].length = UInt32(length - 5 * (parts - 1))
    // A table lies behind the buffers, at a place of its own.
    let at = Self.bufferOffset(queue + kicks.count, 0) + index * 16 * 64
    unsafe rings[queue].offer(
      pieces, buffer: index, table: indirect ? (base + at, Self.guest + UInt64(at)) : nil)
  }

  /// Puts a frame with its header into a transmit buffer, without posting it.
  func place(_ frame: [UInt8], _ index: Int, queue: Int = 1, asking: [UInt8] = []) {
    let at = unsafe buffer(queue, index)
    for position in 0..<header {
      unsafe (at + position).storeBytes(of: position < asking.count ? asking[position] : 0, as: UInt8.self)
    }
    for (position, byte) in frame.enumerated() { unsafe (at + header + position).storeBytes(of: byte, as: UInt8.self) }
  }

  func transmit(
    _ frame: [UInt8], queue: Int = 1, parts: Int = 1, indirect: Bool = false, asking: [UInt8] = [],
    writable: Bool = false
  ) {
    let index = turn(queue)
    place(frame, index, queue: queue, asking: asking)
    offer(queue, index, header + frame.count, parts, writable: writable, indirect: indirect)
  }

  /// The next used chain; nil if none comes.
  func takeUsed(_ queue: Int, wait milliseconds: Int = 3000) -> (id: Int, length: Int)? {
    let deadline = Deadline(milliseconds: milliseconds)
    while true {
      if let (buffer, length) = rings[queue].take() { return (buffer, length) }
      if deadline.hasPassed { return nil }
      sys_sleep_microseconds(20)
    }
  }

  /// The next received frame, and the header before it; nil if none comes.
  func receiveWhole(
    wait milliseconds: Int = 3000, queue: Int = 0
  ) -> (frame: [UInt8], header: [UInt8], buffers: Int)? {
    guard var (id, length) = takeUsed(queue, wait: milliseconds) else { return nil }
    let head = (0..<header).map { unsafe buffer(queue, id).load(fromByteOffset: $0, as: UInt8.self) }
    let buffers = header >= 12 ? Int(head[10]) + Int(head[11]) << 8 : 1
    var bytes: [UInt8] = []
    for part in 0..<max(buffers, 1) {
      if part > 0 {
        guard let next = takeUsed(queue, wait: 0) else {
          Issue.record("a frame of \(buffers) buffers has only \(part)")
          break
        }
        (id, length) = next
      }
      let start = part == 0 ? header : 0
      bytes += (start..<max(length, start)).map { unsafe buffer(queue, id).load(fromByteOffset: $0, as: UInt8.self) }
    }
    return (bytes, head, buffers)
  }

  /// The first frame of a kind; others are passed over. Nil if none comes.
  func receive(
    queue: Int = 0, wanted: ([UInt8]) -> Bool
  ) -> (frame: [UInt8], header: [UInt8], buffers: Int)? {
    while let got = receiveWhole(queue: queue) { if wanted(got.frame) { return got } }
    return nil
  }

  /// Receives a frame and compares it with the one that was to come; ends the test if that is another.
  func expect(_ wanted: [UInt8], queue: Int = 0) throws {
    let got = receiveFrame(queue: queue)
    if got == wanted { return }
    let place = got.map { zip($0, wanted).prefix { $0 == $1 }.count } ?? 0
    throw TestError("wanted \(wanted.count) bytes, got \(got?.count ?? -1), the first \(place) as wanted")
  }

  /// The next received frame, about which nothing is left to do.
  func receiveFrame(wait milliseconds: Int = 3000, queue: Int = 0) -> [UInt8]? {
    guard let (frame, head, _) = receiveWhole(wait: milliseconds, queue: queue) else { return nil }
    #expect(head[..<10].allSatisfy { $0 == 0 })
    return frame
  }
}
