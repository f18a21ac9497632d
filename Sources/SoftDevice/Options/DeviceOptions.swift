// SPDX-License-Identifier: BSD-2-Clause
//
// Keys of every soft device, whatever its wire: its queue pairs, its address, MTU and speed, and features that it shall not
// offer. Keys that mean the same as DPDK's have DPDK's names.

import CLinux
import Linux
import Virtio

struct DeviceOptions {
  static let mostPairs = 128

  private(set) var pairs = 1
  private(set) var mtu: UInt16?
  private(set) var mac: UInt64?
  /// The speed that is reported, in Mbit/s; nil: none is.
  private(set) var speed: UInt32?
  /// Features that are not offered.
  private(set) var without: UInt64 = 0
  /// A served device takes only memory that its front-end cannot take away.
  private(set) var wantsSeals = false
  /// A served device connects to a front-end that listens, and anew each time that it has gone.
  private(set) var isClient = false

  /// Sets one key; false if it is not one of these.
  @inline(never)
  mutating func set(_ key: Text, _ value: Text) throws(Failure) -> Bool {
    if key.equals("queues") {
      pairs = Int(try Self.number(key, value, 1, UInt64(Self.mostPairs)))
    } else if key.equals("mtu") {
      mtu = UInt16(try Self.number(key, value, UInt64(ConfigLimit.smallestMTU), 65535))
    } else if key.equals("mac") {
      mac = try Self.address(value)
    } else if key.equals("speed") {
      speed = UInt32(try Self.number(key, value, 1, 0x7fff_ffff))
    } else if key.equals("features_off") {
      guard let mask = value.mask else {
        throw Failure(EINVAL, "features_off=").quoting(value).text(" is no number: decimal, or hexadecimal behind 0x")
      }
      without |= mask
    } else if key.equals("client") {
      isClient = try Self.number(key, value, 0, 1) == 1
    } else if key.equals("sealed") {
      wantsSeals = try Self.number(key, value, 0, 1) == 1
    } else if let feature = Self.feature(key) {
      without = without & ~feature | (try Self.number(key, value, 0, 1) == 0 ? feature : 0)
    } else {
      return false
    }
    return true
  }

  /// Features that a device with these options offers on a wire. vhost-user gives a queue's number eight bits, so that
  /// behind 128 pairs there is none left for the control queue.
  func offer(of wire: borrowing Wire) -> UInt64 {
    var features = Feature.served & ~without & ~wire.lacks
    if pairs == 1 { features &= ~Feature.manyPairs }
    if speed == nil { features &= ~Feature.speedDuplex }
    if pairs == Self.mostPairs { features &= ~Feature.controlQueue }
    return Feature.closed(features)
  }

  /// Features above bit 63 that go with those that the device offers.
  func offerAbove(of wire: borrowing Wire, with offered: UInt64) -> UInt64 {
    HigherFeature.closed(HigherFeature.served & ~wire.lacksAbove, with: offered)
  }

  private static func feature(_ key: Text) -> UInt64? {
    if key.equals("packed_vq") { return Feature.packed }
    if key.equals("in_order") { return Feature.inOrder }
    if key.equals("mrg_rxbuf") { return Feature.mergeable }
    return nil
  }

  /// The address of one station, not all zeroes.
  private static func address(_ text: Text) throws(Failure) -> UInt64 {
    guard let address = text.ethernetAddress, address != 0, address >> 40 & 1 == 0 else {
      throw Failure(EINVAL, "mac=").quoting(text.slice(0, 64)).text(" is not a unicast address like 02:00:00:00:00:01")
    }
    return address
  }

  static func number(_ key: Text, _ value: Text, _ low: UInt64, _ high: UInt64) throws(Failure) -> UInt64 {
    guard let number = value.unsignedNumber, number >= low, number <= high else {
      throw Failure(EINVAL, "").plain(key).text("=").quoting(value).text(" is not a number from ").number(low)
        .text(" to ").number(high)
    }
    return number
  }
}

extension Text {
  /// The number that this text is, decimal or with 0x hexadecimal.
  fileprivate var mask: UInt64? {
    if self[0] != 0x30 || self[1] != 0x78 { return unsignedNumber }
    return slice(2, count).hexNumber
  }
}
