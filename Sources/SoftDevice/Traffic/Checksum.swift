// SPDX-License-Identifier: BSD-2-Clause
//
// The Internet checksum. Ones' complement sums of 16-bit words work in any byte order (RFC 1071).

import Linux

enum Checksum {
  /// Sum of the words of `bytes`. `isOdd`: they begin at the second byte of a word, and whether they end there.
  static func sum(_ bytes: Bytes, isOdd: inout Bool) -> UInt64 {
    var total: UInt64 = 0
    var index = 0
    if isOdd && bytes.count > 0 {
      total = UInt64(UInt16(bytes[0]).bigEndian)
      index = 1
      isOdd = false
    }
    while index &+ 1 < bytes.count {
      total &+= UInt64(bytes.load(index, as: UInt16.self))
      index &+= 2
    }
    if index < bytes.count {
      total &+= UInt64(UInt16(bytes[index]).littleEndian)
      isOdd = true
    }
    return total
  }

  static func sum(_ bytes: Bytes) -> UInt64 {
    var isOdd = false
    return sum(bytes, isOdd: &isOdd)
  }

  @inline(__always)
  static func fold(_ sum: UInt64) -> UInt16 {
    var folded = (sum & 0xffff_ffff) &+ (sum >> 32)
    folded = (folded & 0xffff) &+ ((folded >> 16) & 0xffff) &+ (folded >> 32)
    folded = (folded & 0xffff) &+ (folded >> 16)
    folded = (folded & 0xffff) &+ (folded >> 16)
    return UInt16(truncatingIfNeeded: folded)
  }

  /// The complement, which is never zero: a UDP checksum of zero would mean that there is none (RFC 768).
  @inline(__always)
  static func finish(_ sum: UInt64) -> UInt16 {
    let check = ~fold(sum)
    return check == 0 ? 0xffff : check
  }
}
