// SPDX-License-Identifier: BSD-2-Clause
//
// The burst of a transmit queue whose frames are counted by size. It looks at packets before the burst in use, which
// then owns them, and counts them after it, when it is known which were sent.

import CLinux
import CVionet
import Linux

extension TransmitPath {
  /// This path with its frames counted; the queue's `countedBurst` is the burst that it calls.
  // Safety: a C function pointer to the function below.
  var countingSizes: TransmitPath { unsafe TransmitPath(name, transmitCounting) }

  /// This path with a check for other threads around it, and around the count of sizes if there is one.
  // Safety: as countingSizes; the closure passes on what a burst is given.
  func checkingThreads(countsSizes: Bool) -> TransmitPath {
    if !countsSizes { return unsafe TransmitPath(name, Virtqueue.checkedBurst) }
    return unsafe TransmitPath(name) { block, packets, count in
      unsafe Cell<Virtqueue>(raw: block).value.alone { unsafe transmitCounting(block, packets, count) }
    }
  }
}

/// Which packets of a part of a burst were dropped: bit n for the nth.
struct DroppedPlaces {
  /// Packets sent by the queue when the part began.
  var start: UInt64 = 0
  var places: UInt64 = 0
  var count: UInt64 = 0
  /// True if frames are counted by size at all.
  var isCounting = false

  /// Adds the packet that follows when the queue has sent `sent` packets. Returns its place.
  @discardableResult
  mutating func add(sent: UInt64) -> Int {
    let place = sent &- start &+ count
    places |= 1 &<< place
    count &+= 1
    return Int(truncatingIfNeeded: place)
  }

  /// Leaves out the packet that follows, which goes as that many frames that are counted by themselves.
  mutating func skip(sent: UInt64, frames: Int) {
    add(sent: sent)
    start &+= UInt64(truncatingIfNeeded: frames)
  }
}

/// Why packets of a part of a burst were dropped, by their place in it, for a watcher.
struct WatchedDrops {
  var isWanted = false
  var reasons = InlineArray<64, UInt8>(repeating: UInt8(VIONET_NOT_DROPPED))
}

@_optimize(speed)
private func transmitCounting(
  _ block: UnsafeMutableRawPointer, _ packets: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>,
  _ count: UInt16
) -> UInt16 {
  // Safety: the burst entry passes a transmit queue's block, and its caller an array of `count` packets.
  let queue = unsafe Cell<TransmitQueue>(raw: block)
  var done: UInt16 = 0
  var kinds = InlineArray<64, UInt8>(repeating: 0)
  repeat {
    let part = min(count &- done, 64)
    let list = unsafe PacketList(packets + Int(done))
    var sizes = FrameSizes()
    for place in 0..<Int(part) {
      let kind = queue.value.kind(list[unchecked: place])
      kinds[place & 63] = kind.byte
      sizes.add(kind)
    }
    queue.value.dropped = DroppedPlaces(start: queue.value.core.counters.packets, isCounting: true)
    let taken = unsafe queue.value.core.countedBurst(block, packets + Int(done), part)
    // A burst of no packets returns how many came back.
    if part == 0 { return taken }
    let dropped = queue.value.dropped.places
    if taken == part && dropped == 0 {
      queue.value.core.counters.sizes.add(sizes)
      done &+= part
      continue
    }
    for place in 0..<min(Int(taken), 64) where dropped >> UInt64(place) & 1 == 0 {
      queue.value.core.counters.sizes.add(FrameKind(byte: kinds[place & 63]))
    }
    done &+= taken
    if taken != part {
      if queue.value.core.fault == .none { queue.value.refuse(Int(count &- done)) }
      return done
    }
  } while done != count
  return done
}

extension TransmitQueue {
  /// Counts a frame that is not in the caller's list.
  mutating func count(frame: Packet) { if dropped.isCounting { core.counters.sizes.add(kind(frame)) } }

  /// Size class of an unvalidated pointer. Reads only inside the packet's own buffer.
  @inline(__always)
  fileprivate func kind(_ candidate: Packet?) -> FrameKind {
    guard let packet = candidate else { return FrameKind(byte: 0) }
    var pool = cache.view
    if !pool.contains(packet) {
      guard let other = PacketPools.containing(packet) else { return FrameKind(byte: 0) }
      pool = PoolView(other)
    }
    let first = packet.length
    let tag: UInt32 = packet.flags & VIONET_PACKET_VLAN.rawValue != 0 ? 4 : 0
    let length = (packet.segments == 1 ? first : packet.totalLength) &+ tag
    let isThere = pool.covers(packet, header: 0) || packet.isExternal && packet.hasExternalData
    return FrameKind(length: length, first: isThere ? first : 0, data: packet.dataAddress)
  }
}
