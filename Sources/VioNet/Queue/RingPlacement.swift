// SPDX-License-Identifier: BSD-2-Clause
//
// Where the rings of a port lie in their region, one behind the other. A device without an IOMMU needs each in one piece of
// physical memory, and two hugepages that follow each other in our addresses may lie anywhere: there no ring is on two of
// them, unless it is longer than one.

struct RingPlacement {
  /// Bytes of a piece of memory; 0 if it does not matter.
  let piece: Int
  /// Bytes placed so far, with what is left out between them.
  private(set) var end = 0

  init(piece: Int) { self.piece = piece }

  /// The offset of the next `bytes`, a multiple of `alignment`.
  mutating func place(_ bytes: Int, alignment: Int = 64) -> Int {
    var start = roundUp(end, alignment)
    if piece > 0 && bytes > 0 && start / piece != (start + bytes - 1) / piece { start = roundUp(start, piece) }
    end = start + bytes
    return start
  }

  private func roundUp(_ number: Int, _ step: Int) -> Int { (number + step - 1) / step * step }
}
