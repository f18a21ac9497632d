// SPDX-License-Identifier: BSD-2-Clause
//
// vionet.h, chapter "Sleeping": until packets come, or there is room.
//
// Safety: the list is the caller's, as long as vionet.h asks for, and NULL is refused first.

import CLinux
import CVionet
import Linux
import VioNet

@implementation @c(vionet_rx_fd)
public func vionet_rx_fd(_ port: UInt16, _ queue: UInt16) -> Int32 {
  number { () throws(Failure) in try Ports.descriptor(of: .receive(port, queue)) }
}

@implementation @c(vionet_rx_arm)
public func vionet_rx_arm(_ port: UInt16, _ queue: UInt16) -> Int32 {
  number { () throws(Failure) in try Ports.arm(.receive(port, queue)) ? 1 : 0 }
}

@implementation @c(vionet_rx_wait)
public func vionet_rx_wait(_ port: UInt16, _ queue: UInt16, _ milliseconds: Int32) -> Int32 {
  number { () throws(Failure) in try Ports.wait(.receive(port, queue), milliseconds) ? 1 : 0 }
}

@implementation @c(vionet_tx_fd)
public func vionet_tx_fd(_ port: UInt16, _ queue: UInt16) -> Int32 {
  number { () throws(Failure) in try Ports.descriptor(of: .transmit(port, queue)) }
}

@implementation @c(vionet_tx_arm)
public func vionet_tx_arm(_ port: UInt16, _ queue: UInt16) -> Int32 {
  number { () throws(Failure) in try Ports.arm(.transmit(port, queue)) ? 1 : 0 }
}

@implementation @c(vionet_tx_wait)
public func vionet_tx_wait(_ port: UInt16, _ queue: UInt16, _ milliseconds: Int32) -> Int32 {
  number { () throws(Failure) in try Ports.wait(.transmit(port, queue), milliseconds) ? 1 : 0 }
}

@implementation @c(vionet_wait)
public func vionet_wait(
  _ queues: UnsafeMutablePointer<vionet_wait_queue>?, _ count: Int, _ milliseconds: Int32
) -> Int32 {
  number { () throws(Failure) in try unsafe Ports.wait(queues, count, milliseconds) }
}
