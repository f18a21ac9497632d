// SPDX-License-Identifier: BSD-2-Clause
//
// Which receive function serves what was negotiated: one line per path. Each is compiled on its own from the generic
// burst and kept as a C function pointer in the queue.

import CLinux
import CVionet
import Linux

@safe
struct ReceivePath {
  let name: StaticString
  let burst: Virtqueue.Burst

  static func choose(_ features: FeatureSet) -> ReceivePath {
    unsafe ReceivePath(name: "rx-split-plain") { queue, packets, count in
      unsafe receiveSplitPlain(Cell(raw: queue), PacketList(packets), count)
    }
  }
}

@inline(never)
@_optimize(speed)
private func receiveSplitPlain(_ queue: Cell<ReceiveQueue>, _ packets: PacketList, _ count: UInt16) -> UInt16 {
  UInt16(truncatingIfNeeded: receivePlain(SplitRing.self, queue, packets, Int(count)))
}
