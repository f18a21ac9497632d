// SPDX-License-Identifier: BSD-2-Clause
//
// The C door: versions, errors, log, events, what a port tells of itself. Contracts are in vionet.h.

import CLinux
import CVionet
import Linux
import VioNet

private func chars(_ text: StaticString) -> UnsafePointer<CChar> {
  unsafe UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

@implementation @c(vionet_version)
public func vionet_version() -> UnsafePointer<CChar> { unsafe chars("0.1.0") }

@implementation @c(vionet_version_number)
public func vionet_version_number() -> UInt32 {
  UInt32(VIONET_VERSION_MAJOR << 16 | VIONET_VERSION_MINOR << 8 | VIONET_VERSION_PATCH)
}

@implementation @c(vionet_error)
public func vionet_error() -> UnsafePointer<CChar> { unsafe sentence_get(Int32(SENTENCE_ERROR)) }

@implementation @c(vionet_log_set)
public func vionet_log_set(_ level: Int32, _ callback: vionet_log_callback?, _ user: UnsafeMutableRawPointer?) {
  unsafe log_set(level, callback, user)
}

@implementation @c(vionet_info)
public func vionet_info(_ port: UInt16, _ info: UnsafeMutablePointer<vionet_info>?) -> Int32 {
  result { () throws(Failure) in
    var filled = vionet_info()
    try Ports.describe(port, &filled)
    try unsafe Sized.write(info, filled)
  }
}

@implementation @c(vionet_feature_name)
public func vionet_feature_name(_ bit: UInt32) -> UnsafePointer<CChar>? {
  guard let name = Features.name(bit) else { return nil }
  return unsafe chars(name)
}

@implementation @c(vionet_devices)
public func vionet_devices(_ list: UnsafeMutablePointer<vionet_device>?, _ count: Int) -> Int32 {
  number { () throws(Failure) in
    let step = try unsafe count == 0 ? 0 : Sized.step(list)
    let devices = try PCIDevices()
    defer { devices.destroy() }
    let vdpa = VDPADevices()
    let all = devices.count + vdpa.count
    for index in 0..<Int(clamping: min(UInt(all), UInt(bitPattern: count))) {
      var filled = vionet_device()
      if index < devices.count {
        devices.describe(index, &filled)
      } else {
        vdpa.describe(index - devices.count, &filled)
      }
      try unsafe Sized.write(list, step, index, filled)
    }
    return Int32(clamping: all)
  }
}

@implementation @c(vionet_event_add)
public func vionet_event_add(_ callback: vionet_event_callback?, _ user: UnsafeMutableRawPointer?) -> Int32 {
  result { () throws(Failure) in try unsafe EventCallbacks.add(callback, user) }
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

@implementation @c(vionet_event_remove)
public func vionet_event_remove(_ callback: vionet_event_callback?, _ user: UnsafeMutableRawPointer?) -> Int32 {
  result { () throws(Failure) in try unsafe EventCallbacks.remove(callback, user) }
}

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

@implementation @c(vionet_stats_reset)
public func vionet_stats_reset(_ port: UInt16) -> Int32 {
  result { () throws(Failure) in
    try Ports.with(port) { (port) throws(Failure) in port.value.resetCounters() }
  }
}

@implementation @c(vionet_drop_name)
public func vionet_drop_name(_ reason: UInt32) -> UnsafePointer<CChar>? {
  switch vionet_drop(rawValue: reason) {
  case VIONET_DROP_SHORT: unsafe chars("short")
  case VIONET_DROP_LONG: unsafe chars("long")
  case VIONET_DROP_SEGMENTS: unsafe chars("segments")
  case VIONET_DROP_FOREIGN: unsafe chars("foreign")
  case VIONET_DROP_EMPTY: unsafe chars("empty")
  case VIONET_DROP_OFFLOAD: unsafe chars("offload")
  case VIONET_DROP_STOPPED: unsafe chars("stopped")
  default: nil
  }
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
