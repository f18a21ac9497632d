// SPDX-License-Identifier: BSD-2-Clause
//
// What the frames of a cut are made of: packets just taken from a pool, and views of the segments that are being cut.

import CLinux
import CVionet
import Linux

/// Packets just taken from a pool, to be used one after another.
struct FreshPackets {
  let pool: Cell<PacketPool>
  private let view: PoolView
  private let common: CommonFields
  private let table: PacketTable
  private var count: Int

  /// Takes `count` packets or none.
  init?(_ pool: Cell<PacketPool>, _ count: Int, _ table: PacketTable) {
    let taken = pool.value.take(count, to: table, at: 0)
    if taken < count {
      pool.value.give(taken, from: table, at: 0)
      return nil
    }
    self.pool = pool
    view = PoolView(pool)
    common = view.common(port: 0)
    self.table = table
    self.count = count
  }

  /// The next one, the caller's and without data. There is one: they were counted.
  @inline(__always)
  mutating func next() -> Packet {
    count &-= 1
    let packet = table[uncheckedPresent: count]
    view.makeEmpty(packet, common)
    return packet
  }
}

/// Where the data of checked segments lies, the last one kept, since segments come one after another.
struct ViewSources {
  private var segment: UInt = 0
  private var origin: PacketOrigin?

  /// Where the data of a view of a segment lies.
  @inline(__always)
  mutating func origin(_ shown: Packet) -> PacketOrigin? {
    if shown.address != segment {
      segment = shown.address
      origin = PacketPools.containing(shown).map { PacketOrigin(viewing: shown, $0) }
    }
    return origin
  }

  /// True if a segment can have that many references more.
  mutating func hasReferences(_ shown: Packet, _ more: Int) -> Bool {
    guard let origin = origin(shown) else { return false }
    return Int(Packet.known(origin.original).references) &+ more < Int(UInt16.max)
  }
}

/// How far a packet is cut: where the next frame's payload begins, and what the frame can be made of.
struct CutPlace {
  var cursor: DataCursor
  var fresh: FreshPackets
  private var sources = ViewSources()

  init(_ cursor: DataCursor, _ fresh: FreshPackets) {
    self.cursor = cursor
    self.fresh = fresh
  }

  /// Makes a fresh packet show a part of a checked segment, of which it gets a reference: there is one (hasReferences).
  @inline(__always)
  mutating func show(_ shown: Packet, _ offset: UInt32, _ count: Int, _ view: Packet) {
    guard let origin = sources.origin(shown) else { return }
    _ = Packet.known(origin.original).reference()
    fresh.pool.value.setOrigin(view, origin)
    view.show(shown.dataAddress &+ UInt(offset), UInt32(truncatingIfNeeded: count))
  }
}
