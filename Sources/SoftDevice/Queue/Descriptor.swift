// SPDX-License-Identifier: BSD-2-Clause
//
// A descriptor as it was loaded, and what a chain may be made of in either kind of ring.

import CLinux
import Linux
import Virtio

/// Descriptors of both rings have 16 bytes: address, length, and two halves of a word that the rings use differently.
struct BufferDescriptor {
  /// The flags that say what kind of descriptor it is.
  @inline(__always) static var kinds: UInt16 { DescriptorFlag.next | DescriptorFlag.write | DescriptorFlag.indirect }

  let address: UInt64
  let length: UInt32
  private(set) var flags: UInt16
  /// Split: the next descriptor's place. Packed: the buffer's id.
  let extra: UInt16

  /// A descriptor of a split ring or table.
  @inline(__always)
  init(_ table: Shared, _ index: Int) {
    address = table.load64(index &* RingFormat.descriptorBytes)
    let word = table.load64(index &* RingFormat.descriptorBytes &+ RingFormat.wordOffset)
    length = UInt32(truncatingIfNeeded: word)
    flags = UInt16(truncatingIfNeeded: word >> 32)
    extra = UInt16(truncatingIfNeeded: word >> 48)
  }

  /// A descriptor of a packed ring or table.
  @inline(__always)
  init(packed table: Shared, _ index: Int) {
    address = table.load64(index &* RingFormat.descriptorBytes)
    let word = table.load64(index &* RingFormat.descriptorBytes &+ RingFormat.wordOffset)
    length = UInt32(truncatingIfNeeded: word)
    extra = UInt16(truncatingIfNeeded: word >> 32)
    flags = UInt16(truncatingIfNeeded: word >> 48)
  }

  /// This descriptor as one that the device reads.
  var readable: BufferDescriptor {
    var other = self
    other.flags &= ~DescriptorFlag.write
    return other
  }
}

extension Queue.Direction {
  /// The flags of a descriptor that is a whole chain; none if such a chain makes no sense.
  @inline(__always)
  var plainFlags: UInt16 {
    switch self {
    case .read: 0
    case .write: DescriptorFlag.write
    case .both: 0xffff
    }
  }
}

/// What will be done with the memory of chains that are taken, so that it can be on its way to the processor.
enum Touch {
  case none, read, write

  @inline(__always)
  func prefetch(_ bytes: Bytes) {
    switch self {
    case .none: break
    case .read: bytes.prefetch()
    case .write: bytes.prefetchForWriting()
    }
  }
}

/// The gathering of one chain's segments.
struct Walk {
  var memory: Translation
  let direction: Queue.Direction
  let hasIndirect: Bool
  /// Descriptors are of a packed ring.
  var isPacked = false
  private var sawWritable = false
  private var descriptors = 0

  init(memory: Translation, direction: Queue.Direction, hasIndirect: Bool) {
    self.memory = memory
    self.direction = direction
    self.hasIndirect = hasIndirect
  }

  /// Adds what a descriptor names; false if it is not of the queue's direction, not inside the memory, or one too many.
  mutating func add(_ descriptor: BufferDescriptor, _ batch: inout Batch) -> Bool {
    let isWritable = descriptor.flags & DescriptorFlag.write != 0
    switch direction {
    case .read: if isWritable { return false }
    case .write: if !isWritable { return false }
    case .both:
      // What the device writes stands behind what it reads (2.7.4.2).
      if sawWritable && !isWritable { return false }  // tested by ControlTests
      sawWritable = isWritable
    }
    // Empty ones are work, too.
    descriptors &+= 1
    if descriptor.length == 0 { return descriptors <= Chain.limit }
    guard let bytes = memory.guest(descriptor.address, descriptor.length) else { return false }
    return batch.append(bytes, isReadable: !isWritable)
  }

  /// Adds all that an indirect table names. The WRITE flag of the descriptor that names it is ignored, and the table's
  /// own length is the bound. In a split ring its entries are linked (2.7.5.3), in a packed one they follow each other
  /// (2.8.7).
  mutating func addTable(_ descriptor: BufferDescriptor, linked: Bool, _ batch: inout Batch) -> Bool {
    let count = Int(descriptor.length / UInt32(RingFormat.descriptorBytes))
    if !hasIndirect || descriptor.flags & DescriptorFlag.next != 0 { return false }  // tested by HostileRingTests
    // tested by HostilePackedTests
    if count == 0 || descriptor.length % UInt32(RingFormat.descriptorBytes) != 0 || count > RingFormat.largest {
      return false
    }
    guard let table = memory.guest(descriptor.address, descriptor.length) else { return false }
    if table.shared.address % 8 != 0 { return false }  // tested by HostileRingTests
    var index = 0
    var left = count
    while left > 0 {
      let entry = linked ? BufferDescriptor(table.shared, index) : packedEntry(table.shared, index)
      if entry.flags & DescriptorFlag.indirect != 0 || !add(entry, &batch) { return false }
      if linked && entry.flags & DescriptorFlag.next == 0 { return true }
      index = linked ? Int(entry.extra) : index &+ 1
      left &-= 1
      if index >= count { return !linked && left == 0 }
    }
    return false
  }

  /// DPDK's driver says of the header in a table of a transmit queue that it is for writing. We only read there.
  private func packedEntry(_ table: Shared, _ index: Int) -> BufferDescriptor {
    let entry = BufferDescriptor(packed: table, index)
    return direction == .read ? entry.readable : entry
  }
}
