// SPDX-License-Identifier: BSD-2-Clause
//
// vionet_probe() of any address. A soft: device is started here, the one place that knows both driver and device model.
//
// Safety: pointers are the caller's. Their lengths and lifetimes are what vionet.h asks for, and NULL is refused first.

import CLinux
import CVionet
import Linux
import SoftDevice
import VioNet

/// Reads the keys and makes the attachment: a soft device is started here, since driver and device model do not know
/// each other. nil for a device that its address leaves to others.
func probe(_ address: DeviceAddress, _ budget: inout Budget) throws(Failure) -> UInt16? {
  guard address.scheme.isNamed("soft") else {
    var options = PortOptions(forTAP: address.scheme.isNamed("vhost-net"))
    var isForVDPA = false
    try address.eachKey(
      { (key, value) throws(Failure) in try options.set(key, value) },
      foreign: { (key, value) throws(Failure) in
        if !address.scheme.isNamed("pci") { return false }
        if try options.pci.set(key, value) { return true }
        if !key.equals("vdpa") { return false }
        isForVDPA = try PortOptions.isOn(key, value)
        return true
      })
    try options.checkSizes()
    if !isForVDPA { return try Port.attach(address, options, socket: nil, hosted: nil, &budget) }
    try PCIDevices.pass(over: address.target)
    return nil
  }
  var wire = try WireOptions(address.target)
  var options = PortOptions(forTAP: wire.isTAP)
  try address.eachKey(
    { (key, value) throws(Failure) in
      // The device is to have as many pairs as its driver will ask for, its address and its speed.
      let isTaken = try options.set(key, value)
      let isShared = key.equals("queues") || key.equals("mac") || key.equals("speed")
      return isShared ? try wire.set(key, value) : isTaken
    }, foreign: { (key, value) throws(Failure) in try wire.set(key, value) })
  try options.checkSizes()
  let started = try SoftDevice.start(wire)
  let hosted = unsafe HostedDevice(started.device.raw, hostedFunctions)
  return try Port.attach(address, options, socket: started.socket, hosted: hosted, &budget)
}

/// Apart from the probe: in a C entry thunk the compiler leaves inline C functions as calls.
private var hostedFunctions: HostedDevice.Functions {
  unsafe HostedDevice.Functions(
    counters: SoftDevice.counters, name: SoftDevice.counterName,
    value: { (device, place) in unsafe SoftDevice.counter(Cell(raw: device), place) },
    reason: { (device, room, count) in unsafe SoftDevice.copyReason(Cell(raw: device), to: room, room: count) },
    shortage: { device in unsafe SoftDevice.shortage(Cell(raw: device)) },
    end: { device in unsafe SoftDevice.stop(Cell(raw: device)) })
}
