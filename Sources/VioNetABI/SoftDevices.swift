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
    var filled = vionet_soft_stats()
    try ServedDevices.read(device) { device in
      fill(&filled, SoftDevice.statistics(device))
      unsafe withUnsafeMutableBytes(of: &filled.reason) { room in
        guard let base = room.baseAddress else { return }
        unsafe SoftDevice.copyReason(device, to: base.assumingMemoryBound(to: CChar.self), room: room.count)
      }
      unsafe withUnsafeMutableBytes(of: &filled.fault) { room in
        guard let base = room.baseAddress else { return }
        unsafe SoftDevice.copyComplaint(device, to: base.assumingMemoryBound(to: CChar.self), room: room.count)
      }
    }
    try unsafe Sized.write(stats, filled)
  }
}

private func fill(_ stats: inout vionet_soft_stats, _ counts: DeviceStatistics) {
  stats.to_driver = counts.toDriver
  stats.from_driver = counts.fromDriver
  stats.to_driver_drops = counts.toDriverDrops
  stats.from_driver_drops = counts.fromDriverDrops
  stats.connections = counts.connections
  stats.to_driver_short = counts.toDriverShort
  stats.to_driver_long = counts.toDriverLong
  stats.to_driver_offload = counts.toDriverOffload
  stats.to_driver_no_buffer = counts.toDriverNoBuffer
  stats.to_driver_stopped = counts.toDriverStopped
  stats.to_driver_record = counts.toDriverRecord
  stats.from_driver_short = counts.fromDriverShort
  stats.from_driver_long = counts.fromDriverLong
  stats.from_driver_wire = counts.fromDriverWire
  stats.from_driver_stopped = counts.fromDriverStopped
  stats.to_driver_filtered = counts.toDriverFiltered
  stats.faults = counts.faults
}

@implementation @c(vionet_soft_stop)
public func vionet_soft_stop(_ device: UInt16) { ServedDevices.stop(device) }
