// SPDX-License-Identifier: BSD-2-Clause
//
// The bursts of a port with a watcher (vionet_watch_set). They call the burst in use and tell the watcher what it moves and
// drops. Packets to be sent are shown before the burst, which may give them away; afterwards the watcher is told how many it
// took. Where nobody watches, the entries of the queues hold the burst itself.

import CLinux
import CVionet
import Linux

/// The callback of a port, in memory that bursts may read while their entries hold the functions below.
struct Watcher {
  let function: UInt
  let user: UInt
  var stranded = Stranded()

  /// The watcher of a queue's port.
  // Safety: it is freed only when no thread is inside a burst of the port.
  static func of(_ core: borrowing Virtqueue) -> Cell<Watcher>? {
    guard let raw = unsafe UnsafeMutableRawPointer(bitPattern: core.watcher) else { return nil }
    return unsafe Cell(raw: raw)
  }

  /// Calls the callback. The thread's error sentence stays as it was, whatever that does. `list` is of packets, or of drop
  /// reasons after VIONET_WATCH_TAKEN.
  // Safety: the number is that of the callback that vionet_watch_set() was given, and the list outlives the call.
  func tell(
    _ what: vionet_watch, _ core: borrowing Virtqueue, count: Int, reason: Int = 0, list: UnsafeRawPointer? = nil
  ) {
    var watched = unsafe vionet_watched()
    unsafe watched.size = MemoryLayout<vionet_watched>.size
    unsafe watched.port = core.port
    unsafe watched.queue = core.index / 2
    unsafe watched.what = UInt16(what.rawValue)
    unsafe watched.reason = UInt16(reason)
    unsafe watched.count = UInt32(truncatingIfNeeded: count)
    if what == VIONET_WATCH_TAKEN {
      unsafe watched.drops = list?.assumingMemoryBound(to: UInt8.self)
    } else {
      unsafe watched.packets = list?.assumingMemoryBound(to: UnsafePointer<vionet_packet>?.self)
    }
    let callback = unsafe unsafeBitCast(
      function, to: (@convention(c) (UnsafePointer<vionet_watched>, UnsafeMutableRawPointer?) -> Void).self)
    Failure.keepingSentence { unsafe callback(&watched, UnsafeMutableRawPointer(bitPattern: user)) }
  }
}

// MARK: Receive

typealias BurstPackets = UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>

func watchedReceive(_ block: UnsafeMutableRawPointer, _ packets: BurstPackets, _ count: UInt16) -> UInt16 {
  // Safety: the burst entry passes a receive queue's block, and its caller an array of `count` packets.
  let core = unsafe Cell<Virtqueue>(raw: block)
  let before = core.value.counters.dropped
  let watcher = Watcher.of(core.value)
  let received = unsafe core.value.watchedBurst(block, packets, count)
  guard let watcher else { return received }
  for reason in 0..<DropReason.places where core.value.counters.dropped[reason] != before[reason] {
    let count = core.value.counters.dropped[reason] &- before[reason]
    unsafe watcher.value.tell(
      VIONET_WATCH_RX_DROPPED, core.value, count: Int(truncatingIfNeeded: count), reason: reason)
  }
  if received != 0 {
    unsafe watcher.value.tell(
      VIONET_WATCH_RECEIVED, core.value, count: Int(received), list: UnsafeRawPointer(packets))
  }
  return received
}

// Safety: as watchedReceive(); both kinds of queue begin with their Virtqueue.
let checkedWatchedReceive: Virtqueue.Burst = { block, packets, count in
  unsafe Cell<Virtqueue>(raw: block).value.alone { unsafe watchedReceive(block, packets, count) }
}

// MARK: Transmit

func watchedTransmit(_ block: UnsafeMutableRawPointer, _ packets: BurstPackets, _ count: UInt16) -> UInt16 {
  // Safety: the burst entry passes a transmit queue's block, and its caller an array of `count` packets.
  let queue = unsafe Cell<TransmitQueue>(raw: block)
  guard let watcher = Watcher.of(queue.value.core), count != 0 else {
    return unsafe queue.value.core.watchedBurst(block, packets, count)
  }
  var done: UInt16 = 0
  while done != count {
    let part = min(count &- done, 64)
    let taken = unsafe transmitPart(queue, watcher, block, packets + Int(done), part)
    done &+= taken
    if taken == part { continue }
    if queue.value.core.fault == .none { queue.value.refuse(Int(count &- done)) }
    break
  }
  return done
}

// Safety: as watchedTransmit().
let checkedWatchedTransmit: Virtqueue.Burst = { block, packets, count in
  unsafe Cell<Virtqueue>(raw: block).value.alone { unsafe watchedTransmit(block, packets, count) }
}

// Safety: as watchedTransmit(), with at most 64 packets; the arrays outlive the calls that are given their addresses. The
// burst changes the queue by the block's address, so that the queue is no inout argument here.
private func transmitPart(
  _ queue: Cell<TransmitQueue>, _ watcher: Cell<Watcher>, _ block: UnsafeMutableRawPointer, _ packets: BurstPackets,
  _ count: UInt16
) -> UInt16 {
  var readable = InlineArray<64, UInt>(repeating: 0)
  let list = unsafe PacketList(packets)
  for place in 0..<Int(count) {
    if let packet = list[unchecked: place], packet.isReadable { readable[place & 63] = packet.address }
  }
  unsafe withUnsafeBytes(of: &readable) { bytes in
    unsafe watcher.value.tell(VIONET_WATCH_OFFERED, queue.value.core, count: Int(count), list: bytes.baseAddress)
  }
  queue.value.dropped = DroppedPlaces(start: queue.value.core.counters.packets)
  queue.value.watchedDrops.isWanted = true
  let taken = unsafe queue.value.core.watchedBurst(block, packets, count)
  queue.value.watchedDrops.isWanted = false
  var reasons = queue.value.watchedDrops.reasons
  unsafe withUnsafeBytes(of: &reasons) { bytes in
    unsafe watcher.value.tell(VIONET_WATCH_TAKEN, queue.value.core, count: Int(taken), list: bytes.baseAddress)
  }
  if queue.value.dropped.count != 0 { queue.value.watchedDrops = WatchedDrops() }
  return taken
}

extension Packet {
  /// True for a packet of the caller's whose segments and bytes can all be read. Of what is none, nothing is read.
  fileprivate var isReadable: Bool {
    var segment: Packet? = self
    var count = 0
    while let packet = segment {
      guard let pool = PacketPools.containing(packet), packet.holder == Owner.caller, packet.hasData(pool),
        count < Int(VIONET_MAX_SEGMENTS)
      else { return false }
      count += 1
      segment = packet.next
    }
    return count == Int(segments)
  }
}
