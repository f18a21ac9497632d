// SPDX-License-Identifier: BSD-2-Clause
//
// What the bursts need of a ring, and the state of one between bursts. A ring view is made from the state at the
// beginning of a burst, worked on in registers, and saved once at the end. Nothing the device writes is used before it
// was compared, and each of its words is read once. What we wrote ourselves is never read back: the slots and the ids
// are our own record.

import CLinux
import CVionet
import Linux
import Virtio

/// One used entry: 32 bits each, to be compared as such before they are made narrow.
struct Used {
  let id: UInt32
  let length: UInt32
}

/// Whether the device uses buffers in the order in which it got them (VIRTIO_F_IN_ORDER; virtio 1.4, 2.7.9, 2.8.8).
/// Then descriptor ids are places in the ring, and one used entry may stand for all buffers up to the one it names.
protocol UseOrder {
  static var isInOrder: Bool { get }
}
enum AnyOrder: UseOrder {
  @inline(__always) static var isInOrder: Bool { false }
}
enum InOrder: UseOrder {
  @inline(__always) static var isInOrder: Bool { true }
}

/// What lengths are right: from `least` on, `span` more at most; both below 2^31.
struct LengthBounds {
  let least: UInt64
  let span: UInt64
}

/// Lengths of four entries, the least taken off, each in the upper half of a lane whose lower half is zero.
struct FourLengths {
  let first: SIMD2<UInt64>
  let second: SIMD2<UInt64>
}

/// Split and packed rings conform, each in any order and in order.
protocol Ring: ~Copyable {
  static var isInOrder: Bool { get }

  init(_ state: RingState)

  /// Descriptors that are not with the device.
  var idleCount: Int { get }
  /// Used entries that this burst may take at most.
  var pending: Int { get }
  /// The device claims to have used more than it had.
  var jumped: Bool { get }
  /// Buffers left of a batch that one used entry stood for.
  var batchLeft: Int { get }

  // One used entry at a time.

  /// Looks for the next used entry: true if it is there. To be asked below `pending` only, and before those that follow.
  mutating func look() -> Bool
  /// The id can be that of the next buffer: it lies in the ring, or, in order, is the one that must follow.
  func accepts(_ id: UInt32) -> Bool
  /// As nextUsed, with a batch taken apart: a skipped buffer was used as a whole, `full` bytes (2.7.9).
  mutating func nextOfBatch(full: UInt32) -> Used
  /// The id of the next buffer that the device has sent, as it wrote it; in order it is known.
  mutating func nextSent() -> UInt32
  /// Leaves a used buffer of so many descriptors behind.
  mutating func passUsed(_ descriptors: Int)

  // A row of used entries, replaced by new ones. Only in a ring with no idle descriptor: there the place of a used entry
  // is the one of the next available, and every slot holds a packet.

  /// The place of the next used entry, and how many places there are from it to the end of the ring.
  var place: Int { get }
  var row: Int { get }
  /// The entry at a place in the row, read once and then told about.
  func entry(_ place: Int) -> UInt64
  static func length(_ entry: UInt64) -> UInt64
  /// The descriptor that it names, if it is accepted.
  static func id(_ entry: UInt64) -> Int
  /// It is a used entry, and names a descriptor of the ring; or, in a straight row, the one of its place.
  func isAccepted(_ entry: UInt64, _ place: Int, isStraight: Bool) -> Bool
  /// Four entries of a straight row; nil if one of them is not accepted, or its length not within the bounds.
  func four(_ place: Int, _ bounds: LengthBounds) -> FourLengths?
  /// Why it was not: it is none yet.
  func isStillEmpty(_ entry: UInt64) -> Bool
  /// Gives the device the descriptor of an accepted entry once more, for writing, with another address.
  func replace(_ id: Int, _ place: Int, isStraight: Bool, address: UInt64, length: UInt32)
  /// So many entries of the row were replaced.
  static func passReplaced(_ count: Int, _ state: inout RingState)

  // A straight row of buffers of one descriptor that the device has sent, the places in the ring counted from `sentPlace`.

  /// The descriptor of the first of them.
  var sentPlace: Int { get }
  /// How many there may be, at most so many. To be asked after look().
  mutating func sentRow(_ most: Int) -> Int
  /// The next but so many has been sent, and its descriptor is the one that follows.
  func isSent(_ ahead: Int) -> Bool
  /// So many of them were taken back.
  mutating func passSent(_ count: Int)

  // A straight row of buffers of one descriptor to be sent.

  /// The first descriptor, and how many idle ones follow in a row.
  var idlePlace: Int { get }
  var idleRow: Int { get }
  /// Fetches the lines that so many of them will be written to, if it is worth it.
  func fetchIdle(_ count: Int)
  /// Writes the next but so many. The next itself comes last: with it the device begins.
  func postInRow(_ ahead: Int, address: UInt64, length: UInt32)
  /// So many were written.
  static func passPosted(_ count: Int, _ state: inout RingState)

