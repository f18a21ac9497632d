// SPDX-License-Identifier: BSD-2-Clause
//
// What bursts need of a ring. A ring view is made from the state when a burst begins, worked on in registers, and
// saved once. Each word that the device writes is read once and compared before it is used. The driver never reads
// back what it wrote itself: slots and ids are its own record.
//
// Words:
//   id, place      the number of a descriptor; an index into the entries of a ring
//   slot           the driver's record of which packet descriptor `id` holds
//   idle           not with the device; the others are outstanding
//   IN_ORDER       the negotiated bit: the device must use buffers in the order in which it got them
//   in ring order  found by the code itself: all buffers came back in that order so far, so that ids follow one another
//   run            consecutive entries, up to the end of the ring, that one loop handles
//   batch          the buffers that one used entry covers with IN_ORDER
//   lap            one pass through a ring; a packed ring's flags change their sense with each
//   expose         write what shows new buffers to a device that looks by itself
//   publish        expose, then ask whether the device wants a notification

import CLinux
import CVionet
import Linux

/// Whether IN_ORDER was negotiated (virtio 1.4, 2.7.9 and 2.8.8). If so, ids are places in the ring, and one used entry
/// may cover all buffers up to the one it names.
protocol DescriptorOrder {
  static var isInOrder: Bool { get }
}
enum AnyOrder: DescriptorOrder {
  @inline(__always) static var isInOrder: Bool { false }
}
enum InOrder: DescriptorOrder {
  @inline(__always) static var isInOrder: Bool { true }
}

/// Whether a loop relies on ring order: IN_ORDER guarantees it, and other devices often keep it.
protocol RunOrder {
  static var isInRingOrder: Bool { get }
}
enum InRingOrder: RunOrder {
  @inline(__always) static var isInRingOrder: Bool { true }
}
enum OutOfRingOrder: RunOrder {
  @inline(__always) static var isInRingOrder: Bool { false }
}

/// Position in a ring, its idle descriptors, and publishing. Split and packed rings conform, each with and without
/// IN_ORDER.
protocol Ring: ~Copyable {
  static var isPacked: Bool { get }
  static var isInOrder: Bool { get }

  init(_ state: RingState)

  /// Number of descriptors that are not with the device.
  var idleCount: Int { get }
  /// Most used entries that this burst may take.
  var pending: Int { get }
  /// True if the device claims to have used more buffers than it had.
  var indexJumped: Bool { get }

  /// Looks for the next used entry and returns true if there is one. Call it only below `pending`, and before an entry
  /// is read.
  mutating func findUsed() -> Bool
  /// False if the descriptor was posted after the device was last shown anything: the entry that names it is a lie.
  func isExposed(_ id: Int) -> Bool
  /// Leaves a used buffer of that many descriptors behind.
  mutating func passUsed(_ descriptors: Int)

  /// An idle descriptor; `taken` counts those that were taken before and are not posted yet.
  mutating func nextIdle(after taken: Int) -> Int
  /// Returns `id` to the idle ids. In ring order, `isNextBack(id)` must hold.
  mutating func giveBack(_ id: Int)
  /// True if ring order predicts that `id` comes back next.
  func isNextBack(_ id: Int) -> Bool
  /// Gives the device a buffer of that many descriptors; all but the first were linked before.
  mutating func post(_ id: Int, address: UInt64, length: UInt32, flags: UInt16, next: UInt16, descriptors: Int)

  /// Writes the position back.
  func save(_ state: inout RingState)
  /// Exposes what was posted and saved since the last call; true if the device wants a notification.
  static func publish(_ state: inout RingState) -> Bool
}

/// Used buffers are read and replaced by fresh ones, singly or in runs.
protocol ReceiveRing: Ring, ~Copyable {
  /// True if nothing is used, no descriptor is idle, and the device was asked about all that is posted. Decides nothing
  /// else: whatever is found is read anew.
  static func hasNothingToDo(_ state: RingState) -> Bool
  /// Buffers left of a batch that one used entry covers.
  var batchLeft: Int { get }
  /// The next used buffer; nil if the entry names none that can be next. If one entry covers several (IN_ORDER),
  /// returns each; skipped ones have length `full` (virtio 1.4, 2.7.9).
  mutating func nextUsed(full: UInt32) -> Used?

  // Runs. Only in a ring without idle descriptors: there the place of a used entry is that of the next available one,
  // and every slot holds a packet.

