// SPDX-License-Identifier: BSD-2-Clause
//
// Packets made of other packets without copying, outside bursts: views that show a part of a packet, packets on memory that
// the program attached, and packets cut in two. Any thread may call; a packet that is passed in must be the caller's.

import CLinux
import CVionet
import Linux

extension Packet {
  /// True if the data lies in the packet's own buffer, or in memory of the pool that its origin names.
  func hasData(_ pool: Cell<PacketPool>) -> Bool {
    isExternal ? hasExternalData : PoolView(pool).covers(self, header: 0)
  }

  /// True if the data of an external packet lies in memory of the pool that its origin names.
  @inline(never)
  var hasExternalData: Bool {
    guard let pool = PacketPools.containing(self), let origin = pool.value.origin(self),
      let memory = PacketPools.existing(origin.pool)
    else { return false }
    return memory.value.hasMemory(at: dataAddress, length)
  }

  /// Descriptors that the packet takes in a ring: one for each segment, and one more for the header if there is no room for
  /// it before the data.
  var descriptors: UInt16 { segments &+ (isExternal ? 1 : 0) }

  /// True if the data is another packet's, so that it must not change.
  func isView(_ pool: Cell<PacketPool>) -> Bool { pool.value.origin(self)?.original ?? 0 != 0 }

  /// Puts a segment behind this one, which is the last of the packet that begins with `head`.
  fileprivate func link(_ next: Packet, to head: Packet) {
    self.next = next
    head.segments &+= 1
    head.totalLength &+= next.length
  }
}

