// SPDX-License-Identifier: BSD-2-Clause
//
// vionet.h, chapter "Packets": and their pools.
//
// Safety: pointers are the caller's. Their lengths and lifetimes are what vionet.h asks for, and NULL is refused first.

import CLinux
import CVionet
import Linux
import VioNet

@implementation @c(vionet_pool_create)
public func vionet_pool_create(
  _ config: UnsafePointer<vionet_pool_config>?, _ pool: UnsafeMutablePointer<UInt16>?
) -> Int32 {
  result { () throws(Failure) in
    let pool = try unsafe required(pool, "pool")
    var wanted = unsafe vionet_pool_config()
    if let config = unsafe config { try unsafe Sized.read(config, &wanted) }
    var request = PacketPools.Request()
    unsafe request.packets = wanted.packets
    unsafe request.dataSize = wanted.data_size
    unsafe request.privateSize = wanted.private_size
    request.hugepages = unsafe wanted.flags & VIONET_POOL_NO_HUGEPAGES.rawValue == 0
    request.isRegion = unsafe wanted.flags & VIONET_POOL_REGION.rawValue != 0
    if unsafe wanted.flags & ~(VIONET_POOL_NO_HUGEPAGES.rawValue | VIONET_POOL_REGION.rawValue) != 0 {
      throw Failure(EINVAL, "flags: ").hex(unsafe UInt64(wanted.flags)).text(" has bits that are not defined")
    }
    if unsafe wanted.reserved | UInt64(wanted.reserved32) != 0 { throw Failure(EINVAL, "reserved must be zero") }
    if let memory = unsafe wanted.memory {
      unsafe pool.pointee = try PacketPools.create(
        request, in: memory, length: wanted.memory_length, file: wanted.memory_fd, offset: wanted.memory_offset)
    } else {
      unsafe pool.pointee = try PacketPools.create(request)
    }
  }
}

@implementation @c(vionet_pool_destroy)
public func vionet_pool_destroy(_ pool: UInt16) -> Int32 {
  result { () throws(Failure) in try PacketPools.destroy(pool) }
}

@implementation @c(vionet_pool_info)
public func vionet_pool_info(_ pool: UInt16, _ info: UnsafeMutablePointer<vionet_pool_info>?) -> Int32 {
  result { () throws(Failure) in
    var filled = vionet_pool_info()
    try PacketCalls.describe(pool, &filled)
    try unsafe Sized.write(info, filled)
  }
}

@implementation @c(vionet_pool_share)
public func vionet_pool_share(_ pool: UInt16, _ port: UInt16) -> Int32 {
  result { () throws(Failure) in
    try Ports.with(port) { (port) throws(Failure) in try port.value.share(pool) }
  }
}

@implementation @c(vionet_rx_pool_set)
public func vionet_rx_pool_set(_ port: UInt16, _ queue: UInt16, _ pool: UInt16) -> Int32 {
  result { () throws(Failure) in
    try Ports.with(port) { (port) throws(Failure) in try port.value.setReceivePool(queue, pool) }
  }
}

@implementation @c(vionet_packet_alloc)
public func vionet_packet_alloc(_ pool: UInt16) -> UnsafeMutablePointer<vionet_packet>? {
  var packet: UnsafeMutablePointer<vionet_packet>?
  return unsafe PacketCalls.allocate(pool, &packet, 1) ? packet : nil
}

@implementation @c(vionet_packet_alloc_bulk)
public func vionet_packet_alloc_bulk(
  _ pool: UInt16, _ packets: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>?, _ count: UInt16
) -> UInt16 {
  guard let packets = unsafe packets else { return 0 }
  return unsafe PacketCalls.allocate(pool, packets, count) ? count : 0
}

@implementation @c(vionet_packet_free)
public func vionet_packet_free(_ packet: UnsafeMutablePointer<vionet_packet>?) {
  if let packet = unsafe packet { unsafe PacketCalls.free(packet) }
}

