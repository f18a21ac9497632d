// SPDX-License-Identifier: BSD-2-Clause
//
// How long the device may delay interrupts (virtio 1.4, 5.1.9.5.10).

import CLinux
import CVionet
import Linux
import Virtio

/// How many packets or microseconds a device may let pass before an interrupt, for each virtqueue and for all queues of a
/// direction.
struct Coalescing {
  /// Packets, with microseconds in the upper half: by virtqueue index, and behind them for all receive and all transmit
  /// queues.
  private var values = InlineArray<258, UInt64>(repeating: 0)
  private var isSet = InlineArray<258, Bool>(repeating: false)

  static let all = 256

  subscript(place: Int) -> UInt64? {
    get { isSet[place] ? values[place] : nil }
    set {
      isSet[place] = newValue != nil
      values[place] = newValue ?? 0
    }
  }
}

extension Port {
  /// `queue` is VIONET_ALL_QUEUES or a number.
  mutating func setCoalescing(_ queue: UInt16, transmit: Bool, _ value: UInt64) throws(Failure) {
    let isAll = Int32(queue) == VIONET_ALL_QUEUES
    try require(isAll ? Feature.coalescing : Feature.queueCoalescing)
    if !isAll && queue >= pairsInUse {
      throw Failure(EINVAL, "queue ").number(queue).text(" is none of the ").number(pairsInUse).text(" in use")
    }
    let direction = transmit ? 1 : 0
    let place = (isAll ? Coalescing.all : Int(queue) * 2) + direction
    try sendCoalescing(place, value)
    // The command for all queues overrides what was sent for single ones.
    for pair in 0..<128 where isAll { settings.coalescing[pair * 2 + direction] = nil }
    settings.coalescing[place] = value
  }

  // Safety: the command reads the 12 bytes of `words`, or the last 8.
  private mutating func sendCoalescing(_ place: Int, _ value: UInt64) throws(Failure) {
    let isAll = place >= Coalescing.all
    try require(isAll ? Feature.coalescing : Feature.queueCoalescing)
    // The command's data: vq_index with 16 reserved bits, max_packets, max_usecs. The command for all queues has no first word.
    var words = (
      UInt32(place).littleEndian, UInt32(truncatingIfNeeded: value).littleEndian,
      UInt32(truncatingIfNeeded: value >> 32).littleEndian
    )
    let start = isAll ? 4 : 0
    let command: ControlCommand =
      isAll ? (place == Coalescing.all ? .coalesceReceive : .coalesceTransmit) : .coalesceQueue
    var failure: Failure?
    unsafe withUnsafeBytes(of: &words) { bytes in
      guard let base = bytes.baseAddress else { return }
      do throws(Failure) { try unsafe send(command, base + start, 12 - start) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Sends what was set for virtqueues from `first` on. Queues that were not in use have lost theirs (virtio 1.4,
  /// 5.1.9.5.10).
  mutating func restoreCoalescing(from first: Int) throws(Failure) {
    for place in Coalescing.all..<Coalescing.all + 2 where first == 0 {
      if let value = settings.coalescing[place] { try sendCoalescing(place, value) }
    }
    for place in first..<max(first, Int(pairsInUse) * 2) {
      if let value = settings.coalescing[place] { try sendCoalescing(place, value) }
    }
  }

  /// Sends what was set for one virtqueue, which was reset.
  mutating func restoreCoalescing(of index: Int) throws(Failure) {
    if let value = settings.coalescing[index] { try sendCoalescing(index, value) }
  }
}
