// SPDX-License-Identifier: BSD-2-Clause
//
// vionet.h, chapter "Buffering": many threads, one transmit queue.
//
// Safety: pointers are the caller's. Their lengths and lifetimes are what vionet.h asks for, and NULL is refused first. A
// handle is the address of a TransmitBuffer that create() made.

import CLinux
import CVionet
import Linux
import VioNet

@implementation @c(vionet_tx_buffer_create)
public func vionet_tx_buffer_create(
  _ config: UnsafePointer<vionet_tx_buffer_config>?, _ buffer: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  result { () throws(Failure) in
    let buffer = try unsafe required(buffer, "buffer")
    guard let config = unsafe config else { throw Failure(EINVAL, "config is NULL") }
    var wanted = vionet_tx_buffer_config()
    try unsafe Sized.read(config, &wanted)
    if wanted.reserved.0 | wanted.reserved.1 != 0 { throw Failure(EINVAL, "reserved must be zero") }
    var request = TransmitBuffer.Request()
    request.port = wanted.port
    request.queue = wanted.queue
    request.room = wanted.room
    request.burst = wanted.burst
    request.deadline = wanted.deadline
    let made = try TransmitBuffer.make(request)
    unsafe buffer.pointee = OpaquePointer(made.raw)
  }
}

@implementation @c(vionet_tx_buffer_put)
public func vionet_tx_buffer_put(
  _ buffer: OpaquePointer?, _ packets: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>?, _ count: UInt16
) -> UInt16 {
  guard let buffer = unsafe handle(buffer) else { return 0 }
  guard let packets = unsafe packets, count != 0 else {
    if count == 0 { buffer.value.look() }
    return 0
  }
  return unsafe buffer.value.put(packets, count)
}

@implementation @c(vionet_tx_buffer_flush)
public func vionet_tx_buffer_flush(_ buffer: OpaquePointer?) -> UInt32 {
  unsafe handle(buffer)?.value.flush() ?? 0
}

@implementation @c(vionet_tx_buffer_due)
public func vionet_tx_buffer_due(_ buffer: OpaquePointer?) -> Int32 { unsafe handle(buffer)?.value.due ?? -1 }

@implementation @c(vionet_tx_buffer_stats)
public func vionet_tx_buffer_stats(
  _ buffer: OpaquePointer?, _ stats: UnsafeMutablePointer<vionet_tx_buffer_stats>?
) -> Int32 {
  result { () throws(Failure) in
    guard let buffer = unsafe handle(buffer) else { throw Failure(EINVAL, "buffer is NULL") }
    var filled = vionet_tx_buffer_stats()
    buffer.value.describe(&filled)
    try unsafe Sized.write(stats, filled)
  }
}

@implementation @c(vionet_tx_buffer_destroy)
public func vionet_tx_buffer_destroy(_ buffer: OpaquePointer?) -> UInt32 {
  guard let buffer = unsafe handle(buffer) else { return 0 }
  let freed = buffer.value.destroy()
  buffer.destroy()
  return freed
}

private func handle(_ buffer: OpaquePointer?) -> Cell<TransmitBuffer>? {
  guard let buffer = unsafe buffer else { return nil }
  return unsafe Cell(raw: UnsafeMutableRawPointer(buffer))
}
