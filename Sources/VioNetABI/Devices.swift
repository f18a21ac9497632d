// SPDX-License-Identifier: BSD-2-Clause
//
// The C door: soft devices served to other programs. Contracts are in vionet.h.

import CLinux
import CVionet
import Linux
import SoftDevice

/// Served devices by number, in static storage.
private enum Served {
  static let limit: UInt16 = 64

  struct State {
    var lock: SpinLock
    var devices: InlineArray<64, UInt>
  }

  static var state: Cell<State> { unsafe Cell(raw: storage_served()) }

  /// Takes device `number` out of the table, so that whoever ends it is the only one.
  static func remove(_ number: UInt16) -> Cell<Device>? {
    if number >= limit { return nil }
    state.value.lock.lock()
    let address = state.value.devices[Int(number)]
    state.value.devices[Int(number)] = 0
    state.value.lock.unlock()
    guard let raw = unsafe UnsafeMutableRawPointer(bitPattern: address) else { return nil }
    return unsafe Cell(raw: raw)
  }

  static func add(_ device: Cell<Device>) throws(Failure) -> UInt16 {
    state.value.lock.lock()
    defer { state.value.lock.unlock() }
    for number in 0..<limit where state.value.devices[Int(number)] == 0 {
      state.value.devices[Int(number)] = unsafe UInt(bitPattern: device.raw)
      return number
    }
    throw Failure(ENFILE, "there are ").number(limit).text(" served devices already, which is the limit")
  }
}

@implementation @c(vionet_soft_serve)
public func vionet_soft_serve(
  _ path: UnsafePointer<CChar>?, _ wire: UnsafePointer<CChar>?, _ device: UnsafeMutablePointer<UInt16>?
) -> Int32 {
  result { () throws(Failure) in
    let device = try unsafe required(device, "device")
    guard let path = unsafe Text(path, limit: 4096), let wire = unsafe Text(wire, limit: 4096) else {
      throw Failure(EINVAL, "path or wire is NULL")
    }
    let served = try SoftDevice.serve(path, try WireOptions(parsing: wire))
    do throws(Failure) {
      unsafe device.pointee = try Served.add(served)
    } catch {
      SoftDevice.stop(served)
      throw error
    }
  }
}

@implementation @c(vionet_soft_stats)
public func vionet_soft_stats(_ device: UInt16, _ stats: UnsafeMutablePointer<vionet_soft_stats>?) -> Int32 {
  result { () throws(Failure) in
    var filled = vionet_soft_stats()
    Served.state.value.lock.lock()
    let address = device < Served.limit ? Served.state.value.devices[Int(device)] : 0
    if let raw = unsafe UnsafeMutableRawPointer(bitPattern: address) {
      let counts = unsafe SoftDevice.statistics(Cell(raw: raw))
      filled.to_driver = counts.toDriver
      filled.from_driver = counts.fromDriver
      filled.to_driver_drops = counts.toDriverDrops
      filled.from_driver_drops = counts.fromDriverDrops
      filled.connections = counts.connections
    }
    Served.state.value.lock.unlock()
    if address == 0 { throw Failure(ENODEV, "there is no served device ").number(device) }
    try unsafe Sized.write(stats, filled)
  }
}

@implementation @c(vionet_soft_stop)
public func vionet_soft_stop(_ device: UInt16) {
  if let served = Served.remove(device) { SoftDevice.stop(served) }
}
