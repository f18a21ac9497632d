// SPDX-License-Identifier: BSD-2-Clause
//
// "scheme:target,key=value,...": which device, and options for it. Keys that the driver does not know are offered to the
// device model through `foreign`; a key that neither knows is an error that names it.

import CLinux
import CVionet
import Linux

/// A parsed device address. Its texts are parts of the caller's string and are valid as long as that.
package struct DeviceAddress {
  package let whole: Text
  package let scheme: Scheme
  package let target: Text
  /// The text after the target's comma; empty if there is none.
  package let keys: Text

  // Safety: the caller's string ends with a zero; at most VIONET_DEVICE_LENGTH bytes are read.
  package init(_ string: UnsafePointer<CChar>?) throws(Failure) {
    guard let whole = unsafe Text(string, limit: Int(VIONET_DEVICE_LENGTH)) else {
      throw Failure(EINVAL, "the device address is NULL")
    }
    try self.init(whole)
  }

  package init(_ whole: Text) throws(Failure) {
    if whole.count >= Int(VIONET_DEVICE_LENGTH) {
      throw Failure(EINVAL, "the device address is longer than ").number(VIONET_DEVICE_LENGTH - 1).text(" bytes")
    }
    guard let (scheme, rest) = whole.split(at: UInt8(ascii: ":")) else {
      throw Scheme.list(Failure(EINVAL, "device address ").quoting(whole).text(" has no scheme; known are "))
    }
    self.whole = whole
    self.scheme = try Scheme(named: scheme)
    (target, keys) = rest.split(at: UInt8(ascii: ",")) ?? (rest, rest.slice(rest.count, rest.count))
    if target.isEmpty {
      throw Failure(EINVAL, "device address ").quoting(whole).text(" names nothing after its scheme")
    }
  }

  /// Calls `take` with each key and value, and then `foreign` if `take` does not know the key.
  package func eachKey(
    _ take: (Text, Text) throws(Failure) -> Bool, foreign: (Text, Text) throws(Failure) -> Bool
  ) throws(Failure) {
    var rest = keys
    while !rest.isEmpty {
      let (pair, tail) = rest.split(at: UInt8(ascii: ",")) ?? (rest, rest.slice(rest.count, rest.count))
      guard let (key, value) = pair.split(at: UInt8(ascii: "=")) else {
        throw Failure(EINVAL, "option ").quoting(pair).text(" has no value; write key=value")
      }
      if try !take(key, value), try !foreign(key, value) {
        throw Failure(EINVAL, "unknown option ").quoting(key).text(" for device ").quoting(whole)
      }
      rest = tail
    }
  }
}
