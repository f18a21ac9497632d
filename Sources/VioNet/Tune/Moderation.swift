// SPDX-License-Identifier: BSD-2-Clause
//
// What a running device does for received packets (virtio 1.4, 5.1.9.5.9), and how long it may wait before it interrupts
// (5.1.9.5.10).

import CLinux
import CVionet
import Linux

/// How many packets or microseconds a device may let pass before an interrupt: for all receive or all transmit queues,
/// and for single ones.
struct Coalescing {
  /// By virtqueue, and behind them for all receive and all transmit queues: packets, microseconds in the upper half.
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
    try need(isAll ? VIRTIO_NET_F_NOTF_COAL : VIRTIO_NET_F_VQ_NOTF_COAL)
    if !isAll && queue >= pairsInUse {
      throw Failure(EINVAL, "queue ").number(queue).text(" is none of the ").number(pairsInUse).text(" in use")
    }
    let direction = transmit ? 1 : 0
    let place = (isAll ? Coalescing.all : Int(queue) * 2) + direction
    try tellCoalescing(place, value)
    // The device forgets what it was told of single queues.
    for pair in 0..<128 where isAll { settings.coalescing[pair * 2 + direction] = nil }
    settings.coalescing[place] = value
  }

  private mutating func tellCoalescing(_ place: Int, _ value: UInt64) throws(Failure) {
    let isAll = place >= Coalescing.all
    try need(isAll ? VIRTIO_NET_F_NOTF_COAL : VIRTIO_NET_F_VQ_NOTF_COAL)
    // vq_index with 16 reserved bits, max_packets, max_usecs; the command for all begins behind the first.
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
      do throws(Failure) { try unsafe tell(command, base + start, 12 - start) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// From virtqueue `first` on; those of a pair that was not in use have lost theirs (5.1.9.5.10).
  mutating func restoreCoalescing(from first: Int) throws(Failure) {
    for place in Coalescing.all..<Coalescing.all + 2 where first == 0 {
      if let value = settings.coalescing[place] { try tellCoalescing(place, value) }
    }
    for place in first..<max(first, Int(pairsInUse) * 2) {
      if let value = settings.coalescing[place] { try tellCoalescing(place, value) }
    }
  }

  /// Of one virtqueue, which was reset.
  mutating func restoreCoalescing(of index: Int) throws(Failure) {
    if let value = settings.coalescing[index] { try tellCoalescing(index, value) }
  }

  // MARK: Offloads

  /// Bits of enum vionet_rx_offload. Packets that are on their way still have what was negotiated, and so does whatever
  /// reads their headers.
  mutating func setOffloads(_ wish: UInt32) throws(Failure) {
    try need(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS)
    let changing = VIONET_RX_CHECKSUM.rawValue | VIONET_RX_LRO.rawValue
    if (wish ^ options.receiveOffloads) & ~changing != 0 {
      throw Failure(EINVAL, "offloads: of a port that is initialised only VIONET_RX_CHECKSUM and VIONET_RX_LRO change")
    }
    if wish & changing != 0 { try need(VIRTIO_NET_F_GUEST_CSUM) }
    var bits = wish & changing != 0 ? Features.receiveChecksum : 0
    if wish & VIONET_RX_LRO.rawValue != 0 {
      if features.bits & Features.receiveSegments == 0 { try need(VIRTIO_NET_F_GUEST_TSO4) }
      bits |= features.bits & Features.receiveSegments
    }
    try tellOffloads(bits)
    settings.offloads = bits
  }

  private mutating func tellOffloads(_ bits: UInt64) throws(Failure) {
    var data = bits.littleEndian
    try unsafe tell(ControlCommand.setOffloads, &data, 8)
  }

  /// After a reset all that was negotiated is on.
  mutating func restoreOffloads() throws(Failure) {
    guard let bits = settings.offloads else { return }
    try need(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS)
    try tellOffloads(bits & features.bits)
  }
}
