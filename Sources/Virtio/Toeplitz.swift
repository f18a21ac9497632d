// SPDX-License-Identifier: BSD-2-Clause
//
// The Toeplitz hash over a packet's addresses and ports (virtio 1.4, 5.1.9.4.3): for each bit of the input that is set, the
// 32 bits of the key that begin at its place are added, without carries.

import Linux

package enum Toeplitz {
  /// Bytes of the longest input, IPv6 addresses and ports, and of the key for it.
  package static var longestInput: Int { 36 }
  package static var keyBytes: Int { 40 }
  /// Entries of a table for inputs up to the longest: one for each value of each half of a byte.
  package static var tableEntries: Int { 2 * longestInput * 16 }

  /// The hash of `count` bytes. A key that is too short goes on with zeroes.
  // Safety: the caller's pointers have as many bytes as the counts say.
  package static func hash(
    _ key: UnsafeRawPointer, _ keyLength: Int, _ data: UnsafeRawPointer, _ count: Int
  ) -> UInt32 {
    var window: UInt64 = 0
    for place in 0..<4 { unsafe window = window << 8 | byte(key, keyLength, place) }
    var sum: UInt32 = 0
    var place = 0
    while place < count {
      // The key's bits from this byte of the input on: 40 of them.
      unsafe window = window << 8 | byte(key, keyLength, place &+ 4)
      let input = unsafe data.load(fromByteOffset: place, as: UInt8.self)
      for bit in 0..<8 as Range<UInt64> where input >> UInt8(7 &- bit) & 1 != 0 {
        sum ^= UInt32(truncatingIfNeeded: window >> (8 &- bit))
      }
      window &= 0xffff_ffff
      place &+= 1
    }
    return sum
  }

  // Safety: the place is below the count.
  private static func byte(_ key: UnsafeRawPointer, _ count: Int, _ place: Int) -> UInt64 {
    place < count ? unsafe UInt64(key.load(fromByteOffset: place, as: UInt8.self)) : 0
  }

  /// Fills a table of `tableEntries` from a key of `keyBytes`.
  // Safety: as hash(); each half of a byte is hashed as an input of which all else is zero.
  package static func fill(_ table: Table<UInt32>, _ key: UnsafeRawPointer) {
    var input = InlineArray<36, UInt8>(repeating: 0)
    for half in 0..<2 * longestInput {
      for value in 0..<16 {
        input[half / 2] = UInt8(value << (half % 2 == 0 ? 4 : 0))
        table[half * 16 + value] = unsafe withUnsafeBytes(of: input) { bytes in
          guard let base = bytes.baseAddress else { return 0 }
          return unsafe hash(key, keyBytes, base, longestInput)
        }
      }
      input[half / 2] = 0
    }
  }

  /// Adds a big-endian word of the input, the one at byte `place`, to a hash that is looked up in such a table.
  @inline(__always)
  package static func add(_ word: UInt16, at place: Int, to sum: inout UInt32, _ table: Table<UInt32>) {
    let first = place &* 32
    sum ^= table[first &+ Int(word >> 12)] ^ table[first &+ 16 &+ Int(word >> 8 & 15)]
    sum ^= table[first &+ 32 &+ Int(word >> 4 & 15)] ^ table[first &+ 48 &+ Int(word & 15)]
  }
}

/// What a hash was computed over: hash_report (virtio 1.4, 5.1.9.4.5).
package enum HashReport {
  package static var ipv4: UInt32 { 1 }
  package static var tcp4: UInt32 { 2 }
  package static var udp4: UInt32 { 3 }
  package static var ipv6: UInt32 { 4 }
  package static var tcp6: UInt32 { 5 }
  package static var udp6: UInt32 { 6 }
  /// IPv6 with extension headers, over the addresses that those name.
  package static var ipExtended: UInt32 { 7 }
  package static var tcpExtended: UInt32 { 8 }
  package static var udpExtended: UInt32 { 9 }
}
