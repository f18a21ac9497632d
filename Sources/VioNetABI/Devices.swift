// SPDX-License-Identifier: BSD-2-Clause
//
// vionet.h, chapter "Devices": of this machine.
//
// Safety: pointers are the caller's. Their lengths and lifetimes are what vionet.h asks for, and NULL is refused first.

import CLinux
import CVionet
import Linux
import VioNet

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
