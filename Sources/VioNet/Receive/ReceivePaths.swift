// SPDX-License-Identifier: BSD-2-Clause
//
// Which burst function serves what was negotiated: one line per path. Each function is compiled from the generic burst
// and kept as a C function pointer in the queue. One that reads the header serves merged buffers and offloads alike.

import CLinux
import CVionet
import Linux

// Safety: `unsafe` marks C function pointers to the functions below.
@safe
struct ReceivePath {
  let name: StaticString
  let burst: Virtqueue.Burst

  init(_ name: StaticString, _ burst: @escaping Virtqueue.Burst) {
    self.name = name
    unsafe self.burst = burst
  }

  static func choose(_ shape: RingShape, _ reading: HeaderReading, isScattered: Bool = false) -> ReceivePath {
    typealias Path = ReceivePath
    let paths: PerRing<ReceivePath> =
      switch (isScattered, reading.isNeeded, reading.isMerged) {
      case (true, _, _):
        unsafe PerRing(
          split: Path("rx-split-scatter", receiveSplitScattered),
          splitInOrder: Path("rx-split-in-order-scatter", receiveSplitInOrderScattered),
          packed: Path("rx-packed-scatter", receivePackedScattered),
          packedInOrder: Path("rx-packed-in-order-scatter", receivePackedInOrderScattered))
      case (false, false, _):
        unsafe PerRing(
          split: Path("rx-split-plain", receiveSplit),
          splitInOrder: Path("rx-split-in-order", receiveSplitInOrder),
          packed: Path("rx-packed-plain", receivePacked),
          packedInOrder: Path("rx-packed-in-order", receivePackedInOrder))
      case (false, true, false):
        unsafe PerRing(
          split: Path("rx-split-offload", receiveSplitHeader),
          splitInOrder: Path("rx-split-in-order-offload", receiveSplitInOrderHeader),
          packed: Path("rx-packed-offload", receivePackedHeader),
          packedInOrder: Path("rx-packed-in-order-offload", receivePackedInOrderHeader))
      case (false, true, true):
        unsafe PerRing(
          split: Path("rx-split-mergeable", receiveSplitHeader),
          splitInOrder: Path("rx-split-in-order-mergeable", receiveSplitInOrderHeader),
          packed: Path("rx-packed-mergeable", receivePackedHeader),
          packedInOrder: Path("rx-packed-in-order-mergeable", receivePackedInOrderHeader))
      }
    return shape.choose(paths)
  }
}

private typealias Queue = UnsafeMutableRawPointer
private typealias Packets = UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>

@_optimize(speed)
private func receiveSplit(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  // Safety: the burst entry passes a receive queue's block, and its caller an array of `count` packets.
  unsafe receive(SplitRing<AnyOrder>.self, HeaderIgnored.self, Cell(raw: queue), PacketList(packets), count)
}

@_optimize(speed)
private func receiveSplitHeader(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  // Safety: the burst entry passes a receive queue's block, and its caller an array of `count` packets.
  unsafe receive(SplitRing<AnyOrder>.self, HeaderRead.self, Cell(raw: queue), PacketList(packets), count)
}

@_optimize(speed)
private func receiveSplitInOrder(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  // Safety: the burst entry passes a receive queue's block, and its caller an array of `count` packets.
  unsafe receive(SplitRing<InOrder>.self, HeaderIgnored.self, Cell(raw: queue), PacketList(packets), count)
}

@_optimize(speed)
private func receiveSplitInOrderHeader(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  // Safety: the burst entry passes a receive queue's block, and its caller an array of `count` packets.
  unsafe receive(SplitRing<InOrder>.self, HeaderRead.self, Cell(raw: queue), PacketList(packets), count)
}

@_optimize(speed)
private func receivePacked(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  // Safety: the burst entry passes a receive queue's block, and its caller an array of `count` packets.
  unsafe receive(PackedRing<AnyOrder>.self, HeaderIgnored.self, Cell(raw: queue), PacketList(packets), count)
}

@_optimize(speed)
private func receivePackedHeader(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  // Safety: the burst entry passes a receive queue's block, and its caller an array of `count` packets.
  unsafe receive(PackedRing<AnyOrder>.self, HeaderRead.self, Cell(raw: queue), PacketList(packets), count)
}

@_optimize(speed)
private func receivePackedInOrder(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  // Safety: the burst entry passes a receive queue's block, and its caller an array of `count` packets.
  unsafe receive(PackedRing<InOrder>.self, HeaderIgnored.self, Cell(raw: queue), PacketList(packets), count)
}

@_optimize(speed)
private func receivePackedInOrderHeader(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  // Safety: the burst entry passes a receive queue's block, and its caller an array of `count` packets.
  unsafe receive(PackedRing<InOrder>.self, HeaderRead.self, Cell(raw: queue), PacketList(packets), count)
}

private func receiveSplitScattered(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  // Safety: the burst entry passes a receive queue's block, and its caller an array of `count` packets.
  unsafe receiveScattered(SplitRing<AnyOrder>.self, Cell(raw: queue), PacketList(packets), count)
}

private func receiveSplitInOrderScattered(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  // Safety: the burst entry passes a receive queue's block, and its caller an array of `count` packets.
  unsafe receiveScattered(SplitRing<InOrder>.self, Cell(raw: queue), PacketList(packets), count)
}

private func receivePackedScattered(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  // Safety: the burst entry passes a receive queue's block, and its caller an array of `count` packets.
  unsafe receiveScattered(PackedRing<AnyOrder>.self, Cell(raw: queue), PacketList(packets), count)
}

private func receivePackedInOrderScattered(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  // Safety: the burst entry passes a receive queue's block, and its caller an array of `count` packets.
  unsafe receiveScattered(PackedRing<InOrder>.self, Cell(raw: queue), PacketList(packets), count)
}

// MARK: Control calls

extension ReceiveQueue {
  /// Calls fill(_:) for the ring in use.
  mutating func fill() -> Bool {
    let shape = core.ring.shape
    return shape.visit(ReceiveFill(), &self)
  }

  /// Calls takeBack(_:) for the ring in use.
  mutating func takeBack() {
    let shape = core.ring.shape
    shape.visit(ReceiveTakeBack(), &self)
  }
}

private struct ReceiveFill: RingVisitor {
  func visit<R: ReceiveRing & TransmitRing & ~Copyable>(_: R.Type, _ queue: inout ReceiveQueue) -> Bool {
    queue.fill(R.self)
  }
}

private struct ReceiveTakeBack: RingVisitor {
  func visit<R: ReceiveRing & TransmitRing & ~Copyable>(_: R.Type, _ queue: inout ReceiveQueue) {
    queue.takeBack(R.self)
  }
}
