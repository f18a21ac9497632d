// SPDX-License-Identifier: BSD-2-Clause
//
// A look at a device that runs: its status, and what of its configuration changes by itself.

import Linux
import Virtio

/// What a look is for, beside the status.
struct LookWish {
  /// The status field of the configuration.
  var link = false
  /// Speed and duplex.
  var speed = false
  /// A back-end is to show that it answers, even if there is nothing to ask it.
  var isTest = false
}

/// What a look has found. A field that was not wished for is zero.
struct DeviceLook {
  var status: UInt8
  var link: UInt16 = 0
  var speed: UInt32 = 0
  var duplex: UInt8 = 0
}

extension Transport where Self: ~Copyable {
  /// Registers, and the kernel, answer at once.
  // Safety: each read is as long as the field that it fills.
  mutating func look(_ wish: LookWish) throws(Failure) -> DeviceLook? {
    var found = DeviceLook(status: try status())
    if wish.speed {
      try unsafe readConfig(ConfigLayout.speed, &found.speed, 4)
      try unsafe readConfig(ConfigLayout.duplex, &found.duplex, 1)
    }
    if wish.link { try unsafe readConfig(ConfigLayout.status, &found.link, 2) }
    return found
  }
}
