// SPDX-License-Identifier: BSD-2-Clause
//
// The internet checksum in software, compared with one that adds byte by byte: every length and alignment, segments with
// boundaries at any place, sums that come out as zero.

import CLinux
import CVionet
import Linux
import Testing

@testable import VioNet

@Suite(.serialized) struct SoftwareChecksumTests {
  /// The sum of big-endian words, byte by byte (RFC 1071, 1).
  private func plain(_ bytes: ArraySlice<UInt8>) -> UInt16 {
    var sum = 0
    for (place, byte) in bytes.enumerated() {
      sum += place % 2 == 0 ? Int(byte) << 8 : Int(byte)
      sum = sum & 0xffff + sum >> 16
    }
    return UInt16(sum)
  }

  private func random(_ count: Int, seed: UInt32) -> [UInt8] {
    var state = seed
    return (0..<count).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return UInt8(state >> 24)
    }
  }

  private func sum(_ bytes: [UInt8], _ from: Int, _ count: Int) -> UInt16 {
    unsafe bytes.withUnsafeBytes { raw in
      var sum = WordSum()
      if let base = raw.baseAddress { unsafe sum.add(base + from, count) }
      return UInt16(bigEndian: sum.folded)
    }
  }

  @Test func everyLengthAndAlignment() {
    let bytes = random(400, seed: 1)
    for from in 0..<9 {
      for count in 0..<300 { #expect(sum(bytes, from, count) == plain(bytes[from..<from + count])) }
    }
  }

  @Test func manyOnesDoNotOverflow() {
    let ones = [UInt8](repeating: 0xff, count: 1 << 20)
    #expect(sum(ones, 0, 1 << 20) == 0xffff)
    #expect(sum(ones, 1, 65535) == plain(ones[1..<65536]))
    #expect(sum([UInt8](repeating: 0, count: 64), 0, 64) == 0)
  }

  @Test func segmentsOfAnyLengths() throws {
    let bench = try RingBench()
    let cuts = [[1, 1, 1, 1, 60], [33, 64, 7, 100], [1000, 999, 501], [2, 3, 5, 7, 11, 13, 17]]
    for (seed, lengths) in cuts.enumerated() {
      let head = try bench.chain(lengths.map { UInt32($0) })
      let total = lengths.reduce(0, +)
      let bytes = random(total, seed: UInt32(seed))
      var at = 0
      var segment: Packet? = head
      while let packet = segment {
        packet.fill(Array(bytes[at..<at + Int(packet.length)]))
        at += Int(packet.length)
        segment = packet.next
      }
      for from in stride(from: 0, to: total, by: 3) {
        for count in [0, 1, 2, 31, 32, 33, total - from] where from + count <= total {
          #expect(UInt16(bigEndian: head.sum(from: from, count).folded) == plain(bytes[from..<from + count]))
        }
      }
      // More than there is: what there is.
      #expect(UInt16(bigEndian: head.sum(from: 1, total + 50).folded) == plain(bytes[1...]))
      bench.free(head)
    }
    #expect(bench.conserved())
  }

  @Test func aUDPChecksumOfZeroIsSentAsOnes() {
    var sum = WordSum()
    sum.add(field: 0xffff)
    #expect(sum.checksum(isUDP: true) == 0xffff && sum.checksum(isUDP: false) == 0)
    sum.add(field: 1)
    #expect(sum.checksum(isUDP: true) == ~UInt16(1).bigEndian)
    sum.remove(stored: UInt16(1).bigEndian)
    #expect(sum.checksum(isUDP: false) == 0)
  }
}