  /// Place of the next used entry.
  var usedPlace: Int { get }
  /// Number of places from `usedPlace` to the end of the ring.
  var usedRun: Int { get }
  /// The entry at a place, read once; the functions that follow interpret it.
  func entry(_ place: Int) -> UInt64
  static func length(_ entry: UInt64) -> UInt64
  /// The descriptor that an accepted entry names.
  static func id(_ entry: UInt64) -> Int
  /// True if the entry is used and names a descriptor of the ring that is exposed; in ring order, that of its place.
  func isAccepted(_ entry: UInt64, _ place: Int, isInRingOrder: Bool) -> Bool
  /// True if the entry was rejected only because the device has not written it yet.
  func isStillUnused(_ entry: UInt64) -> Bool
  /// Lengths of four entries in ring order; nil if one is not accepted or its length is out of bounds.
  func fourLengths(_ place: Int, _ bounds: LengthBounds) -> FourLengths?
  /// Gives the device the descriptor of an accepted entry again, for writing to another address.
  func replace(_ id: Int, _ place: Int, isInRingOrder: Bool, address: UInt64, length: UInt32)
  /// Leaves that many replaced entries behind.
  static func passReplaced(_ count: Int, _ state: inout RingState)

  /// Exposes what was posted and saved; returns how many descriptors that are since the last publish().
  static func expose(_ state: inout RingState) -> UInt16
}

/// Sent buffers are taken back and new ones posted, singly or in runs.
protocol TransmitRing: Ring, ~Copyable {
  /// Id of the next buffer that the device has sent, as the device wrote it. IN_ORDER predicts it.
  mutating func nextSent() -> UInt32

  // Runs of sent buffers of one descriptor, in ring order.

  /// Descriptor of the first sent buffer.
  var sentPlace: Int { get }
  /// Number of buffers that may follow in the run, at most `most`. Call it after findUsed().
  mutating func sentRun(_ most: Int) -> Int
  /// True if the entry `ahead` places on is used and has the id that ring order predicts.
  func isSent(_ ahead: Int) -> Bool
  /// Fetches the lines of that many entries, which the device has probably used, side by side: each is in its core.
  func prefetchUsed(_ count: Int)
  /// Looks whether about `count` buffers are used, without touching lines that the device may be writing: their number,
  /// or 0. Nil if that would be fewer than `least`: then only a look at the next one can tell.
  func lookAhead(_ count: Int, atLeast least: Int) -> Int?
  /// Takes that many sent buffers back.
  mutating func passSent(_ count: Int)

  // Runs of buffers of one descriptor to be sent, in ring order.

  /// The first idle descriptor.
  var idlePlace: Int { get }
  /// Number of idle descriptors that follow one another from `idlePlace` on.
  var idleRun: Int { get }
  /// Takes the lines that `count` descriptors will be written to from the device's core, where that is faster.
  func claimIdle(_ count: Int)
  /// Writes the descriptor `ahead` places on. Write the first one last: with it the device begins.
  func postInRun(_ ahead: Int, address: UInt64, length: UInt32)
  /// Leaves that many posted descriptors behind.
  static func passPosted(_ count: Int, _ state: inout RingState)

  /// Writes descriptor `id`, the one at `place` in a chain whose head is `head`.
  mutating func link(
    _ id: Int, place: Int, head: Int, address: UInt64, length: UInt32, flags: UInt16, next: UInt16)
}

extension Ring where Self: ~Copyable {
  /// Leaves ring order if `id` is not the one that comes back next. Call it before `id` is given back, with nothing
  /// taken from `ring`, which is then made anew.
  @inline(never)
  static func checkRingOrder(_ id: Int, _ ring: inout Self, _ state: inout RingState) {
    if isInOrder || !state.isInRingOrder || ring.isNextBack(id) { return }
    state.leaveRingOrder()
    ring = Self(state)
    _ = ring.findUsed()
  }
}

/// One used entry.
struct Used {
  let id: UInt32
  let length: UInt32
}

/// Lengths that are accepted: from `least` to `least + span`, both below 2^31.
struct LengthBounds {
  let least: UInt64
  let span: UInt64
}

/// Lengths of four entries, minus the least, each in the upper half of a lane whose lower half is zero.
struct FourLengths {
  let first: SIMD2<UInt64>
  let second: SIMD2<UInt64>
}
