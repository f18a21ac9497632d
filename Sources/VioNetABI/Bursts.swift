// SPDX-License-Identifier: BSD-2-Clause
//
// vionet.h, chapter "Bursts".
//
// Safety: pointers are the caller's. Their lengths and lifetimes are what vionet.h asks for, and NULL is refused first.

import CLinux
import CVionet
import Linux
import VioNet

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

@implementation @c(vionet_tx_prepare)
public func vionet_tx_prepare(
  _ port: UInt16, _ queue: UInt16, _ packets: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>?,
  _ count: UInt16
) -> UInt16 {
  var done: UInt16 = 0
  _ = result { () throws(Failure) in
    if unsafe count == 0 && packets == nil { return }
    try unsafe Ports.prepare(port, queue, try required(packets, "packets"), count, &done)
  }
  return done
}

@implementation @c(vionet_tx_done)
public func vionet_tx_done(_ port: UInt16, _ queue: UInt16) -> UInt16 {
  // A burst of nothing, which takes back what was sent.
  var none: UnsafeMutablePointer<vionet_packet>?
  return unsafe Ports.transmit(port, queue, &none, 0)
}
