// SPDX-License-Identifier: BSD-2-Clause
//
// What the user has set on a port. A device forgets all of it in a reset, and is told anew after each one, in the one
// place that does so: restoreSettings(). A port that is stopped keeps what is set until it starts.

import CLinux
import CVionet
import Linux

struct Settings {
  var address: MACAddress?
  var modes = ReceiveModes()
  var addresses = AddressList()
  /// One bit for each VLAN that passes.
  var vlans = InlineArray<64, UInt64>(repeating: 0)
  /// Queue pairs in use; 0: all that there are.
  var pairs: UInt16 = 0
  /// 0: as negotiated.
  var mtu: UInt16 = 0

  var hashing = Hashing()
  /// Feature bits; nil: all that were negotiated.
  var offloads: UInt64?
  var coalescing = Coalescing()
  /// Kinds of counters that the device keeps, a bit each; nil: not asked for yet.
  var counters: UInt64?

  func destroy() {
    addresses.destroy()
    hashing.table?.destroy()
  }
}

/// One call of the C door.
@safe
package enum Setting {
  case modes(UInt8, UInt8)
  case address(MACAddress)
  case addresses(UnsafePointer<UInt8>?, Int)
  case vlan(UInt16, Bool)
  case pairs(UInt16)
  case mtu(UInt16)
  case hashing(HashWish)
  case offloads(UInt32)
  case coalescing(queue: UInt16, transmit: Bool, UInt64)
  case restart(queue: UInt16, transmit: Bool, UInt16)
}

extension Ports {
  @inline(never)
  package static func set(_ number: UInt16, _ setting: Setting) throws(Failure) {
    try with(number) { (port) throws(Failure) in
      // What the device can do is known from then on.
      try port.value.mustBeInitialised()
      if port.value.state == VIONET_STATE_STARTED { try port.value.mustHaveDevice() }
      do throws(Failure) {
        try port.value.set(setting)
      } catch {
        throw port.value.reason(error)
      }
    }
  }
}

extension Port {
  fileprivate mutating func set(_ setting: Setting) throws(Failure) {
    switch setting {
    case .modes(let mask, let on): try setModes(mask, on)
    case .address(let address): try setAddress(address)
    case .addresses(let list, let count): try unsafe setAddresses(list, count)
    case .vlan(let id, let on): try setVLAN(id, on)
    case .pairs(let pairs): try setPairs(pairs)
    case .mtu(let mtu): try setMTU(mtu)
    case .hashing(let wish): try setHashing(wish)
    case .offloads(let wish): try setOffloads(wish)
    case .coalescing(let queue, let transmit, let value): try setCoalescing(queue, transmit: transmit, value)
    case .restart(let queue, let transmit, let size): try restart(queue, transmit: transmit, size)
    }
  }
}

extension Port {
  /// Once the device runs, before any packet does.
  mutating func restoreSettings() throws(Failure) {
    // A back-end's ring; that of a whole device runs already.
    if let control { try bus.enable(control.index, true) }
    try restoreAddress()
    try restorePairs()
    try restoreCoalescing(from: 0)
    try restoreOffloads()
    restoreMTU()
    try restoreFilters()
  }

  // MARK: What all settings need

  func mustBeInitialised() throws(Failure) {
    try mustBeProbed()
    if state == VIONET_STATE_ATTACHED {
      throw Failure(EINVAL, "port ").number(number).text(" is not initialised: call vionet_init")
    }
  }

  @inline(never)
  func mustBeStarted() throws(Failure) {
    if state != VIONET_STATE_STARTED { throw Failure(EINVAL, "port ").number(number).text(" is not started") }
  }

  /// A device that is gone is told nothing, and nothing of it is believed, whatever it may still have written to rings.
  @inline(never)
  func mustHaveDevice() throws(Failure) { if bus.isDevice && bus.isGone { throw isWithoutDevice() } }

  /// Why a device was of no use: one that is gone may have seemed to say anything, since its registers read as all ones.
  @inline(never)
  func reason(_ error: Failure) -> Failure {
    bus.isDevice && bus.isGone ? isWithoutDevice() : error
  }

  func isWithoutDevice() -> Failure {
    let who: StaticString = bus.isDevice ? "the device of port " : "the back-end of port "
    return Failure(bus.isDevice ? ENODEV : ENOTCONN, who).number(number).text(" is gone")
  }

  /// That the feature was negotiated; or the sentence says why it was not.
  @inline(never)
  func need(_ feature: Int32) throws(Failure) {
    if features.has(feature) { return }
    let isOffered = FeatureSet(bus.offered).has(feature)
    let missing = isOffered && !features.has(VIRTIO_NET_F_CTRL_VQ) ? VIRTIO_NET_F_CTRL_VQ : feature
    let name = Text(Features.name(UInt32(missing)) ?? "")
    if !FeatureSet(bus.offered).has(missing) { throw Failure(ENOTSUP, "the device does not offer ").plain(name) }
    let failure = Failure(ENOTSUP, "the device offers ").plain(name)
    if FeatureSet(options.featuresOff).has(missing) { throw failure.text(", which features_off forbids") }
    throw failure.text(", which has to be asked for: ").text(Features.key(missing))
  }

  /// Tells the device, unless the port is stopped: then it will be told when it starts.
  @inline(never)
  mutating func tell(_ command: ControlCommand, _ data: UnsafeRawPointer, _ count: Int) throws(Failure) {
    if control == nil { return }
    if bus.isGone { throw isWithoutDevice() }
    try unsafe control?.send(command, data, count)
  }

  mutating func tell(_ command: ControlCommand, _ data: CommandData) throws(Failure) {
    try unsafe tell(command, data.base, data.count)
  }
}

/// The data of a long command in the making, as the device reads it.
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
