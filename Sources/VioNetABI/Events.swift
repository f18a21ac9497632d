// SPDX-License-Identifier: BSD-2-Clause
//
// vionet.h, chapter "Events".
//
// Safety: pointers are the caller's. Their lengths and lifetimes are what vionet.h asks for, and NULL is refused first.

import CLinux
import CVionet
import Linux
import VioNet

@implementation @c(vionet_event_add)
public func vionet_event_add(_ callback: vionet_event_callback?, _ user: UnsafeMutableRawPointer?) -> Int32 {
  result { () throws(Failure) in try unsafe EventCallbacks.add(callback, user) }
}

@implementation @c(vionet_event_remove)
public func vionet_event_remove(_ callback: vionet_event_callback?, _ user: UnsafeMutableRawPointer?) -> Int32 {
  result { () throws(Failure) in try unsafe EventCallbacks.remove(callback, user) }
}

@implementation @c(vionet_event_fd)
public func vionet_event_fd(_ port: UInt16) -> Int32 {
  number { () throws(Failure) in try Ports.eventDescriptor(port) }
}

@implementation @c(vionet_event_handle)
public func vionet_event_handle(_ port: UInt16) -> Int32 {
  number { () throws(Failure) in try Ports.handleEvents(port) }
}

@implementation @c(vionet_announce)
public func vionet_announce(
  _ port: UInt16, _ queue: UInt16, _ addresses: UnsafePointer<UInt8>?, _ count: Int
) -> Int32 {
  result { () throws(Failure) in try unsafe Ports.announce(port, queue, addresses, count) }
}
