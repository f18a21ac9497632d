// SPDX-License-Identifier: BSD-2-Clause
//
// The devices that vionet_soft_serve() started, by number, in static storage.

import CLinux
import Linux

package enum ServedDevices {
  private static let limit: UInt16 = 64

  private struct Table {
    var lock: SpinLock
    /// Address of each device, 0 for none.
    var devices: InlineArray<64, UInt>
    /// The numbers of devices that are the parent's, from which this process was forked, a bit each.
    var inherited: UInt64
  }

  // Safety: the block is static, longer than a Table, and holds nothing else.
  private static var table: Cell<Table> { unsafe Cell(raw: storage_served()) }

  package static func serve(_ path: Text, _ wire: Text) throws(Failure) -> UInt16 {
    let device = try SoftDevice.serve(path, try WireOptions(parsing: wire))
    do throws(Failure) {
      return try add(device)
    } catch {
      SoftDevice.stop(device)
      throw error
    }
  }

  // Safety: the address becomes the same pointer again, once, in remove().
  private static func add(_ device: Cell<Device>) throws(Failure) -> UInt16 {
    fork_leaves(Int32(FORK_SERVED)) { ServedDevices.leaveToParent() }
    table.value.lock.lock()
    defer { table.value.lock.unlock() }
    guard let number = free(besides: table.value.inherited) ?? free(besides: 0) else {
      throw Failure(ENFILE, "there are ").number(limit).text(" served devices already, which is the limit")
    }
    table.value.devices[Int(number)] = unsafe UInt(bitPattern: device.raw)
    table.value.inherited &= ~(1 << UInt64(number))
    return number
  }

  private static func free(besides inherited: UInt64) -> UInt16? {
    for number in 0..<limit where table.value.devices[Int(number)] == 0 && inherited >> UInt64(number) & 1 == 0 {
      return number
    }
    return nil
  }

  /// Runs first thing in a forked child, whoever holds the lock: the devices' threads are the parent's.
  private static func leaveToParent() {
    table.value.lock = SpinLock()
    for number in 0..<limit where table.value.devices[Int(number)] != 0 {
      table.value.devices[Int(number)] = 0
      table.value.inherited |= 1 << UInt64(number)
    }
  }

  /// Takes a device out of the table, so that whoever ends it is the only one.
  // Safety: a non-zero entry is the address of a live device.
  private static func remove(_ number: UInt16) -> Cell<Device>? {
    if number >= limit { return nil }
    table.value.lock.lock()
    let address = table.value.devices[Int(number)]
    table.value.devices[Int(number)] = 0
    table.value.inherited &= ~(1 << UInt64(number))
    table.value.lock.unlock()
    guard let raw = unsafe UnsafeMutableRawPointer(bitPattern: address) else { return nil }
    return unsafe Cell(raw: raw)
  }

  package static func stop(_ number: UInt16) { if let device = remove(number) { SoftDevice.stop(device) } }

  /// Reads what a device tells of itself while nobody can take it out of the table.
  // Safety: a non-zero entry is the address of a live device for as long as the lock is held.
  package static func read<Result>(_ number: UInt16, _ body: (Cell<Device>) -> Result) throws(Failure) -> Result {
    table.value.lock.lock()
    defer { table.value.lock.unlock() }
    let address = number < limit ? table.value.devices[Int(number)] : 0
    guard let raw = unsafe UnsafeMutableRawPointer(bitPattern: address) else {
      if number < limit && table.value.inherited >> UInt64(number) & 1 != 0 {
        throw Failure.isOfParent("served device", number)
      }
      throw Failure(ENODEV, "there is no served device ").number(number)
    }
    return body(unsafe Cell(raw: raw))
  }
}
