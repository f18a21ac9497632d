// SPDX-License-Identifier: BSD-2-Clause
//
// What size_stats=1 counts of a queue's frames: length, and whether they are for one, for many or for all. It reads
// the first bytes of each frame, which bursts do not; so separate functions count, around the bursts and only where it
// was asked for.

import CLinux
import CVionet
import Linux

struct FrameSizes {
  /// Frames of less than 64 bytes, 64, up to 127, 255, 511, 1023, 1518, and longer ones.
  var bins = InlineArray<8, UInt64>(repeating: 0)
  /// Frames to a group, without those to all.
  var multicast: UInt64 = 0
  var broadcast: UInt64 = 0

  @inline(__always)
  mutating func add(_ kind: FrameKind) {
    bins[kind.bin] &+= 1
    if kind.isForMany {
      multicast &+= kind.multicast
      broadcast &+= kind.broadcast
    }
  }

  mutating func add(_ other: FrameSizes) {
    for bin in 0..<8 { bins[bin] &+= other.bins[bin] }
    multicast &+= other.multicast
    broadcast &+= other.broadcast
  }
}

/// What one frame counts as, in one byte: its bin, 8 for multicast, 16 for broadcast.
struct FrameKind {
  private let value: UInt8

  @inline(__always) var bin: Int { Int(value & 7) }
  @inline(__always) var isForMany: Bool { value > 7 }
  @inline(__always) var multicast: UInt64 { UInt64(value >> 3 & 1) }
  @inline(__always) var broadcast: UInt64 { UInt64(value >> 4) }

  @inline(__always)
  init(byte: UInt8) { value = byte }
  @inline(__always) var byte: UInt8 { value }

  /// Classifies a frame of `length` bytes whose first segment has `first` bytes, at `data`. Reads them only if they
  /// are eight.
  @inline(__always)
  init(length: UInt32, first: UInt32, data: UInt) {
    // Safety: the caller passes 0 for `first` unless that many bytes at `data` lie in the packet's buffer.
    var value = FrameKind.bin(length)
    if first >= 8, let start = unsafe UnsafeRawPointer(bitPattern: data) {
      let target = unsafe start.loadUnaligned(as: UInt64.self) & 0xffff_ffff_ffff
      if target & 1 != 0 { value |= target == 0xffff_ffff_ffff ? 16 : 8 }
    }
    self.value = value
  }

  /// The bin of a length; from 65 to 1023 each power of two begins one.
  @inline(__always)
  private static func bin(_ length: UInt32) -> UInt8 {
    if length <= 64 { return length == 64 ? 1 : 0 }
    if length >= 1024 { return length < 1519 ? 6 : 7 }
    return UInt8(truncatingIfNeeded: 27 &- length.leadingZeroBitCount)
  }
}
