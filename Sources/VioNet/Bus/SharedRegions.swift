// SPDX-License-Identifier: BSD-2-Clause
//
// What a device is told about a ring and about memory.

/// Where one ring lies and how it is signalled.
struct RingSetUp {
  var index: UInt16
  var size: UInt16
  var isPacked = false
  var descriptors: UInt64
  var available: UInt64
  var used: UInt64
  /// The eventfd by which the driver signals the device.
  var kick: Int32
  /// The eventfd by which the device signals the driver.
  var call: Int32
}

/// A piece of memory that the device is to see.
struct SharedRegion {
  var address: UInt64 = 0
  var length: UInt64 = 0
  var file: Int32 = -1
  var offset: UInt64 = 0
}

struct SharedRegions {
  /// Room for the rings and for every pool there can be.
  static let room = 64
  private var regions = InlineArray<64, SharedRegion>(repeating: SharedRegion())
  private(set) var count = 0

  subscript(index: Int) -> SharedRegion { regions[index] }

  /// False if there is no room for it.
  mutating func add(_ region: SharedRegion) -> Bool {
    if count == SharedRegions.room { return false }
    regions[count] = region
    count += 1
    return true
  }
}
