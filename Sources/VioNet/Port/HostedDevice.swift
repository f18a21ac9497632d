// SPDX-License-Identifier: BSD-2-Clause
//
// The device in this process that a soft: port drives. Driver and device model do not know each other: what the port
// may ask of it are functions that come with it.

import CLinux
import CVionet
import Linux

/// A device that ends after its port has released it.
@safe
package struct HostedDevice {
  private let state: UnsafeMutableRawPointer
  private let functions: Functions

  /// What can be asked of it, with its state first.
  // Safety: only HostedDevice calls them.
  @safe
  package struct Functions {
    let end: (UnsafeMutableRawPointer) -> Void
    /// Counters that it keeps, the name of one and its value.
    let counters: Int
    let name: (Int) -> StaticString
    let value: (UnsafeMutableRawPointer, Int) -> UInt64
    /// Writes into so many bytes why no frames pass, or an empty text.
    let reason: (UnsafeMutableRawPointer, UnsafeMutablePointer<CChar>, Int) -> Void
    /// The errno of what it lacked when it refused something or closed the connection for that, or 0.
    let shortage: (UnsafeMutableRawPointer) -> Int32

    package init(
      counters: Int, name: @escaping (Int) -> StaticString, value: @escaping (UnsafeMutableRawPointer, Int) -> UInt64,
      reason: @escaping (UnsafeMutableRawPointer, UnsafeMutablePointer<CChar>, Int) -> Void,
      shortage: @escaping (UnsafeMutableRawPointer) -> Int32, end: @escaping (UnsafeMutableRawPointer) -> Void
    ) {
      unsafe self.end = end
      self.counters = counters
      self.name = name
      unsafe self.value = value
      unsafe self.reason = reason
      unsafe self.shortage = shortage
    }
  }

  // Safety: the functions get the pointer that came with them, `end` once and last; the caller keeps it valid until then.
  package init(_ state: UnsafeMutableRawPointer, _ functions: Functions) {
    unsafe self.state = state
    self.functions = functions
  }

  // Safety: as init.
  func finish() { unsafe functions.end(state) }

  /// The failure, or if the device has refused or closed the connection for want of something, that: it is this process's
  /// limit, and no fault of a back-end.
  // Safety: as init.
  func explain(_ failure: Failure) -> Failure {
    let code = unsafe failure.code == ECONNRESET || failure.code == EPROTO ? functions.shortage(state) : 0
    return code == 0 ? failure : Failure(code, "the port's device, in this process: ").reason(code)
  }

  static let mostCounters = 16
  var counters: Int { min(functions.counters, Self.mostCounters) }
  func name(_ place: Int) -> StaticString { functions.name(place) }

  // Safety: as init.
  func value(_ place: Int) -> UInt64 { unsafe functions.value(state, place) }

  /// Fills info.reason.
  // Safety: as init; the text is cut to the field's bytes.
  func describe(_ info: inout vionet_info) {
    unsafe withUnsafeMutableBytes(of: &info.reason) { room in
      guard let base = room.baseAddress else { return }
      unsafe functions.reason(state, base.assumingMemoryBound(to: CChar.self), room.count)
    }
  }
}

/// Values of a hosted device's counters when they were reset.
struct HostedCounters {
  private var zero = InlineArray<16, UInt64>(repeating: 0)

  func value(_ place: Int, of device: HostedDevice?) -> UInt64 { (device?.value(place) ?? 0) &- zero[place] }

  mutating func reset(_ device: HostedDevice?) {
    for place in 0..<(device?.counters ?? 0) { zero[place] = device?.value(place) ?? 0 }
  }
}
