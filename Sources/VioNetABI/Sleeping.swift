// SPDX-License-Identifier: BSD-2-Clause
//
// vionet.h, chapter "Sleeping": until packets come.

import CLinux
import CVionet
import Linux
import VioNet

@implementation @c(vionet_rx_fd)
public func vionet_rx_fd(_ port: UInt16, _ queue: UInt16) -> Int32 {
  number { () throws(Failure) in try Ports.wakeDescriptor(port, queue) }
}

@implementation @c(vionet_rx_arm)
public func vionet_rx_arm(_ port: UInt16, _ queue: UInt16) -> Int32 {
  number { () throws(Failure) in try Ports.arm(port, queue) ? 1 : 0 }
}

@implementation @c(vionet_rx_wait)
public func vionet_rx_wait(_ port: UInt16, _ queue: UInt16, _ milliseconds: Int32) -> Int32 {
  number { () throws(Failure) in try Ports.wait(port, queue, milliseconds) ? 1 : 0 }
}
