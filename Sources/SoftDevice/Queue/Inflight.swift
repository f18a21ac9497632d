// SPDX-License-Identifier: BSD-2-Clause
//
// A record for the next back-end, should this one die (vhost-user, "Inflight I/O tracking"): a buffer that the device
// writes and the front-end hands to the successor, with a part for each queue.
//
// This device gives chains back in the order it took them, so nothing is in flight between two batches, and a split
// ring's own used index says where to go on. A packed ring has no such index: the part says where the next used
// descriptor goes, before and after the batch, and what the descriptors between them were. The change of the first makes
// the batch valid: a successor finds either all of it done, or puts those descriptors back.

import CLinux
import Linux
import Virtio

/// One queue's part of the buffer.
struct Inflight {
  private static let version: UInt16 = 1
  // Offsets of the header that both kinds share, and of the packed one.
  private static let versionAt = 8
  private static let sizeAt = 10
  private static let splitUsed = 14
  private static let newIndex = 16
  private static let oldIndex = 18
  private static let newWrap = 20
  private static let oldWrap = 21

  private let part: Bytes
  private let isPacked: Bool

  /// Bytes that a queue takes.
  static func bytes(_ size: UInt16, isPacked: Bool) -> Int {
    ((isPacked ? 32 + 32 * Int(size) : 16 + 16 * Int(size)) + 63) & ~63
  }

  init(_ part: Bytes, isPacked: Bool) {
    self.part = part
    self.isPacked = isPacked
  }

  private func position(_ index: Int, _ wrap: Int) -> Position {
    Position(
      packed: UInt32(part.load(index, as: UInt16.self) & ~RingFormat.wrapBit)
        | (part[wrap] != 0 ? UInt32(RingFormat.wrapBit) : 0))
  }

  private func store(_ position: Position, _ index: Int, _ wrap: Int) {
    part.store(index, position.index)
    part[wrap] = position.wrap ? 1 : 0
  }

  /// Where an entry of a packed ring's part stands: a byte that says that the chain of that number is in flight, and
  /// behind the first eight bytes our own: the second half of a descriptor of the batch, counted from its first. So the
  /// same few cache lines are written again and again.
  @inline(__always)
  private static func entry(_ number: UInt16) -> Int { 32 &+ 32 &* Int(number) }

  /// Forgets what was recorded.
  func clear() { part.clear() }

  /// Called when a ring begins to run: records the ring's position, or finds that of a predecessor, and returns it. Nil
  /// if the buffer is of another ring, or has chains in flight that another back-end took out of order.
  func begin(_ queue: borrowing Queue, _ rings: Rings) -> Position? {
    let size = queue.size
    if part.load(Self.versionAt, as: UInt16.self) != Self.version {
      part.clear()
      part.store(Self.versionAt, Self.version)
      part.store(Self.sizeAt, size)
      if isPacked { record(queue.used) } else { part.store(Self.splitUsed, queue.used.index) }
      return queue.used
    }
    if part.load(Self.sizeAt, as: UInt16.self) != size { return nil }  // tested by InflightTests
    if !isIdle(size) { return nil }  // tested by InflightTests
    if !isPacked { return queue.used }
    let before = position(Self.oldIndex, Self.oldWrap)
    let after = position(Self.newIndex, Self.newWrap)
    if before.index >= size || after.index >= size { return nil }  // tested by HostileRequestTests
    // Still available in that lap: the batch was not done. The driver may have used the place again if it was.
    let isDone = before == after || !PackedRing.hasBuffers(rings, before)
    if !isDone { putBack(from: before, to: after, size, rings) }
    let stand = isDone ? after : before
    record(stand)
    return stand
  }

  /// Restores the descriptors behind `first`, which is as it was, up to `end`: less than a ring of them.
  private func putBack(from first: Position, to end: Position, _ size: UInt16, _ rings: Rings) {
    var place = first
    var number: UInt16 = 1
    place.step(1, size: size)
    while place.index != end.index && place.index != first.index {
      rings.descriptors.store64(
        RingFormat.descriptorBytes * Int(place.index) + RingFormat.wordOffset,
        part.load(Self.entry(number) + 8, as: UInt64.self))
      place.step(1, size: size)
      number &+= 1
    }
  }

  /// True if no chain is marked as in flight. This device never marks one.
  private func isIdle(_ size: UInt16) -> Bool {
    for place in 0..<size where part[isPacked ? Self.entry(place) : 16 + 16 * Int(place)] != 0 { return false }
    return true
  }

  private func record(_ position: Position) {
    store(position, Self.newIndex, Self.newWrap)
    store(position, Self.oldIndex, Self.oldWrap)
  }

  /// Records a packed ring's descriptor that a batch is about to overwrite, as entry `number` of the batch.
  @inline(__always)
  func save(_ place: UInt16, as number: UInt16, _ rings: Rings) {
    part.store(
      Self.entry(number) &+ 8,
      rings.descriptors.load64(Int(place) &* RingFormat.descriptorBytes &+ RingFormat.wordOffset))
  }

  /// How far a batch goes: after its descriptors were kept, before any of them is written.
  func announce(_ after: Position) {
    compiler_barrier()
    store(after, Self.newIndex, Self.newWrap)
    compiler_barrier()
  }

  /// After the first of them, or the used index, was written.
  func confirm(_ after: Position) {
    compiler_barrier()
    if isPacked { store(after, Self.oldIndex, Self.oldWrap) } else { part.store(Self.splitUsed, after.index) }
  }
}
