// SPDX-License-Identifier: BSD-2-Clause
//
// One direction of a pipe: a ring of bytes with one writing and one reading thread. Each frame is a record of its
// length, its net header and its bytes, rounded up to eight bytes and never split at the ring's end. Both cursors only
// grow; each has a cache line of its own. The memory is touched only as far as it is used.

import CLinux
import Linux

@safe
struct Lane: ~Copyable {
  static let room = 2 << 20
  /// Before each frame: four bytes of length, two not used, ten of net header.
  fileprivate static let head = 16
  fileprivate static let skip = UInt32.max
  private static let written = 0
  private static let read = 64
  private static let asleep = 128
  private static let receiving = 192

  fileprivate let ring: Bytes
  private let block: Block
  private let cursors: Shared
  /// Wakes the reader.
  let bell: File

  init() throws(Failure) {
    let bell = try File.event()
    let block = try Block(256)
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    guard let raw = unsafe sys_map(nil, Self.room, PROT_READ | PROT_WRITE, flags, -1, 0) else {
      throw Failure(ENOMEM, "no memory for a pipe between soft devices")
    }
    ring = unsafe Bytes(raw, Self.room)
    cursors = block.bytes.shared
    self.block = block
    self.bell = bell
  }

  deinit { unsafe _ = sys_unmap(ring.base, ring.count) }

  fileprivate var writtenCursor: UInt64 { unsafe shared_load64_acquire(cursors.base + Self.written) }
  fileprivate var readCursor: UInt64 { unsafe shared_load64_acquire(cursors.base + Self.read) }

  /// Shows the reader what was written, and wakes it if it sleeps: the cursor must be visible before the flag is read.
  fileprivate func publish(written cursor: UInt64) {
    unsafe shared_store64_release(cursors.base + Self.written, cursor)
    shared_fence()
    if cursors.load32(Self.asleep) != 0, unsafe shared_exchange32_acquire(cursors.base + Self.asleep, 0) != 0 {
      _ = sys_eventfd_signal(bell.number)
    }
  }

  fileprivate func publish(read cursor: UInt64) { unsafe shared_store64_release(cursors.base + Self.read, cursor) }

  /// The reader's word that it is about to sleep; it must look once more after this.
  func sleep(_ sleeping: Bool) {
    cursors.store32(Self.asleep, sleeping ? 1 : 0)
    shared_fence()
  }

  /// Whether the reader's driver takes frames.
  var isReceiving: Bool {
    get { cursors.load32(Self.receiving) != 0 }
    nonmutating set { cursors.store32(Self.receiving, newValue ? 1 : 0) }
  }

  /// Forgets what waits; for the reader.
  func drain() { publish(read: writtenCursor) }
}

/// Writes into a lane for the length of one batch.
struct LaneWriter: FrameTarget, ~Copyable {
  private let lane: Cell<PipeSide>
  private var cursor: UInt64
  private var limit: UInt64

  init(_ lane: Cell<PipeSide>) {
    self.lane = lane
    cursor = lane.value.lane.writtenCursor
    limit = lane.value.lane.readCursor &+ UInt64(Lane.room)
  }

  mutating func take(_ frame: Frame) -> Bool {
    if frame.count > Frame.longest { return false }
    let record = UInt64((Lane.head &+ frame.count &+ 7) & ~7)
    var at = cursor
    let left = UInt64(Lane.room) &- at % UInt64(Lane.room)
    if record > left { at &+= left }
    if at &+ record > limit {
      limit = lane.value.lane.readCursor &+ UInt64(Lane.room)
      if at &+ record > limit { return false }
    }
    let ring = lane.value.lane.ring
    if at != cursor { ring.store(Int(cursor % UInt64(Lane.room)), Lane.skip) }
    let room = ring.dropping(Int(at % UInt64(Lane.room)))
    room.store(0, UInt32(truncatingIfNeeded: frame.count))
    frame.header.store(to: room.dropping(6))
    frame.copy(to: room.dropping(Lane.head).first(frame.count))
    cursor = at &+ record
    return true
  }

  func commit() {
    if cursor != lane.value.lane.writtenCursor { lane.value.lane.publish(written: cursor) }
  }
}

/// Reads from a lane for the length of one batch.
struct LaneReader: FrameSource, ~Copyable {
  private let lane: Cell<PipeSide>
  private var cursor: UInt64
  private var end: UInt64

  init(_ lane: Cell<PipeSide>) {
    self.lane = lane
    cursor = lane.value.lane.readCursor
    end = lane.value.lane.writtenCursor
  }

  mutating func peek() -> Frame? {
    if cursor == end { return nil }
    let ring = lane.value.lane.ring
    var at = Int(cursor % UInt64(Lane.room))
    if ring.load(at, as: UInt32.self) == Lane.skip {
      cursor &+= UInt64(Lane.room - at)
      at = 0
    }
    let bytes = ring.dropping(at &+ Lane.head).first(Int(ring.load(at, as: UInt32.self)))
    return Frame(bytes, NetHeader(ring.dropping(at &+ 6)))
  }

  mutating func advance() {
    let at = Int(cursor % UInt64(Lane.room))
    let length = Int(lane.value.lane.ring.load(at, as: UInt32.self))
    cursor &+= UInt64((Lane.head &+ length &+ 7) & ~7)
  }

  func commit() {
    if cursor != lane.value.lane.readCursor { lane.value.lane.publish(read: cursor) }
  }
}