  // Making available, one by one.

  /// An idle descriptor, the one after `taken` that were taken and not posted yet.
  mutating func nextIdle(after taken: Int) -> Int
  /// In a straight ring, the one that is next to come back: isNextBack.
  mutating func giveBack(_ id: Int)
  func isNextBack(_ id: Int) -> Bool
  /// Gives the device a buffer of so many descriptors; all but the first were linked before.
  mutating func post(_ id: Int, address: UInt64, length: UInt32, flags: UInt16, next: UInt16, descriptors: Int)
  /// Writes descriptor `id`, the one at `place` in a chain whose head has the id `head`.
  mutating func link(
    _ id: Int, place: Int, head: Int, address: UInt64, length: UInt32, flags: UInt16, next: UInt16)

  /// Puts the position back.
  func save(_ state: inout RingState)
  /// Lets a device that looks find what was posted and saved.
  static func expose(_ state: borrowing RingState)
  /// Descriptors posted and saved since the last time that publish was asked.
  static func untold(_ state: borrowing RingState) -> UInt16
  /// Exposes what was posted and saved since the last time; true if the device wants to be signalled.
  static func publish(_ state: inout RingState) -> Bool
}

extension Ring where Self: ~Copyable {
  @inline(__always)
  func fetchIdle(_ count: Int) {}

  /// To be asked before `id` is given back, with nothing taken from the ring yet: if it is another than the next, the
  /// ring is straight no longer, and this a new look at it.
  @inline(never)
  static func letBack(_ id: Int, _ ring: inout Self, _ state: inout RingState) {
    if isInOrder || !state.isStraight || ring.isNextBack(id) { return }
    state.bend()
    ring = Self(state)
    _ = ring.look()
  }
}

/// A ring's parts and the position in it.
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
  /// Packed: what marks a descriptor available, and used, in this lap (2.8.1).
  var availableMark: UInt16 = DescriptorFlag.available
  var usedMark: UInt16 = DescriptorFlag.available | DescriptorFlag.used
  /// Split: nextAvailable as the device was last told. Packed: descriptors posted since it was last told.
  var published: UInt16 = 0
  /// The device has used all descriptors in order so far: then the idle ones follow one another, and their ids need no
  /// record. As long as a device keeps the order by itself, a ring in any order is no more work than one in order.
  private(set) var isStraight = true
  /// Of a used entry that stood for several buffers: how many are left, and the length of the last.
  var batchLeft: UInt16 = 0
  var batchLength: UInt32 = 0
  /// Descriptor ids that are not with the device.
  var idle: SlotQueue

  /// `ids` has room for the size rounded up to a power of two.
  init(base: Shared, layout: RingLayout, shape: RingShape, ids: Table<UInt16>) {
    descriptors = base.advanced(layout.descriptors)
    available = base.advanced(layout.available)
    used = base.advanced(layout.used)
    size = UInt16(layout.size)
    self.shape = shape
    idle = SlotQueue(table: ids, mask: UInt16(ids.count - 1))
    for id in 0..<size { idle.push(id) }
  }

  /// The device does not keep the order, which it need not: from now on there is a record of idle descriptors.
  @inline(never)
  mutating func bend() {
    if !isStraight { return }
    isStraight = false
    idle.record(from: Int(shape.isPacked ? nextAvailable : idle.head & mask), size: Int(size))
  }

  @inline(__always) var mask: UInt16 { size &- 1 }
  /// Descriptors the device has.
  @inline(__always) var outstanding: UInt16 { size &- idle.count }
}

struct RingShape {
  var isPacked = false
  var isInOrder = false
  /// Both sides say at which entry they want to be signalled (2.7.7.1, 2.8.10).
  var hasEventIndex = false
}

/// A queue of descriptor ids, first in first out, with room for the whole ring.
struct SlotQueue {
  let table: Table<UInt16>
  let mask: UInt16
  /// Free-running; their distance is the number of ids, up to 32768.
  var head: UInt16 = 0
  var tail: UInt16 = 0

  @inline(__always) var count: UInt16 { tail &- head }

  /// Writes down the ids, which follow one another from the first on.
  func record(from first: Int, size: Int) {
    for place in 0..<count {
      let id = first &+ Int(place)
      table[(head &+ place) & mask] = UInt16(truncatingIfNeeded: id >= size ? id &- size : id)
    }
  }

  @inline(__always)
  mutating func pop() -> UInt16 {
    let id = table[head & mask]
    head &+= 1
    return id
  }

  @inline(__always)
  mutating func push(_ id: UInt16) {
    table[tail & mask] = id
    tail &+= 1
  }
}