@implementation @c(vionet_packet_free_bulk)
public func vionet_packet_free_bulk(
  _ packets: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>?, _ count: UInt16
) {
  if let packets = unsafe packets { unsafe PacketCalls.free(packets, count) }
}

@implementation @c(vionet_packet_segment)
public func vionet_packet_segment(
  _ packet: UnsafeMutablePointer<vionet_packet>?,
  _ segments: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>?, _ room: UInt16
) -> Int32 {
  number { () throws(Failure) in
    Int32(truncatingIfNeeded: try unsafe PacketSegments.cut(try required(packet, "packet"), segments, Int(room)))
  }
}

@implementation @c(vionet_packet_reference)
public func vionet_packet_reference(_ packet: UnsafeMutablePointer<vionet_packet>?) -> Int32 {
  result { () throws(Failure) in try unsafe PacketCalls.reference(try required(packet, "packet")) }
}

@implementation @c(vionet_packet_private)
public func vionet_packet_private(_ packet: UnsafePointer<vionet_packet>?) -> UnsafeMutableRawPointer? {
  unsafe PacketCalls.privateBytes(UInt(bitPattern: packet))
}

@implementation @c(vionet_packet_tunnel)
public func vionet_packet_tunnel(
  _ packet: UnsafePointer<vionet_packet>?, _ outerTransport: UnsafeMutablePointer<UInt16>?,
  _ innerNetwork: UnsafeMutablePointer<UInt16>?
) -> Int32 {
  result { () throws(Failure) in
    guard let packet = unsafe packet else { throw Failure(EINVAL, "packet is NULL") }
    unsafe try PacketTunnels.read(packet, outerTransport, innerNetwork)
  }
}

@implementation @c(vionet_packet_tunnel_set)
public func vionet_packet_tunnel_set(
  _ packet: UnsafeMutablePointer<vionet_packet>?, _ outerTransport: UInt16, _ innerNetwork: UInt16
) -> Int32 {
  result { () throws(Failure) in
    unsafe try PacketTunnels.set(
      required(packet, "packet"), outerTransport: outerTransport, innerNetwork: innerNetwork)
  }
}

@implementation @c(vionet_packet_view)
public func vionet_packet_view(
  _ packet: UnsafeMutablePointer<vionet_packet>?, _ offset: UInt32, _ length: UInt32
) -> UnsafeMutablePointer<vionet_packet>? {
  unsafe pointer { () throws(Failure) in unsafe try PacketViews.view(required(packet, "packet"), offset, length) }
}

@implementation @c(vionet_packet_attach)
public func vionet_packet_attach(
  _ pool: UInt16, _ data: UnsafeMutableRawPointer?, _ length: UInt32, _ done: vionet_attached_callback?,
  _ user: UnsafeMutableRawPointer?
) -> UnsafeMutablePointer<vionet_packet>? {
  unsafe pointer { () throws(Failure) in
    guard let data = unsafe data else { throw Failure(EINVAL, "data is NULL") }
    return unsafe try PacketViews.attach(pool, data, length, done, user)
  }
}

@implementation @c(vionet_packet_copy)
public func vionet_packet_copy(
  _ packet: UnsafeMutablePointer<vionet_packet>?, _ pool: UInt16
) -> UnsafeMutablePointer<vionet_packet>? {
  unsafe pointer { () throws(Failure) in unsafe try PacketViews.copy(required(packet, "packet"), to: pool) }
}

@implementation @c(vionet_packet_linearise)
public func vionet_packet_linearise(_ packet: UnsafeMutablePointer<vionet_packet>?) -> Int32 {
  result { () throws(Failure) in unsafe try PacketViews.linearise(try required(packet, "packet")) }
}

@implementation @c(vionet_packet_split)
public func vionet_packet_split(
  _ packet: UnsafeMutablePointer<vionet_packet>?, _ offset: UInt32
) -> UnsafeMutablePointer<vionet_packet>? {
  unsafe pointer { () throws(Failure) in unsafe try PacketViews.split(required(packet, "packet"), offset) }
}
