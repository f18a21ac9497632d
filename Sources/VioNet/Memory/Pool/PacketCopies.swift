// SPDX-License-Identifier: BSD-2-Clause
//
// Packets copied: into packets of any pool, or into one buffer of their own. Any thread may call; a packet that is passed in
// must be the caller's.

import CLinux
import CVionet
import Linux

extension PacketViews {
  /// A packet of `pool` with the same bytes and the same requests, in as few buffers as hold them.
  // Safety: the pointer is compared with the pools' packets before it is followed.
  package static func copy(_ packet: Pointer, to number: UInt16) throws(Failure) -> Pointer {
    let source = unsafe Packet(packet)
    try check(source)
    let pool = try PacketPools.find(number)
    let room = pool.value.dataSize
    if source.totalLength > UInt32(VIONET_MAX_SEGMENTS) * room {
      throw Failure(EMSGSIZE, "the packet's ").number(source.totalLength).text(" bytes take more than 64 buffers of ")
        .number(room)
    }
    let head = try take(pool)
    var last = head
    do throws(Failure) {
      var done: UInt32 = 0
      while true {
        let count = min(source.totalLength - done, room)
        source.copyBytes(from: done, count, to: last.dataAddress)
        last.length = count
        done += count
        if done == source.totalLength { break }
        let next = try take(pool)
        last.next = next
        head.segments &+= 1
        last = next
      }
    } catch {
      PacketCalls.free(head, assuming: pool)
      throw error
    }
    head.totalLength = source.totalLength
    head.takeRequests(of: source)
    if source.flags & Offloads.tunnels != 0, let from = PacketPools.containing(source) {
      pool.value.setTunnel(head, from.value.tunnel(source))
    }
    return unsafe head.pointer
  }

  /// Makes a packet one segment with data of its own, without changing its address.
  // Safety: as copy(). The bytes are copied before a segment is freed, first those that move inside the buffer.
  package static func linearise(_ packet: Pointer) throws(Failure) {
    let head = unsafe Packet(packet)
    try check(head)
    let pool = try pool(head)
    if head.next == nil && !head.isExternal { return }
    if !head.isSole { throw Failure(EBUSY, "the packet has other references, so it cannot change") }
    let view = PoolView(pool)
    let total = head.totalLength
    if total > pool.value.dataSize {
      throw Failure(EMSGSIZE, "the packet's ").number(total).text(" bytes do not fit into one buffer of ")
        .number(pool.value.dataSize)
    }
    let rest = head.next
    let origin = pool.value.origin(head)
    // Data that begins late in the buffer moves to where the whole packet fits.
    let isMoved = origin != nil || UInt32(head.headroom) + total > pool.value.dataSize + UInt32(VIONET_HEADROOM)
    let start = isMoved ? view.buffer(head) &+ UInt(VIONET_HEADROOM) : head.dataAddress
    Packet.moveBytes(head.dataAddress, to: start, head.length)
    if let rest { rest.copyBytes(from: 0, total &- head.length, to: start &+ UInt(head.length)) }
    head.adopt(start, total, isMoved ? UInt16(VIONET_HEADROOM) : head.headroom, pool.value)
    origin?.end()
    if let rest { PacketCalls.free(rest, assuming: pool) }
  }
}

// Safety: every segment was compared (PacketViews.check), and the target has room for what is copied.
extension Packet {
  /// Copies `count` bytes of a checked packet, from byte `offset` on.
  fileprivate func copyBytes(from offset: UInt32, _ count: UInt32, to target: UInt) {
    var cursor = DataCursor(self)
    cursor.skip(Int(offset))
    var left = Int(count)
    var to = target
    while left > 0, let piece = cursor.next(left) {
      Packet.moveBytes(piece.segment.dataAddress &+ UInt(piece.offset), to: to, UInt32(piece.count))
      to &+= UInt(piece.count)
      left -= piece.count
    }
  }

  /// Copies bytes between two addresses, which may overlap.
  fileprivate static func moveBytes(_ from: UInt, to target: UInt, _ count: UInt32) {
    guard let from = unsafe UnsafeRawPointer(bitPattern: from),
      let target = unsafe UnsafeMutableRawPointer(bitPattern: target)
    else { return }
    unsafe memmove(target, from, Int(count))
  }

  /// Becomes one segment of `count` bytes at `data`, in its own buffer.
  fileprivate func adopt(_ data: UInt, _ count: UInt32, _ headroom: UInt16, _ pool: borrowing PacketPool) {
    unsafe pointer.pointee.data = UnsafeMutableRawPointer(bitPattern: data).unsafelyUnwrapped
    unsafe pointer.pointee.headroom = headroom
    unsafe pointer.pointee.size = pool.dataSize + UInt32(VIONET_HEADROOM)
    length = count
    totalLength = count
    segments = 1
    next = nil
    owner = Owner.caller
  }

  /// Takes from another packet's head what is not its data: flags, hash, offloads, tag and port.
  fileprivate func takeRequests(of other: Packet) {
    flags = other.flags
    offloads = other.offloads
    unsafe pointer.pointee.hash = other.pointer.pointee.hash
    unsafe pointer.pointee.vlan = other.pointer.pointee.vlan
    unsafe pointer.pointee.port = other.pointer.pointee.port
  }
}
