// SPDX-License-Identifier: BSD-2-Clause
//
// Where rings lie that a device without an IOMMU is to reach: each inside a hugepage.

import Linux
import Testing

@testable import VioNet

@Suite struct PlacementTests {
  private static let piece = Region.hugePageBytes

  /// Places rings like those of `pairs` queue pairs, and the control queue's.
  private func place(_ pairs: Int, _ size: Int, isPacked: Bool, isLegacy: Bool, piece: Int) -> [Range<Int>] {
    let receive = RingLayout(size: size, isLegacy: isLegacy, isPacked: isPacked)
    var transmit = receive
    transmit.tableDescriptors = RingLayout.indirectDescriptors
    var placement = RingPlacement(piece: piece)
    var places: [Range<Int>] = []
    func add(_ bytes: Int, _ alignment: Int) {
      let start = placement.place(bytes, alignment: alignment)
      #expect(start % alignment == 0)
      places.append(start..<start + bytes)
    }
    for _ in 0..<pairs {
      add(receive.bytes, receive.alignment)
      add(transmit.bytes, transmit.alignment)
    }
    add(3 * 4096, Port.controlAlignment)
    #expect(placement.end == places.last?.upperBound)
    return places
  }

  @Test(arguments: [1, 12, 34, 128], [256, 1024, 4096])
  func noRingIsOnTwoHugepages(_ pairs: Int, _ size: Int) {
    for (isPacked, isLegacy) in [(false, false), (true, false), (false, true)] {
      var end = 0
      for place in self.place(pairs, size, isPacked: isPacked, isLegacy: isLegacy, piece: Self.piece) {
        #expect(place.lowerBound >= end)
        #expect(place.lowerBound / Self.piece == (place.upperBound - 1) / Self.piece)
        end = place.upperBound
      }
    }
  }

  @Test func aRingLongerThanAHugepageBeginsOne() {
    let places = place(2, 32768, isPacked: false, isLegacy: false, piece: Self.piece)
    #expect(places.filter { $0.count > Self.piece }.count == 2)
    for place in places where place.count > Self.piece { #expect(place.lowerBound % Self.piece == 0) }
  }

  @Test func behindAnIOMMUNothingIsLeftOut() {
    let places = place(34, 1024, isPacked: false, isLegacy: false, piece: 0)
    for (one, next) in zip(places, places.dropFirst().dropLast()) { #expect(one.upperBound == next.lowerBound) }
  }
}
