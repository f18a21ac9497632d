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
    if !openBatch() { return 0 }
    if batchLeft < run { joinBatches(run) }
    return min(run, batchLeft)
  }

  /// Adds the batches that follow the open one, up to `most` buffers and the end of the ring: those of a device that
  /// marks each buffer used by itself have one. An entry that cannot be the next one is left for openBatch() to reject.
  @inline(__always)
  private mutating func joinBatches(_ most: Int) {
    let outstanding = size &- idleCount
    while batchLeft < most {
      let place = lastUsed &+ batchLeft
      if place >= size { return }
      let word = entry(place)
      if isStillUnused(word) { return }
      let last = PackedRing.id(word)
      if last < place || last >= size || last &- lastUsed >= outstanding { return }
      batchLeft = last &- lastUsed &+ 1
    }
  }

  @inline(__always)
  func prefetchUsed(_ count: Int) {
    var at = lastUsed &* RingFormat.descriptorBytes
    let end = min(lastUsed &+ count, size) &* RingFormat.descriptorBytes
    // Four lines at a time; a prefetch behind the ring does no harm.
    while at < end {
      descriptors.prefetchForWriting(at)
      descriptors.prefetchForWriting(at &+ 64)
      descriptors.prefetchForWriting(at &+ 128)
      descriptors.prefetchForWriting(at &+ 192)
      at &+= 256
    }
  }

  @inline(__always)
  func lookAhead(_ count: Int, atLeast least: Int) -> Int? {
    let count = min(count, size / 4)
    // The last of its cache line, so that the device is done with the line.
    let place = min((lastUsed &+ count &- 1) | 3, size &- 1)
    // It is less in a small ring, and where the ring ends.
    let run = place &- lastUsed &+ 1
    if run < least || run > pending { return nil }
    return isStillUnused(entry(place)) ? 0 : run
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

  /// Writes an address in each line, which the device does not look at before the flags say so. It has looked at the
  /// lines when they were posted last, so that the first store to each waits until the other core gives it up: side by
  /// side here, but one after another where other stores come between. A prefetch for writing leaves a line as it is if
  /// that is in the second cache (AMD, family 19h).
  @inline(__always)
  func claimIdle(_ count: Int) {
    var at = nextAvailable &* RingFormat.descriptorBytes
    let end = at &+ count &* RingFormat.descriptorBytes
    while at &+ 192 < end {
      descriptors.store64(at, 0)
      descriptors.store64(at &+ 64, 0)
      descriptors.store64(at &+ 128, 0)
      descriptors.store64(at &+ 192, 0)
      at &+= 256
    }
    while at < end {
      descriptors.store64(at, 0)
      at &+= 64
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
