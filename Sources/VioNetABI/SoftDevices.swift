// SPDX-License-Identifier: BSD-2-Clause
//
// vionet.h, chapter "SoftDevices": served to other programs.
//
// Safety: pointers are the caller's. Their lengths and lifetimes are what vionet.h asks for, and NULL is refused first.

import CLinux
import CVionet
import Linux
import SoftDevice

@implementation @c(vionet_soft_serve)
public func vionet_soft_serve(
  _ path: UnsafePointer<CChar>?, _ wire: UnsafePointer<CChar>?, _ device: UnsafeMutablePointer<UInt16>?
) -> Int32 {
  result { () throws(Failure) in
    let device = try unsafe required(device, "device")
    guard let path = unsafe Text(path, limit: 4096), let wire = unsafe Text(wire, limit: 4096) else {
      throw Failure(EINVAL, "path or wire is NULL")
    }
    unsafe device.pointee = try ServedDevices.serve(path, wire)
  }
}

@implementation @c(vionet_soft_stats)
public func vionet_soft_stats(_ device: UInt16, _ stats: UnsafeMutablePointer<vionet_soft_stats>?) -> Int32 {
  result { () throws(Failure) in
    let counts = try ServedDevices.statistics(device)
    var filled = vionet_soft_stats()
    filled.to_driver = counts.toDriver
    filled.from_driver = counts.fromDriver
    filled.to_driver_drops = counts.toDriverDrops
    filled.from_driver_drops = counts.fromDriverDrops
    filled.connections = counts.connections
    try unsafe Sized.write(stats, filled)
  }
}

@implementation @c(vionet_soft_stop)
public func vionet_soft_stop(_ device: UInt16) { ServedDevices.stop(device) }
