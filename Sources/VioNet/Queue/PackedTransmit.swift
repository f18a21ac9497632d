// SPDX-License-Identifier: BSD-2-Clause
//
// The packed ring of a transmit queue: sent buffers are taken back and new ones posted, place after place.

import CLinux
import Linux
import Virtio

extension PackedRing: TransmitRing {
  /// Reads the entry at our place. With IN_ORDER it names the last buffer of a batch; the others follow from our own
  /// record.
  @inline(__always)
  mutating func nextSent() -> UInt32 {
    if !Order.isInOrder { return readUsed().id }
    return openBatch() ? UInt32(truncatingIfNeeded: lastUsed) : UInt32.max
  }

  @inline(__always) var sentPlace: Int { lastUsed }

  @inline(__always)
  mutating func sentRun(_ most: Int) -> Int {
    let run = min(most, pending, size &- lastUsed)
    if !Order.isInOrder { return run }
    return openBatch() ? min(run, batchLeft) : 0
  }

  @inline(__always)
  func isSent(_ ahead: Int) -> Bool {
    Order.isInOrder || isAccepted(entry(lastUsed &+ ahead), lastUsed &+ ahead, isInRingOrder: true)
  }

  @inline(__always)
  mutating func passSent(_ count: Int) {
    passUsed(count)
    idle.tail &+= UInt16(truncatingIfNeeded: count)
  }

  @inline(__always) var idlePlace: Int { nextAvailable }

  @inline(__always) var idleRun: Int { min(idleCount, size &- nextAvailable) }

  /// Fetches the lines with IN_ORDER alone, where the device writes one used descriptor for many and was the last to
  /// look at these lines. Any other ring is read here when sent packets are taken back.
  @inline(__always)
  func prefetchIdle(_ count: Int) {
    if !Order.isInOrder { return }
    var at = nextAvailable &* RingFormat.descriptorBytes
    let end = at &+ count &* RingFormat.descriptorBytes
    // Four lines at a time. Lines beyond `end` belong to the next burst; a prefetch behind the ring does no harm.
    while at < end {
      descriptors.prefetchForWriting(at)
      descriptors.prefetchForWriting(at &+ 64)
      descriptors.prefetchForWriting(at &+ 128)
      descriptors.prefetchForWriting(at &+ 192)
      at &+= 256
    }
  }

  @inline(__always)
  func postInRun(_ ahead: Int, address: UInt64, length: UInt32) {
    let id = nextAvailable &+ ahead
    write(id, id, address, length, availableFlags)
  }

  @inline(__always)
  static func passPosted(_ count: Int, _ state: inout RingState) {
    state.published &+= UInt16(truncatingIfNeeded: count)
    state.idle.head &+= UInt16(truncatingIfNeeded: count)
    state.nextAvailable &+= UInt16(truncatingIfNeeded: count)
    if state.nextAvailable == state.size {
      state.nextAvailable = 0
      state.availableFlags ^= DescriptorFlag.availableAndUsed
    }
  }

  /// Writes the head's id into every descriptor: the last one must have it (virtio 1.4, 2.8.6), the others may.
  @inline(__always)
  mutating func link(
    _ id: Int, place: Int, head: Int, address: UInt64, length: UInt32, flags: UInt16, next: UInt16
  ) {
    let at = nextAvailable &+ place
    if at >= size {
      write(at &- size, head, address, length, flags | availableFlags ^ DescriptorFlag.availableAndUsed)
    } else {
      write(at, head, address, length, flags | availableFlags)
    }
  }
}
