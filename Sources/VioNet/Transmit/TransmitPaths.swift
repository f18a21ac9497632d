// SPDX-License-Identifier: BSD-2-Clause
//
// Which transmit function serves what was negotiated: one line per path, as in ReceivePaths.swift.

import CLinux
import CVionet
import Linux

@safe
struct TransmitPath {
  let name: StaticString
  let burst: Virtqueue.Burst

  static func choose(_ features: FeatureSet) -> TransmitPath {
    unsafe TransmitPath(name: "tx-split-plain") { queue, packets, count in
      unsafe transmitSplitPlain(Cell(raw: queue), PacketList(packets), count)
    }
  }
}

@inline(never)
@_optimize(speed)
private func transmitSplitPlain(_ queue: Cell<TransmitQueue>, _ packets: PacketList, _ count: UInt16) -> UInt16 {
  UInt16(truncatingIfNeeded: transmitPlain(SplitRing.self, queue, packets, Int(count)))
}
