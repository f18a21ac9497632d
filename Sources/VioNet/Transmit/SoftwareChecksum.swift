// SPDX-License-Identifier: BSD-2-Clause
//
// The internet checksum (RFC 1071) in software, for devices without VIRTIO_NET_F_CSUM. Sums are of 16-bit words as they
// lie in memory: the order of bytes does not matter before the result is stored, and it is stored as it was summed.

import CLinux
import CVionet
import Linux
import Virtio

/// Sum of words that is not folded yet.
struct WordSum {
  private(set) var value: UInt64 = 0

  @inline(__always) init() {}

  /// Adds a field that headers store in network order.
  @inline(__always)
  mutating func add(field: UInt16) { value &+= UInt64(field.bigEndian) }

  /// Adds a word as it lies in memory.
  @inline(__always)
  mutating func add(stored: UInt16) { value &+= UInt64(stored) }

  @inline(__always)
  mutating func add(_ other: WordSum) { value &+= other.value }

  /// Takes out a word that was added before.
  @inline(__always)
  mutating func remove(stored: UInt16) { value &+= UInt64(~stored) }

  @inline(__always) var folded: UInt16 {
    var sum = value & 0xffff_ffff &+ value >> 32
    sum = sum & 0xffff &+ sum >> 16
    sum = sum & 0xffff &+ sum >> 16
    sum = sum & 0xffff &+ sum >> 16
    return UInt16(truncatingIfNeeded: sum)
  }

  /// The sum as it counts behind an odd number of bytes.
  @inline(__always) var swapped: WordSum {
    var sum = WordSum()
    sum.value = UInt64(folded.byteSwapped)
    return sum
  }

  /// What a checksum field stores. A UDP checksum of 0 means that there is none (RFC 768).
  @inline(__always)
  func checksum(isUDP: Bool) -> UInt16 {
    let sum = ~folded
    return isUDP && sum == 0 ? 0xffff : sum
  }

  /// Adds `count` bytes. The last one of an odd number counts as if a zero followed.
  // Safety: the caller has compared `count` with the bytes that there are at `start`.
  @_optimize(speed)
  mutating func add(_ start: UnsafeRawPointer, _ count: Int) {
    // Halves of 32 bits in lanes of 64 never overflow; four sums, so that no addition waits for the one before.
    var (a, b, c, d) = (SIMD2<UInt64>.zero, SIMD2<UInt64>.zero, SIMD2<UInt64>.zero, SIMD2<UInt64>.zero)
    let low = SIMD2<UInt64>(repeating: 0xffff_ffff)
    var at = unsafe start
    var left = count
    while left >= 32 {
      let first = unsafe at.loadUnaligned(as: SIMD2<UInt64>.self)
      let second = unsafe at.loadUnaligned(fromByteOffset: 16, as: SIMD2<UInt64>.self)
      a &+= first & low
      b &+= first &>> 32
      c &+= second & low
      d &+= second &>> 32
      unsafe at += 32
      left &-= 32
    }
    let all = a &+ b &+ c &+ d
    var sum = all[0] &+ all[1]
    while left >= 4 {
      sum &+= unsafe UInt64(at.loadUnaligned(as: UInt32.self))
      unsafe at += 4
      left &-= 4
    }
    if left >= 2 {
      sum &+= unsafe UInt64(at.loadUnaligned(as: UInt16.self))
      unsafe at += 2
      left &-= 2
    }
    if left == 1 { sum &+= UInt64(UInt16(littleEndian: unsafe UInt16(at.load(as: UInt8.self)))) }
    // Folded once, so that many pieces can be added.
    value &+= sum & 0xffff_ffff &+ sum >> 32
  }
}

// Safety: each segment's data was checked to lie in its buffer (PoolView.covers), and pieces lie inside the data.
extension Packet {
  @inline(__always)
  func start(_ offset: UInt32) -> UnsafeRawPointer { unsafe UnsafeRawPointer(pointer.pointee.data) + Int(offset) }

  /// The sum of `count` bytes from `offset` on, or of as many as there are.
  func sum(from offset: Int, _ count: Int) -> WordSum {
    var cursor = DataCursor(self)
    cursor.skip(offset)
    return cursor.sum(count)
  }

