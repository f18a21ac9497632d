// SPDX-License-Identifier: BSD-2-Clause
//
// A ring between bursts: its parts, the position in it, and the record of idle descriptors. Plain data that the device
// does not see.

import CLinux
import CVionet
import Linux
import Virtio

struct RingState {
  let descriptors: Shared
  /// The available ring, or a packed ring's driver event structure.
  let available: Shared
  /// The used ring, or a packed ring's device event structure.
  let used: Shared
  let shape: RingShape
  let size: UInt16
  /// Split: entries made available so far, masked where it becomes an index. Packed: the place of the next one.
  var nextAvailable: UInt16 = 0
  /// Split: used entries taken so far. Packed: the place of the next one.
  var lastUsed: UInt16 = 0
  /// Packed: flags that mean "available" in the lap of `nextAvailable` (virtio 1.4, 2.8.1).
  var availableFlags: UInt16 = DescriptorFlag.available
  /// Packed: flags that mean "used" in the lap of `lastUsed`.
  var usedFlags: UInt16 = DescriptorFlag.available | DescriptorFlag.used
  /// Split: `nextAvailable` as the device has been shown it. What was posted since cannot come back yet.
  var exposed: UInt16 = 0
  /// Split: `idle.head` when the device was shown something last.
  private var shownHead: UInt16 = 0
  /// Split: `nextAvailable` at the last publish(). Packed: descriptors posted since then.
  var published: UInt16 = 0
  /// True while the device has used all descriptors in order: then idle ids follow one another and need no record. A
  /// device that keeps the order unasked so costs no more than one with IN_ORDER.
  private(set) var isInRingOrder = true
  /// Buffers left of a batch.
  var batchLeft: UInt16 = 0
  /// Length of a batch's last buffer.
  var batchLength: UInt32 = 0
  /// Descriptor ids that are not with the device.
  var idle: IDQueue
  /// Used entries, from the one at `partAt` on, that begin a frame in several buffers whose rest is not there yet.
  private var part: UInt16 = 0
  private var partAt: UInt16 = 0

  init(base: Shared, layout: RingLayout, shape: RingShape, ids: IDQueue) {
    descriptors = base.advanced(layout.descriptors)
    available = base.advanced(layout.available)
    used = base.advanced(layout.used)
    size = UInt16(layout.size)
    self.shape = shape
    idle = ids
    // In ring order, as a new ring is, nobody reads the record.
    idle.tail = size
  }

  /// Begins to record idle ids, and when each was posted, because the device has used buffers in another order, as it
  /// may.
  @inline(never)
  mutating func leaveRingOrder() {
    if !isInRingOrder { return }
    isInRingOrder = false
    idle.beginRecord()
    if !shape.isPacked {
      for place in 0..<(idle.head &- shownHead) { idle.notePosted(Int((shownHead &+ place) & mask)) }
    }
    idle.record(from: Int(shape.isPacked ? nextAvailable : idle.head & mask), size: Int(size))
  }

  /// Shows the device of a split ring all that was posted and saved.
  @inline(__always)
  mutating func exposeSplit() {
    exposed = nextAvailable
    shownHead = idle.head
    if !isInRingOrder { idle.noteShown() }
    available.store16Release(RingFormat.indexOffset, nextAvailable)
  }

  /// Used entries that give a burst nothing before there are more of them.
  var waitingForMore: UInt16 {
    get { partAt == lastUsed ? part : 0 }
    set { (part, partAt) = (newValue, lastUsed) }
  }

  @inline(__always) var mask: UInt16 { size &- 1 }
  /// Number of descriptors that the device has.
  @inline(__always) var outstanding: UInt16 { size &- idle.count }
}

/// A queue of descriptor ids, first in first out, with room for the whole ring. Beside it, split rings out of ring order
/// record of each id whether the device has been shown it since it was posted. A ring in ring order only counts: its table
/// takes no memory.
struct IDQueue {
  /// Two records that share their memory: a place of the queue, and a descriptor.
  struct Entry {
    /// The id at this place of the queue.
    var id: UInt16
    /// When the descriptor with this number was posted: the count of showings then. Zero: in ring order.
    var showing: UInt32
  }

  /// One entry more than the queue has places; its `showing` counts how often the device was shown something.
  private let table: Table<Entry>
  private let mask: UInt16
  /// Counts ids taken; runs freely, as `tail` does. Their distance is the number of ids, up to 32768.
  var head: UInt16 = 0
  /// Counts ids put in.
  var tail: UInt16 = 0

  @inline(__always) var count: UInt16 { tail &- head }

  /// Until now nothing was posted that is not shown.
  func beginRecord() { noteShown() }

  /// Writes down the ids, which follow one another from `first` on, and the others, which were given out before.
  func record(from first: Int, size: Int) {
    for place in 0..<size {
      let id = first &+ place
      let step = place < Int(count) ? head &+ UInt16(place) : head &- UInt16(size &- place)
      table[step & mask].id = UInt16(truncatingIfNeeded: id >= size ? id &- size : id)
    }
  }

  /// The id that was given out `step` times before the next one: 1 for the youngest.
  func given(_ step: UInt16) -> UInt16 { table[(head &- step) & mask].id }

  /// An empty queue for a ring of that size; nil when there is no memory.
  static func make(size: Int) -> IDQueue? {
    // Places are masked, so that there is a power of two of them.
    let room = 1 << (Int.bitWidth - max(1, size - 1).leadingZeroBitCount)
    guard let table = Table<Entry>.onPages(count: room + 1) else { return nil }
    return IDQueue(table: table, mask: UInt16(room - 1))
  }

  func destroy() { table.giveBackPages() }

  @inline(__always)
  private var showings: UInt32 { table[Int(mask) &+ 1].showing }

  /// False if the descriptor was posted after the device was last shown anything.
  @inline(__always)
  func isShown(_ id: Int) -> Bool { table[id].showing != showings }

  @inline(__always)
  func notePosted(_ id: Int) { table[id].showing = showings }

  @inline(__always)
  func noteShown() { table[Int(mask) &+ 1].showing &+= 1 }

  @inline(__always)
  mutating func pop() -> UInt16 {
    let id = table[head & mask].id
    head &+= 1
    return id
  }

  @inline(__always)
  mutating func push(_ id: UInt16) {
    table[tail & mask].id = id
    tail &+= 1
  }
}
