// SPDX-License-Identifier: BSD-2-Clause
//
// Which transmit function serves what was negotiated: one line per path, as in ReceivePaths.swift. What packets ask for
// makes no path of its own: few do, and those go one by one.

import CLinux
import CVionet
import Linux

@safe
struct TransmitPath {
  let name: StaticString
  let burst: Virtqueue.Burst

  static func choose(_ shape: RingShape) -> TransmitPath {
    switch (shape.isPacked, shape.isInOrder) {
    case (false, false): unsafe TransmitPath(name: "tx-split-plain", burst: transmitSplit)
    case (false, true): unsafe TransmitPath(name: "tx-split-in-order", burst: transmitSplitInOrder)
    case (true, false): unsafe TransmitPath(name: "tx-packed-plain", burst: transmitPacked)
    case (true, true): unsafe TransmitPath(name: "tx-packed-in-order", burst: transmitPackedInOrder)
    }
  }
}

private typealias Queue = UnsafeMutableRawPointer
private typealias Packets = UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>

@_optimize(speed)
private func transmitSplit(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  unsafe transmit(SplitRing<AnyOrder>.self, Cell(raw: queue), PacketList(packets), count)
}

@_optimize(speed)
private func transmitSplitInOrder(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  unsafe transmit(SplitRing<InOrder>.self, Cell(raw: queue), PacketList(packets), count)
}

@_optimize(speed)
private func transmitPacked(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  unsafe transmit(PackedRing<AnyOrder>.self, Cell(raw: queue), PacketList(packets), count)
}

@_optimize(speed)
private func transmitPackedInOrder(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  unsafe transmit(PackedRing<InOrder>.self, Cell(raw: queue), PacketList(packets), count)
}

/// As reclaim of the ring in use.
func reclaimSent(_ queue: Cell<TransmitQueue>) {
  switch (queue.value.core.ring.shape.isPacked, queue.value.core.ring.shape.isInOrder) {
  case (false, false): reclaim(SplitRing<AnyOrder>.self, queue)
  case (false, true): reclaim(SplitRing<InOrder>.self, queue)
  case (true, false): reclaim(PackedRing<AnyOrder>.self, queue)
  case (true, true): reclaim(PackedRing<InOrder>.self, queue)
  }
}
