// SPDX-License-Identifier: BSD-2-Clause
//
// What the user has set on a port. A device forgets all of it in a reset, so restoreSettings() sends it again after each one.
// A stopped port keeps what is set until it starts.

import CLinux
import CVionet
import Linux
import Virtio

struct Settings {
  var address: MACAddress?
  var modes = ReceiveModes()
  var addresses = AddressList()
  /// VLANs that pass, one bit for each.
  var vlans = InlineArray<64, UInt64>(repeating: 0)
  /// Queue pairs in use; 0: all there are.
  var pairs: UInt16 = 0
  /// The MTU; 0: as negotiated.
  var mtu: UInt16 = 0

  var hashing = Hashing()
  /// Receive offloads that are on, as feature bits; nil: all that were negotiated.
  var offloads: UInt64?
  var coalescing = Coalescing()
  /// Kinds of counters that the device keeps, a bit each; nil: not asked for yet.
  var counters: UInt64?

  func destroy() {
    addresses.destroy()
    hashing.table?.destroy()
  }
}

/// One setting, as an entry point of the C interface passes it on.
// Safety: the pointer is the caller's list, valid until the call returns.
@safe
package enum Setting {
  case modes(UInt8, UInt8)
  case address(MACAddress)
  case addresses(UnsafePointer<UInt8>?, Int)
  case vlan(UInt16, Bool)
  case pairs(UInt16)
  case mtu(UInt16)
  case hashing(HashRequest)
  case offloads(UInt32)
  case coalescing(queue: UInt16, transmit: Bool, UInt64)
  case restart(queue: UInt16, transmit: Bool, UInt16)
}

extension Ports {
  @inline(never)
  package static func set(_ number: UInt16, _ setting: Setting) throws(Failure) {
    try with(number) { (port) throws(Failure) in
      // Only then is it known what the device can do.
      try port.value.mustBeInitialised()
      if port.value.phase.isStarted { try port.value.mustHaveDevice() }
      do throws(Failure) {
        try port.value.set(setting)
      } catch {
        throw port.value.reason(error)
      }
    }
  }
}

extension Port {
  // Safety: the list is passed on only.
  fileprivate mutating func set(_ setting: Setting) throws(Failure) {
    switch setting {
    case .modes(let mask, let on): try setModes(mask, on)
    case .address(let address): try setAddress(address)
    case .addresses(let list, let count): try unsafe setAddresses(list, count)
    case .vlan(let id, let on): try setVLAN(id, on)
    case .pairs(let pairs): try setPairs(pairs)
    case .mtu(let mtu): try setMTU(mtu)
    case .hashing(let request): try setHashing(request)
    case .offloads(let request): try setOffloads(request)
    case .coalescing(let queue, let transmit, let value): try setCoalescing(queue, transmit: transmit, value)
    case .restart(let queue, let transmit, let size): try restart(queue, transmit: transmit, size)
    }
  }
}

extension Port {
  /// Sends all settings to a device that runs, before any packet does.
  mutating func restoreSettings() throws(Failure) {
    // The ring of a back-end is enabled here; that of a whole device runs already.
    if let control = queues.control { try bus.enable(control.index, true) }
    try restoreAddress()
    try restorePairs()
    try restoreCoalescing(from: 0)
    try restoreOffloads()
    restoreMTU()
    try restoreFilters()
  }

  // MARK: What all settings need

  /// Throws if the device is gone. Nothing is sent to it then, and nothing that it may have written to rings counts.
  @inline(never)
  func mustHaveDevice() throws(Failure) { if bus.traits.isWholeDevice && bus.isGone { throw deviceIsGone() } }

  /// The reason for a failure. Registers of a device that is gone read as all ones, so that whatever it seemed to say is not
  /// the reason.
  @inline(never)
  func reason(_ error: Failure) -> Failure {
    bus.traits.isWholeDevice && bus.isGone ? deviceIsGone() : error
  }

  /// The failure of a call that needs a device which is gone.
  func deviceIsGone() -> Failure {
    let who: StaticString = bus.traits.isWholeDevice ? "the device of port " : "the back-end of port "
    return Failure(bus.traits.isWholeDevice ? ENODEV : ENOTCONN, who).number(number).text(" is gone")
  }

  /// Throws unless the feature was negotiated. The sentence says why it was not, and how to get it.
  @inline(never)
  func require(_ feature: UInt64) throws(Failure) {
    if agreed.features.has(feature) { return }
    let isOffered = FeatureSet(bus.traits.offered).has(feature)
    let missing = isOffered && !agreed.features.has(Feature.controlQueue) ? Feature.controlQueue : feature
    let name = Features.firstName(missing)
    if !FeatureSet(bus.traits.offered).has(missing) { throw Failure(ENOTSUP, "the device does not offer ").plain(name) }
    let failure = Failure(ENOTSUP, "the device offers ").plain(name)
    if FeatureSet(options.featuresOff).has(missing) { throw failure.text(", which features_off forbids") }
    throw failure.text(", which has to be asked for: ").text(Features.key(missing))
  }

  /// Sends a command, unless the port is stopped: then restoreSettings() sends it at the start.
  // Safety: `data` has `count` bytes.
  @inline(never)
  mutating func send(_ command: ControlCommand, _ data: UnsafeRawPointer, _ count: Int) throws(Failure) {
    if queues.control == nil { return }
    if bus.isGone { throw deviceIsGone() }
    try unsafe queues.control?.send(command, data, count)
  }

  // Safety: the data has as many bytes as it counts.
  mutating func send(_ command: ControlCommand, _ data: CommandData) throws(Failure) {
    try unsafe send(command, data.base, data.count)
  }
}

/// The data of a long command, put together as the device reads it.
// Safety: init makes room for all that the caller adds.
@safe
struct CommandData {
  private let bytes: Table<UInt8>
  private(set) var count = 0

  init(room: Int) throws(Failure) {
    guard let bytes = Table<UInt8>.make(count: room) else { throw Failure(ENOMEM, "no memory for a control command") }
    self.bytes = bytes
  }

  var base: UnsafeRawPointer { unsafe UnsafeRawPointer(bytes.base) }

  mutating func add<Value: FixedWidthInteger>(_ value: Value) {
    var value = value.littleEndian
    unsafe add(&value, MemoryLayout<Value>.size)
  }

  @inline(never)
  mutating func add(_ from: UnsafeRawPointer, _ length: Int) {
    unsafe memcpy(bytes.base + count, from, length)
    count += length
  }

  func destroy() { bytes.destroy() }
}
