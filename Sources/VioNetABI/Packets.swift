// SPDX-License-Identifier: BSD-2-Clause
//
// The C door: pools, packets, bursts. Contracts are in vionet.h.

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
    request.hugepages = unsafe wanted.flags & VIONET_POOL_NO_HUGEPAGES.rawValue == 0
    if unsafe wanted.flags & ~VIONET_POOL_NO_HUGEPAGES.rawValue != 0 {
      throw Failure(EINVAL, "flags: ").hex(unsafe UInt64(wanted.flags)).text(" has bits that mean nothing")
    }
    if unsafe wanted.reserved.0 | wanted.reserved.1 != 0 { throw Failure(EINVAL, "reserved must be zero") }
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

@implementation @c(vionet_packet_reference)
public func vionet_packet_reference(_ packet: UnsafeMutablePointer<vionet_packet>?) -> Int32 {
  result { () throws(Failure) in try unsafe PacketCalls.reference(try required(packet, "packet")) }
}

@implementation @c(vionet_rx_burst)
public func vionet_rx_burst(
  _ port: UInt16, _ queue: UInt16, _ packets: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>?,
  _ count: UInt16
) -> UInt16 {
  guard let packets = unsafe packets else { return 0 }
  return unsafe Ports.receive(port, queue, packets, count)
}

@implementation @c(vionet_tx_burst)
public func vionet_tx_burst(
  _ port: UInt16, _ queue: UInt16, _ packets: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>?,
  _ count: UInt16
) -> UInt16 {
  guard let packets = unsafe packets, count != 0 else {
    if count == 0 { _ = vionet_tx_done(port, queue) }
    return 0
  }
  return unsafe Ports.transmit(port, queue, packets, count)
}

@implementation @c(vionet_tx_done)
public func vionet_tx_done(_ port: UInt16, _ queue: UInt16) -> UInt16 {
  // A burst of nothing, which takes back what was sent.
  var none: UnsafeMutablePointer<vionet_packet>?
  return unsafe Ports.transmit(port, queue, &none, 0)
}

@implementation @c(vionet_tx_prepare)
public func vionet_tx_prepare(
  _ port: UInt16, _ queue: UInt16, _ packets: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>?,
  _ count: UInt16
) -> UInt16 {
  guard let packets = unsafe packets else { return 0 }
  var done: UInt16 = 0
  _ = result { () throws(Failure) in try unsafe Ports.prepare(port, queue, packets, count, &done) }
  return done
}

@implementation @c(vionet_rx_fd)
public func vionet_rx_fd(_ port: UInt16, _ queue: UInt16) -> Int32 {
  number { () throws(Failure) in try Ports.wakeDescriptor(port, queue) }
}

@implementation @c(vionet_rx_wait)
public func vionet_rx_wait(_ port: UInt16, _ queue: UInt16, _ milliseconds: Int32) -> Int32 {
  number { () throws(Failure) in try Ports.wait(port, queue, milliseconds) ? 1 : 0 }
}

@implementation @c(vionet_rx_arm)
public func vionet_rx_arm(_ port: UInt16, _ queue: UInt16) -> Int32 {
  number { () throws(Failure) in try Ports.arm(port, queue) ? 1 : 0 }
}
