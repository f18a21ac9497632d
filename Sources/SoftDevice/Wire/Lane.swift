// SPDX-License-Identifier: BSD-2-Clause
//
// One direction of a pipe: a ring of bytes with one writing and one reading thread. Each frame is a record of its
// length, its net header and its bytes, rounded up to eight bytes and never split at the ring's end. Both cursors only
// grow; each has a cache line of its own. The memory is touched only as far as it is used.

import CLinux
import Linux
import Virtio

// Safety: `ring` is `room` mapped bytes, unmapped by deinit alone; the cursors lie inside `block`, each written by one
// thread.
@safe
struct Lane: ~Copyable {
  static let room = 2 << 20
  /// Before each frame: four bytes of length, two not used, ten of net header, four of a tunnel's offsets, four not used.
  private static let head = 24
  private static let header = 6
  private static let tunnel = 16
  private static let skip = UInt32.max
  private static let written = 0
  private static let writing = 8
  private static let read = 64
  private static let reading = 72
  private static let asleep = 128
  private static let receiving = 192
  private static let taken = 196

  private let ring: Bytes
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

  private var writtenCursor: UInt64 { unsafe shared_load64_acquire(cursors.base + Self.written) }
  private var readCursor: UInt64 { unsafe shared_load64_acquire(cursors.base + Self.read) }

  /// The reader's word that it is about to sleep; it must look once more after this.
  func sleep(_ sleeping: Bool) {
    cursors.store32(Self.asleep, sleeping ? 1 : 0)
    shared_fence()
  }

  /// Whether there is a device at the reader's end.
  var isTaken: Bool {
    get { cursors.load32(Self.taken) != 0 }
    nonmutating set { cursors.store32(Self.taken, newValue ? 1 : 0) }
  }

  /// Whether the reader's driver takes frames.
  var isReceiving: Bool {
    get { cursors.load32(Self.receiving) != 0 }
    nonmutating set { cursors.store32(Self.receiving, newValue ? 1 : 0) }
  }
}

// The writer's side, and the reader's. Each has the cursor of its own batch, on the cache line that it writes anyway;
// the other side sees what was done when the batch is published.

// Safety: the cursors' offsets lie inside the block.
extension Lane {
  private var room: UInt64 { UInt64(Self.room) }

  /// Writes one frame behind what was written, if there is room.
  func write(_ frame: Frame) -> Taking {
    if frame.count > Frame.longest { return .long }
    let record = UInt64((Self.head &+ frame.count &+ 7) & ~7)
    let cursor = cursors.load64(Self.writing)
    var at = cursor
    let left = room &- at % room
    if record > left { at &+= left }
    if at &+ record > readCursor &+ room { return .refused }
    if at != cursor { ring.store(Int(cursor % room), Self.skip) }
    let target = ring.dropping(Int(at % room))
    target.store(0, UInt32(truncatingIfNeeded: frame.count))
    frame.header.store(to: target.dropping(Self.header))
    target.store(Self.tunnel, frame.header.tunnel.outerTransport)
    target.store(Self.tunnel + 2, frame.header.tunnel.innerNetwork)
    frame.copy(to: target.dropping(Self.head).first(frame.count))
    cursors.store64(Self.writing, at &+ record)
    return .taken
  }

  /// Shows the reader what was written, and wakes it if it sleeps: the cursor must be visible before the flag is read.
  func publishWritten() {
    let cursor = cursors.load64(Self.writing)
    if cursor == cursors.load64(Self.written) { return }
    unsafe shared_store64_release(cursors.base + Self.written, cursor)
    shared_fence()
    if cursors.load32(Self.asleep) != 0, unsafe shared_exchange32_acquire(cursors.base + Self.asleep, 0) != 0 {
      _ = sys_eventfd_signal(bell.number)
    }
  }

  /// The next frame; nil if none waits.
  func peek() -> Frame? {
    let cursor = cursors.load64(Self.reading)
    if cursor == writtenCursor { return nil }
    var at = Int(cursor % room)
    if ring.load(at, as: UInt32.self) == Self.skip {
      cursors.store64(Self.reading, cursor &+ UInt64(Self.room - at))
      at = 0
    }
    let bytes = ring.dropping(at &+ Self.head).first(Int(ring.load(at, as: UInt32.self)))
    var header = NetHeader(ring.dropping(at &+ Self.header))
    header.tunnel.outerTransport = ring.load(at &+ Self.tunnel, as: UInt16.self)
    header.tunnel.innerNetwork = ring.load(at &+ Self.tunnel + 2, as: UInt16.self)
    return Frame(bytes, header)
  }

  func advance() {
    let cursor = cursors.load64(Self.reading)
    let length = Int(ring.load(Int(cursor % room), as: UInt32.self))
    cursors.store64(Self.reading, cursor &+ UInt64((Self.head &+ length &+ 7) & ~7))
  }

  /// Gives the writer the room of what was read.
  func publishRead() {
    let cursor = cursors.load64(Self.reading)
    if cursor != cursors.load64(Self.read) { unsafe shared_store64_release(cursors.base + Self.read, cursor) }
  }

  /// Forgets what waits, and says how many frames that were; for the reader.
  func drain() -> Int {
    var count = 0
    while peek() != nil {
      advance()
      count &+= 1
    }
    publishRead()
    return count
  }
}
