// SPDX-License-Identifier: BSD-2-Clause
//
// Which transmit function serves what was negotiated: one line per path, as in ReceivePaths.swift. Offloads have no
// path of their own: few packets ask for one, and those are sent one by one.

import CLinux
import CVionet
import Linux

// Safety: `unsafe` marks C function pointers to the functions below.
@safe
struct TransmitPath {
  let name: StaticString
  let burst: Virtqueue.Burst

  init(_ name: StaticString, _ burst: @escaping Virtqueue.Burst) {
    self.name = name
    unsafe self.burst = burst
  }

  static func choose(_ shape: RingShape) -> TransmitPath {
    unsafe shape.choose(
      PerRing(
        split: TransmitPath("tx-split-plain", transmitSplit),
        splitInOrder: TransmitPath("tx-split-in-order", transmitSplitInOrder),
        packed: TransmitPath("tx-packed-plain", transmitPacked),
        packedInOrder: TransmitPath("tx-packed-in-order", transmitPackedInOrder)))
  }
}

private typealias Queue = UnsafeMutableRawPointer
private typealias Packets = UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>

@_optimize(speed)
private func transmitSplit(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  // Safety: the burst entry passes a transmit queue's block, and its caller an array of `count` packets.
  unsafe transmit(SplitRing<AnyOrder>.self, Cell(raw: queue), PacketList(packets), count)
}

@_optimize(speed)
private func transmitSplitInOrder(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  // Safety: the burst entry passes a transmit queue's block, and its caller an array of `count` packets.
  unsafe transmit(SplitRing<InOrder>.self, Cell(raw: queue), PacketList(packets), count)
}

@_optimize(speed)
private func transmitPacked(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  // Safety: the burst entry passes a transmit queue's block, and its caller an array of `count` packets.
  unsafe transmit(PackedRing<AnyOrder>.self, Cell(raw: queue), PacketList(packets), count)
}

@_optimize(speed)
private func transmitPackedInOrder(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  // Safety: the burst entry passes a transmit queue's block, and its caller an array of `count` packets.
  unsafe transmit(PackedRing<InOrder>.self, Cell(raw: queue), PacketList(packets), count)
}

// MARK: Control calls

/// Calls reclaim(_:_:) for the ring in use.
func reclaimSent(_ queue: Cell<TransmitQueue>) {
  var queue = queue
  queue.value.core.ring.shape.visit(TransmitReclaim(), &queue)
}

private struct TransmitReclaim: RingVisitor {
  func visit<R: ReceiveRing & TransmitRing & ~Copyable>(_: R.Type, _ queue: inout Cell<TransmitQueue>) {
    reclaim(R.self, queue)
  }
}
