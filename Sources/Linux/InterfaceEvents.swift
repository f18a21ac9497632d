// SPDX-License-Identifier: BSD-2-Clause
//
// A netlink socket that is readable when any interface comes, goes or changes, also in a namespace to which one was
// moved from here.

import CLinux

package enum InterfaceEvents {
  /// The socket, which the caller closes, or a negative errno.
  // Safety: each variable lives longer than the call that reads it.
  package static func open() -> Int32 {
    var links = sockaddr_nl()
    links.nl_family = UInt16(AF_NETLINK)
    links.nl_groups = UInt32(RTMGRP_LINK)
    let socket = File(owning: sys_link_socket())
    if !socket.isOpen { return socket.number }
    let result = unsafe sys_bind(socket.number, &links, UInt32(MemoryLayout<sockaddr_nl>.size))
    if result < 0 { return result }
    // An interface that is moved gives its new namespace a number here. Without CAP_NET_BROADCAST the kernel says no
    // more of it.
    var on: Int32 = 1
    unsafe _ = setsockopt(socket.number, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on, 4)
    return socket.take()
  }

  /// Takes what is there to be read; true if there was anything. Events lost for want of room (ENOBUFS) count too.
  // Safety: one byte is received into one byte.
  package static func drain(_ socket: Int32) -> Bool {
    var byte: UInt8 = 0
    var found = false
    for _ in 0..<256 {
      let result = unsafe sys_receive_now(socket, &byte, 1)
      if result < 0 && result != -Int(ENOBUFS) { return found }
      found = true
    }
    return found
  }
}
