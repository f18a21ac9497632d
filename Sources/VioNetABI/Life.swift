// SPDX-License-Identifier: BSD-2-Clause
//
// The C door: a port's life. Contracts are in vionet.h.

import CLinux
import CVionet
import Linux
import SoftDevice
import VioNet

@implementation @c(vionet_probe)
public func vionet_probe(_ device: UnsafePointer<CChar>?, _ port: UnsafeMutablePointer<UInt16>?) -> Int32 {
  number { () throws(Failure) in
    let port = try unsafe required(port, "port")
    let made = try probe(try unsafe DeviceAddress(device))
    unsafe port.pointee = made ?? UInt16(VIONET_PORT_NONE)
    return made == nil ? VIONET_SKIPPED : 0
  }
}

@implementation @c(vionet_init)
public func vionet_init(_ port: UInt16, _ config: UnsafePointer<vionet_config>?) -> Int32 {
  result { () throws(Failure) in
    var wanted: vionet_config?
    if let config = unsafe config {
      var copy = vionet_config()
      try unsafe Sized.read(config, &copy)
      wanted = copy
    }
    try Ports.with(port) { (port) throws(Failure) in try port.value.initialise(wanted) }
  }
}

@implementation @c(vionet_start)
public func vionet_start(_ port: UInt16) -> Int32 {
  result { () throws(Failure) in
    try Ports.with(port) { (port) throws(Failure) in try port.value.start() }
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
  number { () throws(Failure) in
    let port = try unsafe required(port, "port")
    guard let made = try probe(try unsafe DeviceAddress(device)) else {
      unsafe port.pointee = UInt16(VIONET_PORT_NONE)
      return VIONET_SKIPPED
    }
    do throws(Failure) {
      try Ports.with(made) { (port) throws(Failure) in
        try port.value.initialise(nil)
        try port.value.start()
      }
    } catch {
      Ports.close(made)
      throw error
    }
    unsafe port.pointee = made
    return 0
  }
}

@implementation @c(vionet_port_next)
public func vionet_port_next(_ from: UInt16) -> UInt16 { Ports.next(from) }

/// Reads the keys and makes the attachment: a soft device is started here, since driver and device model do not know
/// each other. nil for a device that its address leaves to others.
private func probe(_ address: DeviceAddress) throws(Failure) -> UInt16? {
  var options = PortOptions()
  guard address.scheme == .soft else {
    var isForVDPA = false
    try address.eachKey(
      { (key, value) throws(Failure) in try options.set(key, value) },
      foreign: { (key, value) throws(Failure) in
        if address.scheme != .pci || !key.equals("vdpa") { return false }
        isForVDPA = try PortOptions.isOn(key, value)
        return true
      })
    try options.checkSizes()
    if !isForVDPA { return try Port.attach(address, options, socket: nil, hosted: nil) }
    try PCIDevices.pass(over: address.target)
    return nil
  }
  var wire = try WireOptions(address.target)
  try address.eachKey(
    { (key, value) throws(Failure) in
      // The device is to have as many pairs as its driver will ask for.
      let isTaken = try options.set(key, value)
      return key.equals("queues") ? try wire.set(key, value) : isTaken
    }, foreign: { (key, value) throws(Failure) in try wire.set(key, value) })
  try options.checkSizes()
  let started = try SoftDevice.start(wire)
  let hosted = unsafe HostedDevice(started.device.raw) { device in unsafe stopDevice(device) }
  return try Port.attach(address, options, socket: started.socket, hosted: hosted)
}

/// Apart from the closure above: in a C entry thunk the compiler leaves inline C functions as calls.
@inline(never)
private func stopDevice(_ device: UnsafeMutableRawPointer) { unsafe SoftDevice.stop(Cell(raw: device)) }
