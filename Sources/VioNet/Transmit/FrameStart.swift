// SPDX-License-Identifier: BSD-2-Clause
//
// The first bytes of a frame that is sent, copied, and the pseudo-header's sum that its checksum needs.

import CLinux
import CVionet
import Linux
import Virtio

extension FrameBytes {
  /// The sum over addresses, protocol and a length of `count` bytes. The headers are of this frame.
  func pseudoSum(_ headers: FrameHeaders, _ count: Int) -> WordSum {
    var sum = WordSum()
    sum.add(field: UInt16(truncatingIfNeeded: count >> 16))
    sum.add(field: UInt16(truncatingIfNeeded: count))
    sum.add(field: headers.isTCP ? 6 : 17)
    let first = Int(headers.network) &+ (headers.isIPv6 ? 8 : 12)
    for place in 0..<(headers.isIPv6 ? 16 : 4) { sum.add(field: word(first &+ place &* 2)) }
    return sum
  }
}

/// The first bytes of a packet, copied to where no device can change them: headers may lie in several segments, and what
/// was compared is what is used.
// Safety: the memory has `room` bytes, of which at most `most` and a tag are used; places in it were compared with
// `readable` by callers.
@safe
struct FrameStart: FrameBytes {
  /// Most bytes that are looked at.
  static let most = 512
  /// Bytes of memory that one takes.
  static let room = most + 64

  private let base: UnsafeMutableRawPointer
  private(set) var readable = 0

  /// Copies up to `most` bytes of a checked packet to memory of `room` bytes, which holds them while this is used.
  init(_ packet: Packet, in memory: UnsafeMutableRawPointer) {
    unsafe base = memory
    var cursor = DataCursor(packet)
    while readable < FrameStart.most, let piece = cursor.next(FrameStart.most &- readable) {
      unsafe _ = memcpy(base + readable, piece.segment.start(piece.offset), piece.count)
      readable &+= piece.count
    }
  }

  @inline(__always)
  func word(_ at: Int) -> UInt16 {
    unsafe UInt16(bigEndian: base.loadUnaligned(fromByteOffset: at, as: UInt16.self))
  }

  /// Stores a big-endian field.
  @inline(__always)
  func set(_ at: Int, _ word: UInt16) { unsafe base.storeBytes(of: word.bigEndian, toByteOffset: at, as: UInt16.self) }

  /// The sum of the `count` bytes from `at` on.
  func sum(_ at: Int, _ count: Int) -> WordSum {
    var sum = WordSum()
    unsafe sum.add(base + at, count)
    return sum
  }

  /// Puts a VLAN tag behind the addresses.
  mutating func insertTag(_ tag: UInt16) {
    let count = readable &- 12
    if count < 0 || readable > FrameStart.most { return }
    unsafe _ = memmove(base + 16, base + 12, count)
    readable &+= 4
    set(12, EtherType.vlan)
    set(14, tag)
  }

  /// Copies the first `count` bytes to the data of a packet that has the room.
  @inline(__always)
  func copy(_ count: Int, to packet: Packet) { unsafe _ = memcpy(packet.pointer.pointee.data, base, count) }
}
