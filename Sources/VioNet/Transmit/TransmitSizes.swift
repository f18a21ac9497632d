// SPDX-License-Identifier: BSD-2-Clause
//
// The transmit door of a queue whose frames are counted by size. They are looked at before the burst, after which they
// are no longer ours to look at, and counted after it, when it is known which went out.

import CLinux
import CVionet
import Linux

extension TransmitPath {
  /// The same path with its frames counted. Its burst is in `counted` of the queue.
  var countingSizes: TransmitPath { unsafe TransmitPath(name: name, burst: transmitCounting) }
}

/// Which packets of a part of a burst were dropped: bit n for the nth.
struct DroppedPlaces {
  /// Packets sent by the queue when the part began.
  var start: UInt64 = 0
  var places: UInt64 = 0
  var count: UInt64 = 0

  /// The next one after so many that were sent.
  mutating func add(sent: UInt64) {
    places |= 1 &<< (sent &- start &+ count)
    count &+= 1
  }
}

@_optimize(speed)
private func transmitCounting(
  _ block: UnsafeMutableRawPointer, _ packets: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>,
  _ count: UInt16
) -> UInt16 {
  let queue = unsafe Cell<TransmitQueue>(raw: block)
  var done: UInt16 = 0
  var kinds = InlineArray<64, UInt8>(repeating: 0)
  repeat {
    let part = min(count &- done, 64)
    let list = unsafe PacketList(packets + Int(done))
    var sizes = FrameSizes()
    for place in 0..<Int(part) {
      let kind = queue.value.kind(list[place])
      kinds[place & 63] = kind.byte
      sizes.add(kind)
    }
    queue.value.dropped = DroppedPlaces(start: queue.value.core.counters.packets)
    let taken = unsafe queue.value.core.counted(block, packets + Int(done), part)
    // A burst of none tells how many came back.
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
    if taken != part { return done }
  } while done != count
  return done
}

extension TransmitQueue {
  /// Of what may be no packet at all. Nothing is read through its fields that lies outside its own buffer.
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
    return FrameKind(length: length, first: pool.covers(packet, header: 0) ? first : 0, data: packet.dataAddress)
  }
}
