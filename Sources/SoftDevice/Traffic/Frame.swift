// SPDX-License-Identifier: BSD-2-Clause
//
// A frame on its way through the device: where its bytes are, which may be several places, and its net header.

import CLinux
import Linux
import Virtio

// Safety: an empty table may begin anywhere, since it has no element.
struct Frame {
  static let shortest = 14
  /// Longest frame of any kind: what one segmentation offload can hold.
  static let longest = 65536 + 18

  /// Its first bytes, nearly always all of them.
  let head: Bytes
  /// The rest.
  let rest: Table<Bytes>
  let count: Int
  var header: NetHeader

  /// A frame that lies in one piece.
  @inline(__always)
  init(_ bytes: Bytes, _ header: NetHeader = NetHeader()) {
    head = bytes
    rest = unsafe Table(base: bytes.base.assumingMemoryBound(to: Bytes.self), count: 0)
    count = bytes.count
    self.header = header
  }

  /// A frame in several pieces, at least one.
  init(_ pieces: Table<Bytes>) {
    head = pieces[0]
    rest = Table(from: pieces, at: 1, count: pieces.count &- 1)
    header = NetHeader()
    var total = 0
    for piece in 0..<pieces.count { total &+= pieces[piece].count }
    count = total
  }

  /// What stands in a chain behind a net header of `size` bytes, which is read only if it may say something.
  @inline(__always)
  init(
    _ chain: Chain, in batch: borrowing Batch, behind size: Int, reading: Bool, hasTunnel: Bool, scratch: Bytes
  ) {
    count = Int(chain.total) &- size
    if chain.count == 1 {
      header = reading ? NetHeader(ofDriver: chain.only, hasTunnel: hasTunnel) : NetHeader()
      head = chain.only.dropping(size)
      rest = unsafe Table(base: batch.segments.base, count: 0)
      return
    }
    let segments = Table(from: batch.segments, at: Int(chain.first), count: Int(chain.count))
    let (index, left) = Self.place(size, segments)
    head = segments[index].dropping(left)
    rest = Table(from: segments, at: index &+ 1, count: segments.count &- index &- 1)
    header = NetHeader()
    if reading {
      batch.read(chain, to: scratch.first(hasTunnel ? NetHeaderLayout.bytesWithTunnel : NetHeaderLayout.legacyBytes))
      header = NetHeader(ofDriver: scratch, hasTunnel: hasTunnel)
    }
  }

  /// The segment that the byte behind the first `size` is in, and its place there.
  @inline(never)
  private static func place(_ size: Int, _ segments: Table<Bytes>) -> (Int, Int) {
    var index = 0
    var left = size
    while index &+ 1 < segments.count, left >= segments[index].count {
      left &-= segments[index].count
      index &+= 1
    }
    return (index, left)
  }

  @inline(__always) var isWhole: Bool { rest.count == 0 }

  /// Copies it from `offset` on to `target` and returns how much that was.
  @discardableResult
  func copy(from offset: Int = 0, to target: Bytes) -> Int {
    var left = target
    var skip = offset
    var index = -1
    while index < rest.count, left.count > 0 {
      let piece = index < 0 ? head : rest[index]
      left = left.dropping(piece.dropping(skip).copy(to: left))
      skip = max(skip &- piece.count, 0)
      index &+= 1
    }
    return target.count &- left.count
  }

  /// The checksum that its header asks for.
  @inline(never)
  func checksum(_ header: NetHeader) -> UInt16 {
    var total: UInt64 = 0
    var isOdd = false
    var skip = header.checksumStart
    var index = -1
    while index < rest.count {
      let piece = index < 0 ? head : rest[index]
      total &+= Checksum.sum(piece.dropping(skip), isOdd: &isOdd)
      skip = max(skip &- piece.count, 0)
      index &+= 1
    }
    return Checksum.finish(total)
  }

  /// Puts the checksum that its header asks for into a copy of it, if the copy is long enough.
  func completeChecksum(in bytes: Bytes) {
    if header.flags & NetHeaderFlag.needsChecksum != 0, header.checksumEnd <= count {
      bytes.store(header.checksumEnd &- 2, checksum(header))
    }
  }

  /// True if two VLAN tags lie before the type of the payload.
  func hasTwoTags(scratch: Bytes) -> Bool {
    let types = word(12, scratch: scratch)
    return EtherType.isTag(UInt16(types >> 48)) && EtherType.isTag(UInt16(truncatingIfNeeded: types >> 16))
  }

  /// A few bytes of it, at most eight, as a number in the order of the network; zeroes behind its end.
  @inline(__always)
  func word(_ at: Int, scratch: Bytes) -> UInt64 {
    if at &+ 8 <= head.count { return UInt64(bigEndian: head.load(at, as: UInt64.self)) }
    scratch.store(0, UInt64(0))
    copy(from: at, to: scratch.first(8))
    return UInt64(bigEndian: scratch.load(0, as: UInt64.self))
  }
}

// Safety: the part lies inside the table, whose elements outlive it.
extension Table {
  /// A part of a table, which has it.
  @inline(__always)
  init(from table: Table, at: Int, count: Int) {
    assert(at >= 0 && count >= 0 && at + count <= table.count)
    unsafe self.init(base: table.base + at, count: count)
  }
}
