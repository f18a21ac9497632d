// SPDX-License-Identifier: BSD-2-Clause
//
// vionet.h, chapter "Information": about a port.
//
// Safety: pointers are the caller's. Their lengths and lifetimes are what vionet.h asks for, and NULL is refused first.

import CLinux
import CVionet
import Linux
import VioNet
import Virtio

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
  guard let name = Feature.name(bit) else { return nil }
  return unsafe characters(name)
}
