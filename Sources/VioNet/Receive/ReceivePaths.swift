// SPDX-License-Identifier: BSD-2-Clause
//
// Which receive function serves what was negotiated: one line per path. Each is compiled on its own from the generic
// burst and kept as a C function pointer in the queue. A header that is read serves merged buffers and offloads alike.

import CLinux
import CVionet
import Linux

@safe
struct ReceivePath {
  let name: StaticString
  let burst: Virtqueue.Burst

  static func choose(_ shape: RingShape, _ reading: HeaderReading, isScattered: Bool = false) -> ReceivePath {
    if isScattered { return scattered(shape) }
    typealias Path = ReceivePath
    return switch (shape.isPacked, shape.isInOrder, reading.isNeeded, reading.isMerged) {
    case (false, false, false, _): unsafe Path(name: "rx-split-plain", burst: receiveSplit)
    case (false, false, true, false): unsafe Path(name: "rx-split-offload", burst: receiveSplitHeader)
    case (false, false, true, true): unsafe Path(name: "rx-split-mergeable", burst: receiveSplitHeader)
    case (false, true, false, _): unsafe Path(name: "rx-split-in-order", burst: receiveSplitInOrder)
    case (false, true, true, false): unsafe Path(name: "rx-split-in-order-offload", burst: receiveSplitInOrderHeader)
    case (false, true, true, true): unsafe Path(name: "rx-split-in-order-mergeable", burst: receiveSplitInOrderHeader)
    case (true, false, false, _): unsafe Path(name: "rx-packed-plain", burst: receivePacked)
    case (true, false, true, false): unsafe Path(name: "rx-packed-offload", burst: receivePackedHeader)
    case (true, false, true, true): unsafe Path(name: "rx-packed-mergeable", burst: receivePackedHeader)
    case (true, true, false, _): unsafe Path(name: "rx-packed-in-order", burst: receivePackedInOrder)
    case (true, true, true, false): unsafe Path(name: "rx-packed-in-order-offload", burst: receivePackedInOrderHeader)
    case (true, true, true, true): unsafe Path(name: "rx-packed-in-order-mergeable", burst: receivePackedInOrderHeader)
    }
  }

  private static func scattered(_ shape: RingShape) -> ReceivePath {
    typealias Path = ReceivePath
    return switch (shape.isPacked, shape.isInOrder) {
    case (false, false): unsafe Path(name: "rx-split-scatter", burst: receiveSplitScattered)
    case (false, true): unsafe Path(name: "rx-split-in-order-scatter", burst: receiveSplitInOrderScattered)
    case (true, false): unsafe Path(name: "rx-packed-scatter", burst: receivePackedScattered)
    case (true, true): unsafe Path(name: "rx-packed-in-order-scatter", burst: receivePackedInOrderScattered)
    }
  }
}

private typealias Queue = UnsafeMutableRawPointer
private typealias Packets = UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>

@_optimize(speed)
private func receiveSplit(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  unsafe receive(SplitRing<AnyOrder>.self, HeaderIgnored.self, Cell(raw: queue), PacketList(packets), count)
}

@_optimize(speed)
private func receiveSplitHeader(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  unsafe receive(SplitRing<AnyOrder>.self, HeaderRead.self, Cell(raw: queue), PacketList(packets), count)
}

@_optimize(speed)
private func receiveSplitInOrder(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  unsafe receive(SplitRing<InOrder>.self, HeaderIgnored.self, Cell(raw: queue), PacketList(packets), count)
}

@_optimize(speed)
private func receiveSplitInOrderHeader(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  unsafe receive(SplitRing<InOrder>.self, HeaderRead.self, Cell(raw: queue), PacketList(packets), count)
}

@_optimize(speed)
private func receivePacked(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  unsafe receive(PackedRing<AnyOrder>.self, HeaderIgnored.self, Cell(raw: queue), PacketList(packets), count)
}

@_optimize(speed)
private func receivePackedHeader(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  unsafe receive(PackedRing<AnyOrder>.self, HeaderRead.self, Cell(raw: queue), PacketList(packets), count)
}

@_optimize(speed)
private func receivePackedInOrder(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  unsafe receive(PackedRing<InOrder>.self, HeaderIgnored.self, Cell(raw: queue), PacketList(packets), count)
}

@_optimize(speed)
private func receivePackedInOrderHeader(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  unsafe receive(PackedRing<InOrder>.self, HeaderRead.self, Cell(raw: queue), PacketList(packets), count)
}

private func receiveSplitScattered(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  unsafe receiveScattered(SplitRing<AnyOrder>.self, Cell(raw: queue), PacketList(packets), count)
}

private func receiveSplitInOrderScattered(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  unsafe receiveScattered(SplitRing<InOrder>.self, Cell(raw: queue), PacketList(packets), count)
}

private func receivePackedScattered(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  unsafe receiveScattered(PackedRing<AnyOrder>.self, Cell(raw: queue), PacketList(packets), count)
}

private func receivePackedInOrderScattered(_ queue: Queue, _ packets: Packets, _ count: UInt16) -> UInt16 {
  unsafe receiveScattered(PackedRing<InOrder>.self, Cell(raw: queue), PacketList(packets), count)
}

// MARK: Beside the bursts

extension ReceiveQueue {
  /// As fill of the ring in use.
  mutating func fill() -> Bool {
    switch (core.ring.shape.isPacked, core.ring.shape.isInOrder) {
    case (false, false): fill(SplitRing<AnyOrder>.self)
    case (false, true): fill(SplitRing<InOrder>.self)
    case (true, false): fill(PackedRing<AnyOrder>.self)
    case (true, true): fill(PackedRing<InOrder>.self)
    }
  }

  mutating func takeBack() {
    switch (core.ring.shape.isPacked, core.ring.shape.isInOrder) {
    case (false, false): takeBack(SplitRing<AnyOrder>.self)
    case (false, true): takeBack(SplitRing<InOrder>.self)
    case (true, false): takeBack(PackedRing<AnyOrder>.self)
    case (true, true): takeBack(PackedRing<InOrder>.self)
    }
  }
}
