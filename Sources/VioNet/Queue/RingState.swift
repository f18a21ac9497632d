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

  /// `ids` has room for the size rounded up to a power of two.
  init(base: Shared, layout: RingLayout, shape: RingShape, ids: Table<UInt16>) {
    descriptors = base.advanced(layout.descriptors)
    available = base.advanced(layout.available)
    used = base.advanced(layout.used)
    size = UInt16(layout.size)
    self.shape = shape
    idle = IDQueue(table: ids, mask: UInt16(ids.count - 1))
    for id in 0..<size { idle.push(id) }
  }

  /// Begins to record idle ids, because the device has used buffers in another order, as it may.
  @inline(never)
  mutating func leaveRingOrder() {
    if !isInRingOrder { return }
    isInRingOrder = false
    idle.record(from: Int(shape.isPacked ? nextAvailable : idle.head & mask), size: Int(size))
  }

  @inline(__always) var mask: UInt16 { size &- 1 }
  /// Number of descriptors that the device has.
  @inline(__always) var outstanding: UInt16 { size &- idle.count }
}

/// A queue of descriptor ids, first in first out, with room for the whole ring.
struct IDQueue {
  let table: Table<UInt16>
  let mask: UInt16
  /// Counts ids taken; runs freely, as `tail` does. Their distance is the number of ids, up to 32768.
  var head: UInt16 = 0
  /// Counts ids put in.
  var tail: UInt16 = 0

  @inline(__always) var count: UInt16 { tail &- head }

  /// Writes down the ids, which follow one another from `first` on.
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