package enum PacketViews {
  package typealias Pointer = UnsafeMutablePointer<vionet_packet>

  // MARK: Checked segments

  /// The pool of a segment that the caller holds, and whose data is where it may be.
  static func pool(_ segment: Packet) throws(Failure) -> Cell<PacketPool> {
    let pool = try PacketPools.held(segment)
    if !segment.hasData(pool) { throw Failure(EINVAL, "data, length or headroom of the packet lie outside its buffer") }
    return pool
  }

  /// Compares every segment of a packet before anything is done with it; throws unless the lengths add up.
  static func check(_ head: Packet) throws(Failure) {
    var segment: Packet? = head
    var total: UInt64 = 0
    var count = 0
    while let packet = segment {
      if count == Int(VIONET_MAX_SEGMENTS) { throw Failure(EINVAL, "the packet has more than 64 segments") }
      _ = try pool(packet)
      total += UInt64(packet.length)
      count += 1
      segment = packet.next
    }
    if count != Int(head.segments) || total != UInt64(head.totalLength) {
      throw Failure(EINVAL, "the packet says ").number(head.segments).text(" segments and ").number(head.totalLength)
        .text(" bytes, and has ").number(count).text(" and ").number(total)
    }
  }

  // Safety: the list is one place long.
  static func take(_ pool: Cell<PacketPool>) throws(Failure) -> Packet {
    var pointer: Pointer?
    guard unsafe pool.value.allocate(1, to: PacketList(&pointer)), let pointer = unsafe pointer else {
      throw Failure(ENOBUFS, "pool ").number(pool.value.number).text(" has no free packet")
    }
    return unsafe Packet(pointer)
  }

  // MARK: Views

  /// A packet that shows `length` bytes of another from `offset` on. It has a segment for each one that it shows a part of.
  // Safety: the pointer is compared with the pools' packets before it is followed.
  package static func view(_ packet: Pointer, _ offset: UInt32, _ length: UInt32) throws(Failure) -> Pointer {
    let head = unsafe Packet(packet)
    try check(head)
    return unsafe try view(head, offset, length).pointer
  }

  /// Shows a part of a checked packet.
  // Safety: both packets were compared or come from their pool.
  static func view(_ packet: Packet, _ offset: UInt32, _ length: UInt32) throws(Failure) -> Packet {
    if length == 0 || UInt64(offset) + UInt64(length) > UInt64(packet.totalLength) {
      throw Failure(EINVAL, "offset ").number(offset).text(" and length ").number(length)
        .text(" lie outside the packet's ").number(packet.totalLength).text(" bytes, or length is 0")
    }
    var cursor = DataCursor(packet)
    cursor.skip(Int(offset))
    var left = Int(length)
    var head: Packet?
    var last: Packet?
    do throws(Failure) {
      while left > 0, let shown = cursor.next(left) {
        let piece = try show(shown.segment, shown.offset, UInt32(shown.count))
        if let head { last?.link(piece, to: head) } else { head = piece }
        last = piece
        left -= shown.count
      }
    } catch {
      if let head { PacketCalls.free(head, assuming: nil) }
      throw error
    }
    guard let head else { throw Failure(EINVAL, "the packet is empty") }
    unsafe head.pointer.pointee.port = packet.pointer.pointee.port
    return head
  }

  /// A packet of one segment that shows a part of a checked segment, from the same pool.
  private static func show(_ shown: Packet, _ offset: UInt32, _ count: UInt32) throws(Failure) -> Packet {
    let pool = try pool(shown)
    let origin = PacketOrigin(viewing: shown, pool)
    let view = try take(pool)
    if !Packet.known(origin.original).reference() {
      PacketCalls.release(view, of: pool)
      throw Failure(EOVERFLOW, "a packet takes at most 65535 references")
    }
    pool.value.setOrigin(view, origin)
    view.show(shown.dataAddress &+ UInt(offset), count)
    return view
  }

  /// A packet of `pool` on the program's own memory.
  // Safety: the memory is only handed to devices; by the contract of the public call it stays there until `done`.
  package static func attach(
    _ number: UInt16, _ data: UnsafeMutableRawPointer, _ length: UInt32, _ done: PacketOrigin.Done?,
    _ user: UnsafeMutableRawPointer?
  ) throws(Failure) -> Pointer {
    let pool = try PacketPools.find(number)
    if length == 0 { throw Failure(EINVAL, "length must not be 0") }
    let address = UInt(bitPattern: data)
    guard let memory = PacketPools.holding(address, length) else {
      throw Failure(EFAULT, "the memory lies in no pool: give it to vionet_pool_create with VIONET_POOL_REGION first")
    }
    let packet = try take(pool)
    if !memory.value.attach() {
      PacketCalls.release(packet, of: pool)
      throw Failure(EFAULT, "the pool of the memory was destroyed meanwhile")
    }
    unsafe pool.value.setOrigin(packet, PacketOrigin(pool: memory.value.number, data, done, user))
    packet.show(address, length)
    return unsafe packet.pointer
  }

  // MARK: Cutting

  /// Cuts a packet before byte `offset`: the packet keeps what comes before, and the packet returned has the rest, which
  /// shows the same bytes.
  // Safety: as copy().
  package static func split(_ packet: Pointer, _ offset: UInt32) throws(Failure) -> Pointer {
    let head = unsafe Packet(packet)
    try check(head)
    if offset == 0 || offset >= head.totalLength {
      throw Failure(EINVAL, "offset ").number(offset).text(" leaves one part of the packet's ").number(head.totalLength)
        .text(" bytes empty")
    }
    var segment = head
    var before: UInt32 = 0
    var kept: UInt16 = 1
    while before + segment.length < offset, let next = segment.next {
      before += segment.length
      segment = next
      kept += 1
    }
    var tail = segment.next
    let left = before + segment.length - offset
    if left > 0 {
      let piece = try show(segment, offset - before, left)
      piece.next = tail
      segment.length -= left
      tail = piece
    }
    guard let tail else { throw Failure(EINVAL, "the packet ends early") }
    tail.segments = head.segments - kept + (left > 0 ? 1 : 0)
    tail.totalLength = head.totalLength - offset
    tail.flags = 0
    segment.next = nil
    head.segments = kept
    head.totalLength = offset
    unsafe tail.pointer.pointee.port = head.pointer.pointee.port
    return unsafe tail.pointer
  }
}
