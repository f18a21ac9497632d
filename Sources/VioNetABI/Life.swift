// SPDX-License-Identifier: BSD-2-Clause
//
// vionet.h, chapter "Life": of a port.
//
// Safety: pointers are the caller's. Their lengths and lifetimes are what vionet.h asks for, and NULL is refused first.

import CLinux
import CVionet
import Linux
import VioNet

@implementation @c(vionet_probe)
public func vionet_probe(_ device: UnsafePointer<CChar>?, _ port: UnsafeMutablePointer<UInt16>?) -> Int32 {
  number { () throws(Failure) in
    let port = try unsafe required(port, "port")
    var budget = Budget.opening
    let made = try probe(try unsafe DeviceAddress(device), &budget)
    unsafe port.pointee = made ?? UInt16(VIONET_PORT_NONE)
    return made == nil ? VIONET_SKIPPED : 0
  }
}

@implementation @c(vionet_init)
public func vionet_init(_ port: UInt16, _ config: UnsafePointer<vionet_config>?) -> Int32 {
  result { () throws(Failure) in
    let wanted = try unsafe read(config)
    var budget = Budget.opening
    try Ports.with(port, &budget) { (port) throws(Failure) in try port.value.initialise(wanted) }
  }
}

@implementation @c(vionet_start)
public func vionet_start(_ port: UInt16) -> Int32 {
  result { () throws(Failure) in
    var budget = Budget.opening
    try Ports.with(port, &budget) { (port) throws(Failure) in try port.value.start() }
  }
}

@implementation @c(vionet_stop)
public func vionet_stop(_ port: UInt16) -> Int32 {
  result { () throws(Failure) in
    try Ports.with(port) { (port) throws(Failure) in try port.value.stop() }
  }
}

@implementation @c(vionet_close)
public func vionet_close(_ port: UInt16) { Ports.close(port) }

@implementation @c(vionet_open)
public func vionet_open(_ device: UnsafePointer<CChar>?, _ port: UnsafeMutablePointer<UInt16>?) -> Int32 {
  unsafe vionet_open_config(device, nil, port)
}

@implementation @c(vionet_open_config)
public func vionet_open_config(
  _ device: UnsafePointer<CChar>?, _ config: UnsafePointer<vionet_config>?, _ port: UnsafeMutablePointer<UInt16>?
) -> Int32 {
  number { () throws(Failure) in
    let port = try unsafe required(port, "port")
    let wanted = try unsafe read(config)
    var budget = Budget.opening
    guard let made = try probe(try unsafe DeviceAddress(device), &budget) else {
      unsafe port.pointee = UInt16(VIONET_PORT_NONE)
      return VIONET_SKIPPED
    }
    do throws(Failure) {
      try Ports.with(made, &budget) { (port) throws(Failure) in
        try port.value.initialise(wanted)
        try port.value.start()
      }
    } catch {
      Ports.close(made, &budget)
      throw error
    }
    unsafe port.pointee = made
    return 0
  }
}

@implementation @c(vionet_port_next)
public func vionet_port_next(_ from: UInt16) -> UInt16 { Ports.next(from) }

/// The caller's vionet_config; nil for NULL.
// Safety: as above.
private func read(_ config: UnsafePointer<vionet_config>?) throws(Failure) -> vionet_config? {
  guard let config = unsafe config else { return nil }
  var copy = vionet_config()
  try unsafe Sized.read(config, &copy)
  return copy
}
