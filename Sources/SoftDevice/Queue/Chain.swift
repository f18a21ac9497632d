// SPDX-License-Identifier: BSD-2-Clause
//
// A chain of descriptors: the id to give back, and the memory that the descriptors name, translated and checked. The
// device takes chains from a ring in batches, works on them, and gives them back or puts them back in order. Nearly every
// chain has one segment, which stands in `only`; the batch lists the segments of others. Header and frame may be spread
// over them in any way (virtio 1.4, 2.7.4.1).

import Linux

struct Chain {
  /// Longest chain that is served; frames of 64 segments need far less.
  static let limit = 1024

  /// The first segment.
  var only: Bytes
  /// Bytes of all segments.
  var total: UInt32
  /// Bytes of it that the device has written, as the driver will be told.
  var written: UInt32 = 0
  var id: UInt16
  /// Descriptors of the ring that it takes: what a packed ring steps by.
  var slots: UInt16 = 1
  /// Segments.
  var count: UInt16 = 1
  /// Where in the batch's list its segments begin, if there are several.
  var first: UInt16 = 0

  @inline(__always)
  init(_ id: UInt16, _ bytes: Bytes, _ length: UInt32) {
    only = bytes
    total = length
    self.id = id
  }
}

struct Batch {
  /// Chains that a batch holds at most, and as many as are taken at a time where one frame takes one chain.
  static let room = 512
  static let burst = 32
  static let segmentRoom = 2 * Chain.limit

  let chains: Table<Chain>
  let segments: Table<Bytes>
  /// Chains taken.
  var count = 0
  /// How many of them, from the first on, are to be given back to the driver; the rest is put back into the ring.
  var done = 0
  /// Segments listed.
  private(set) var listed = 0
  /// Segments of the last chain that the device reads, where a chain may have both kinds.
  private(set) var readable = 0

  init(_ chains: Table<Chain>, _ segments: Table<Bytes>) {
    self.chains = chains
    self.segments = segments
  }

  @inline(__always)
  mutating func clear() {
    count = 0
    done = 0
    listed = 0
  }

  /// There is room for the segments of one more chain, however long.
  @inline(__always) var hasRoom: Bool { listed <= Self.segmentRoom - Chain.limit }

  /// Begins a chain segment by segment, in the place behind the last one; it counts when `count` says so.
  mutating func begin() {
    chains[count] = Chain(0, segments[0].first(0), 0)
    chains[count].count = 0
    chains[count].first = UInt16(truncatingIfNeeded: listed)
    readable = 0
  }

  /// Adds a segment, unless it is empty. False if there are too many.
  mutating func append(_ bytes: Bytes, isReadable: Bool) -> Bool {
    if bytes.count == 0 { return true }
    let total = UInt64(chains[count].total) &+ UInt64(bytes.count)
    // tested by HostileRingTests
    if chains[count].count >= Chain.limit || total > UInt32.max || listed >= segments.count { return false }
    if chains[count].count == 0 { chains[count].only = bytes }
    segments[listed] = bytes
    listed &+= 1
    chains[count].count &+= 1
    chains[count].total = UInt32(truncatingIfNeeded: total)
    if isReadable { readable &+= 1 }
    return true
  }

  /// A segment of a chain.
  @inline(__always)
  func segment(_ chain: Chain, _ index: Int) -> Bytes {
    chain.count == 1 ? chain.only : segments[Int(chain.first) &+ index]
  }

  /// Copies the beginning of a chain to `target`, and returns how much that was.
  @inline(never) @discardableResult
  func read(_ chain: Chain, to target: Bytes) -> Int {
    var rest = target
    var index = 0
    while index < Int(chain.count), rest.count > 0 {
      rest = rest.dropping(segment(chain, index).copy(to: rest))
      index &+= 1
    }
    return target.count &- rest.count
  }
}
