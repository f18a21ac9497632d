// SPDX-License-Identifier: BSD-2-Clause
//
// Receiving: a used packet goes to the caller and a fresh one takes its slot, with the same descriptor. Whatever does not
// fit that pattern (a wrong length or id, a frame in several buffers, an empty pool) ends the loop and is left to
// receiveOdd.

import CLinux
import Linux

/// Whether the virtio-net header of a frame is looked at. It need not be if it can say nothing: without merged buffers
/// and offloads (virtio 1.4, 5.1.9.4).
protocol HeaderUse {
  static var isRead: Bool { get }
}
enum HeaderIgnored: HeaderUse {
  @inline(__always) static var isRead: Bool { false }
}
enum HeaderRead: HeaderUse {
  @inline(__always) static var isRead: Bool { true }
}

/// A burst. The device finds the fresh buffers at its end, and is told of them, if it wants to be, when they are many or
/// when nothing was there: to ask for its wish takes a fence, and only a device that has run out of buffers wishes it.
@inline(__always)
@_optimize(speed)
func receive<R: Ring & ~Copyable, H: HeaderUse>(
  _: R.Type, _: H.Type, _ queue: Cell<ReceiveQueue>, _ packets: PacketList, _ limit: UInt16
) -> UInt16 {
  let received = takeRows(R.self, H.self, queue, packets, Int(limit))
  if received != 0 {
    R.expose(queue.value.core.ring)
    if R.untold(queue.value.core.ring) < queue.value.lot { return UInt16(truncatingIfNeeded: received) }
  }
  if R.publish(&queue.value.core.ring) { queue.value.core.notifyDevice() }
  return UInt16(truncatingIfNeeded: received)
}

@inline(__always)
@_optimize(speed)
private func takeRows<R: Ring & ~Copyable, H: HeaderUse>(
  _: R.Type, _: H.Type, _ queue: Cell<ReceiveQueue>, _ packets: PacketList, _ count: Int
) -> Int {
  var received = 0
  // A device that floods us with nonsense gets one ring of it per call.
  var nonsense = queue.value.core.ring.size
  repeat {
    if queue.value.core.ring.idle.count != 0 { queue.value.mend(R.self, jumped: false) }
    var ring = R(queue.value.core.ring)
    if ring.pending == 0 || !ring.look() {
      if ring.jumped { queue.value.mend(R.self, jumped: true) }
      return received
    }
    if queue.value.core.armed { queue.value.core.disarm() }
    let end = received &+ min(ring.pending, count &- received)
    let stop =
      R.isInOrder || queue.value.core.ring.isStraight
      ? takeRow(ring, H.self, InOrder.self, queue, packets, &received, to: end)
      : takeRow(ring, H.self, AnyOrder.self, queue, packets, &received, to: end)
    if received == count || stop == .dry { return received }
    if stop == .end {
      nonsense &-= 1
      continue
    }
    if stop == .crooked {
      queue.value.core.ring.bend()
      continue
    }

    switch queue.value.receiveOdd(R.self, packets, at: received) {
    case .delivered: received &+= 1
    case .dropped: nonsense &-= 1
    case .nothing, .broken: return received
    }
  } while received != count && nonsense != 0
  return received
}

/// Why a row came to its end.
enum RowStop {
  /// The device has not used more than that.
  case dry
  /// The ring begins anew.
  case end
  /// The device does not keep the order, which it need not.
  case crooked
  /// The next entry, or the pool, is out of the ordinary.
  case odd
}
