// SPDX-License-Identifier: BSD-2-Clause
//
// vionet.h, chapter "Settings": of a running port.
//
// Safety: pointers are the caller's. Their lengths and lifetimes are what vionet.h asks for, and NULL is refused first.

import CLinux
import CVionet
import Linux
import VioNet

@inline(never)
private func set(_ port: UInt16, _ setting: Setting) -> Int32 {
  result { () throws(Failure) in try Ports.set(port, setting) }
}

@implementation @c(vionet_promiscuous_set)
public func vionet_promiscuous_set(_ port: UInt16, _ on: Int32) -> Int32 { set(port, .modes(1, on != 0 ? 1 : 0)) }

@implementation @c(vionet_all_multicast_set)
public func vionet_all_multicast_set(_ port: UInt16, _ on: Int32) -> Int32 { set(port, .modes(2, on != 0 ? 2 : 0)) }

@implementation @c(vionet_rx_filter_set)
public func vionet_rx_filter_set(_ port: UInt16, _ flags: UInt32) -> Int32 {
  let known =
    VIONET_FILTER_ALL_UNICAST.rawValue | VIONET_FILTER_NO_MULTICAST.rawValue | VIONET_FILTER_NO_UNICAST.rawValue
    | VIONET_FILTER_NO_BROADCAST.rawValue
  if flags & ~known != 0 {
    return 0 - Failure(EINVAL, "flags: ").hex(UInt64(flags)).text(" has bits that are not defined").code
  }
  return set(port, .modes(UInt8(truncatingIfNeeded: known), UInt8(truncatingIfNeeded: flags)))
}

@implementation @c(vionet_mac_set)
public func vionet_mac_set(_ port: UInt16, _ mac: UnsafePointer<UInt8>?) -> Int32 {
  guard let mac = unsafe mac else { return 0 - Failure(EINVAL, "mac is NULL").code }
  return set(port, .address(unsafe MACAddress(copying: mac)))
}

@implementation @c(vionet_mac_list_set)
public func vionet_mac_list_set(_ port: UInt16, _ list: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  unsafe set(port, .addresses(list, count))
}

@implementation @c(vionet_vlan_filter_set)
public func vionet_vlan_filter_set(_ port: UInt16, _ id: UInt16, _ on: Int32) -> Int32 { set(port, .vlan(id, on != 0)) }

@implementation @c(vionet_queue_pairs_set)
public func vionet_queue_pairs_set(_ port: UInt16, _ pairs: UInt16) -> Int32 { set(port, .pairs(pairs)) }

@implementation @c(vionet_mtu_set)
public func vionet_mtu_set(_ port: UInt16, _ mtu: UInt16) -> Int32 { set(port, .mtu(mtu)) }

@implementation @c(vionet_toeplitz)
public func vionet_toeplitz(
  _ key: UnsafePointer<UInt8>?, _ keyLength: UInt32, _ data: UnsafeRawPointer?, _ length: UInt32
) -> UInt32 {
  guard let key = unsafe key, let data = unsafe data else { return 0 }
  return unsafe SoftwareHash.toeplitz(key, Int(keyLength), data, Int(length))
}

@implementation @c(vionet_rss_set)
public func vionet_rss_set(_ port: UInt16, _ rss: UnsafePointer<vionet_rss>?) -> Int32 {
  result { () throws(Failure) in
    guard let rss = unsafe rss else { throw Failure(EINVAL, "rss is NULL") }
    var request = unsafe vionet_rss()
    try unsafe Sized.read(rss, &request)
    try Ports.set(port, .hashing(unsafe HashRequest(request)))
  }
}

@implementation @c(vionet_rss_get)
public func vionet_rss_get(_ port: UInt16, _ rss: UnsafeMutablePointer<vionet_rss>?) -> Int32 {
  result { () throws(Failure) in
    var filled = unsafe vionet_rss()
    try unsafe Sized.read(try required(rss, "rss"), &filled)
    try Ports.with(port) { (port) throws(Failure) in try unsafe port.value.getHashing(&filled) }
    try unsafe Sized.write(rss, filled)
  }
}

@implementation @c(vionet_rx_offloads_set)
public func vionet_rx_offloads_set(_ port: UInt16, _ offloads: UInt32) -> Int32 { set(port, .offloads(offloads)) }

@implementation @c(vionet_rx_queue_restart)
public func vionet_rx_queue_restart(_ port: UInt16, _ queue: UInt16, _ descriptors: UInt16) -> Int32 {
  set(port, .restart(queue: queue, transmit: false, descriptors))
}

@implementation @c(vionet_tx_queue_restart)
public func vionet_tx_queue_restart(_ port: UInt16, _ queue: UInt16, _ descriptors: UInt16) -> Int32 {
  set(port, .restart(queue: queue, transmit: true, descriptors))
}

@implementation @c(vionet_rx_coalesce_set)
public func vionet_rx_coalesce_set(
  _ port: UInt16, _ queue: UInt16, _ packets: UInt32, _ microseconds: UInt32
) -> Int32 {
  set(port, .coalescing(queue: queue, transmit: false, UInt64(packets) | UInt64(microseconds) << 32))
}

@implementation @c(vionet_tx_coalesce_set)
public func vionet_tx_coalesce_set(
  _ port: UInt16, _ queue: UInt16, _ packets: UInt32, _ microseconds: UInt32
) -> Int32 {
  set(port, .coalescing(queue: queue, transmit: true, UInt64(packets) | UInt64(microseconds) << 32))
}
