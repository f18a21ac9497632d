// SPDX-License-Identifier: BSD-2-Clause
//
// vionet.h, chapter "Statistics".
//
// Safety: pointers are the caller's. Their lengths and lifetimes are what vionet.h asks for, and NULL is refused first.

import CLinux
import CVionet
import Linux
import VioNet

@implementation @c(vionet_stats)
public func vionet_stats(_ port: UInt16, _ stats: UnsafeMutablePointer<vionet_stats>?) -> Int32 {
  result { () throws(Failure) in
    var filled = vionet_stats()
    try Ports.look(port) { (port) throws(Failure) in
      filled.rx = port.value.countersOf(nil, receive: true)
      filled.tx = port.value.countersOf(nil, receive: false)
    }
    try unsafe Sized.write(stats, filled)
  }
}

@implementation @c(vionet_rx_queue_stats)
public func vionet_rx_queue_stats(
  _ port: UInt16, _ queue: UInt16, _ stats: UnsafeMutablePointer<vionet_queue_stats>?
) -> Int32 {
  result { () throws(Failure) in try unsafe queueStatistics(port, queue, stats, receive: true) }
}

@implementation @c(vionet_tx_queue_stats)
public func vionet_tx_queue_stats(
  _ port: UInt16, _ queue: UInt16, _ stats: UnsafeMutablePointer<vionet_queue_stats>?
) -> Int32 {
  result { () throws(Failure) in try unsafe queueStatistics(port, queue, stats, receive: false) }
}

@implementation @c(vionet_xstats)
public func vionet_xstats(_ port: UInt16, _ values: UnsafeMutablePointer<UInt64>?, _ count: UInt32) -> Int32 {
  number { () throws(Failure) in
    try Ports.with(port) { (port) throws(Failure) in try unsafe port.value.extended(values, Int(count)) }
  }
}

@implementation @c(vionet_xstat_name)
public func vionet_xstat_name(
  _ port: UInt16, _ id: UInt32, _ name: UnsafeMutablePointer<CChar>?, _ room: Int
) -> Int32 {
  result { () throws(Failure) in
    try Ports.with(port) { (port) throws(Failure) in try unsafe port.value.extendedName(id, name, room) }
  }
}

@implementation @c(vionet_xstat_id)
public func vionet_xstat_id(_ port: UInt16, _ name: UnsafePointer<CChar>?) -> Int32 {
  number { () throws(Failure) in
    try Ports.with(port) { (port) throws(Failure) in try unsafe port.value.extendedNumber(name) }
  }
}

@implementation @c(vionet_stats_reset)
public func vionet_stats_reset(_ port: UInt16) -> Int32 {
  result { () throws(Failure) in
    try Ports.with(port) { (port) throws(Failure) in port.value.resetCounters() }
  }
}

@implementation @c(vionet_drop_name)
public func vionet_drop_name(_ reason: UInt32) -> UnsafePointer<CChar>? {
  unsafe DropReason.name(vionet_drop(rawValue: reason)).map { unsafe characters($0) }
}

private func queueStatistics(
  _ port: UInt16, _ queue: UInt16, _ stats: UnsafeMutablePointer<vionet_queue_stats>?, receive: Bool
) throws(Failure) {
  var filled = vionet_queue_stats()
  try Ports.look(port) { (port) throws(Failure) in
    try port.value.checkQueueNumber(queue)
    filled = port.value.countersOf(queue, receive: receive)
  }
  try unsafe Sized.write(stats, filled)
}

@implementation @c(vionet_watch_set)
public func vionet_watch_set(
  _ port: UInt16, _ callback: vionet_watch_callback?, _ user: UnsafeMutableRawPointer?
) -> Int32 {
  result { () throws(Failure) in try unsafe Ports.setWatcher(port, callback, user) }
}