  /// The byte at `offset` of the whole packet, with its segment; nil behind the end.
  private func byte(at offset: Int) -> UnsafeMutableRawPointer? {
    var cursor = DataCursor(self)
    cursor.skip(offset)
    guard let piece = cursor.next(1) else { return nil }
    return unsafe UnsafeMutableRawPointer(mutating: piece.segment.start(piece.offset))
  }

  /// The word at `offset` of the whole packet, as it lies in memory; it may lie in two segments.
  fileprivate func stored(at offset: Int) -> UInt16 {
    guard let first = unsafe byte(at: offset), let second = unsafe byte(at: offset &+ 1) else { return 0 }
    return unsafe UInt16(bigEndian: UInt16(first.load(as: UInt8.self)) << 8 | UInt16(second.load(as: UInt8.self)))
  }

  func store(_ word: UInt16, at offset: Int) {
    guard let first = unsafe byte(at: offset), let second = unsafe byte(at: offset &+ 1) else { return }
    unsafe first.storeBytes(of: UInt8(truncatingIfNeeded: word.bigEndian >> 8), as: UInt8.self)
    unsafe second.storeBytes(of: UInt8(truncatingIfNeeded: word.bigEndian), as: UInt8.self)
  }
}

extension DataCursor {
  /// The sum of the next `count` bytes, or of as many as there are. Passes them.
  @_optimize(speed)
  mutating func sum(_ count: Int) -> WordSum {
    var sum = WordSum()
    var left = count
    var isOdd = false
    // Safety: next() returns pieces of checked segments.
    while left > 0, let piece = next(left) {
      if isOdd {
        var part = WordSum()
        unsafe part.add(piece.segment.start(piece.offset), piece.count)
        sum.add(part.swapped)
      } else {
        unsafe sum.add(piece.segment.start(piece.offset), piece.count)
      }
      if piece.count & 1 != 0 { isOdd.toggle() }
      left &-= piece.count
    }
    return sum
  }
}

/// Where a packet's checksum goes and what it covers.
struct ChecksumPlace {
  /// Offset of the first byte that is summed.
  let start: Int
  /// Offset of the field.
  let field: Int
  /// Number of bytes that are summed.
  let count: Int
  /// The sum that replaces what the field has now; nil: that is the pseudo-header's already.
  let pseudo: WordSum?

  var isUDP: Bool { field &- start == 6 }
}

extension ChecksumPlace {
  /// Finds the place in a packet of `total` bytes, by the packet's numbers or, if they are zero, by its headers. Nil if
  /// the numbers do not fit the packet, or it is neither TCP nor UDP.
  init?(_ packet: Packet, _ total: Int, _ start: @autoclosure () -> FrameStart) {
    let offloads = packet.offloads
    if offloads.checksumStart != 0 {
      self.start = Int(offloads.checksumStart)
      field = self.start &+ Int(offloads.checksumOffset)
      if field &+ 2 > total { return nil }
      count = total &- self.start
      pseudo = nil
    } else {
      let begin = start()
      guard let headers = begin.headers else { return nil }
      self.start = Int(headers.transport)
      field = self.start &+ Int(headers.checksumOffset)
      count = headers.transportBytes(total)
      pseudo = begin.pseudoSum(headers, count)
    }
  }

  /// The checksum that belongs into the field.
  func checksum(_ packet: Packet) -> UInt16 {
    var sum = packet.sum(from: start, count)
    if let pseudo {
      sum.add(pseudo)
      sum.remove(stored: packet.stored(at: field))
    }
    return sum.checksum(isUDP: isUDP)
  }
}

extension Packet {
  /// True if `count` bytes from `offset` on may be written: nobody else holds the segments that have them.
  func isWritable(_ offset: Int, _ count: Int) -> Bool {
    var cursor = DataCursor(self)
    cursor.skip(offset)
    var left = count
    while left > 0, let piece = cursor.next(left) {
      if !piece.segment.isSole || piece.segment.isExternal { return false }
      left &-= piece.count
    }
    return left <= 0
  }

  /// Writes the checksum, after which the packet asks for none.
  func finishChecksum(_ place: ChecksumPlace) {
    store(place.checksum(self), at: place.field)
    flags &= ~Offloads.needsChecksum
    offloads = Offloads(0)
  }
}
