// SPDX-License-Identifier: BSD-2-Clause
//
// Which frames the device passes on (virtio 1.4, 5.1.9.5.1 to 5.1.9.5.3): modes, a table of addresses, VLANs.

import CLinux
import CVionet
import Linux
import Virtio

/// Receive modes: bit n stands for command n of class RX, and for the same mode in vionet.h.
struct ReceiveModes {
  static let promiscuous: UInt8 = 1 << 0
  static let allMulticast: UInt8 = 1 << 1
  static let allUnicast: UInt8 = 1 << 2
  /// Modes of VIRTIO_NET_F_CTRL_RX; the others take VIRTIO_NET_F_CTRL_RX_EXTRA.
  static let plain = promiscuous | allMulticast

  /// Modes that the user wants on. Where he chose nothing, this is what devices do by custom.
  var wanted = promiscuous
  /// Modes about which the user chose anything.
  var chosen: UInt8 = 0
  /// Modes that are on because the table does not take all addresses.
  var forTable: UInt8 = 0
  /// Modes that were sent to the device since its reset, and which of them are on.
  var sentMask: UInt8 = 0
  var sent: UInt8 = 0
}

extension Port {
  /// Switches the modes in `mask` on or off, as they are in `on` or not.
  mutating func setModes(_ mask: UInt8, _ on: UInt8) throws(Failure) {
    try require(mask & ReceiveModes.plain != 0 ? Feature.controlReceive : Feature.controlReceiveExtra)
    do throws(Failure) {
      try sendModes(mask, on | settings.modes.forTable)
    } catch {
      restoreModes()
      throw error
    }
    settings.modes.wanted = settings.modes.wanted & ~mask | on & mask
    settings.modes.chosen |= mask
  }

  /// After a failure, sends the modes that were in force before, if the device takes them.
  private mutating func restoreModes() {
    Failure.quietly { () throws(Failure) in
      try sendModes(settings.modes.sentMask, settings.modes.wanted | settings.modes.forTable)
    }
  }

  /// Sends the modes in `mask` that the device has otherwise, or that were never sent.
  // Safety: each command has the one byte of `value`.
  @inline(never)
  private mutating func sendModes(_ mask: UInt8, _ on: UInt8) throws(Failure) {
    let changed = mask & (settings.modes.sent ^ on | ~settings.modes.sentMask)
    for number in UInt8(0)..<6 where changed >> number & 1 != 0 {
      guard let mode = ReceiveMode(rawValue: number) else { return }
      let bit: UInt8 = 1 << number
      try require(bit & ReceiveModes.plain != 0 ? Feature.controlReceive : Feature.controlReceiveExtra)
      var value = on >> number & 1
      try unsafe send(ControlCommand(mode), &value, 1)
      settings.modes.sent = settings.modes.sent & ~bit | on & bit
      settings.modes.sentMask |= bit
    }
  }

  mutating func restoreFilters() throws(Failure) {
    settings.modes.sentMask = 0
    settings.modes.forTable = 0
    try sendModes(settings.modes.chosen, settings.modes.wanted)
    if settings.addresses.count != 0 {
      try require(Feature.controlReceive)
      try sendAddresses(settings.addresses)
    }
    for word in 0..<64 {
      var left = settings.vlans[word]
      while left != 0 {
        try require(Feature.controlVLAN)
        try sendVLAN(UInt16(word * 64 + left.trailingZeroBitCount), true)
        left &= left &- 1
      }
    }
  }

  // MARK: VLANs

  mutating func setVLAN(_ id: UInt16, _ on: Bool) throws(Failure) {
    try require(Feature.controlVLAN)
    if id > 4095 { throw Failure(EINVAL, "VLAN ").number(id).text(": ids are 0 to 4095") }
    try sendVLAN(id, on)
    let bit: UInt64 = 1 << UInt64(id & 63)
    settings.vlans[Int(id >> 6)] &= ~bit
    if on { settings.vlans[Int(id >> 6)] |= bit }
  }

  // Safety: the command has the two bytes of `data`.
  private mutating func sendVLAN(_ id: UInt16, _ on: Bool) throws(Failure) {
    var data = id.littleEndian
    try unsafe send(on ? ControlCommand.addVLAN : ControlCommand.deleteVLAN, &data, 2)
  }
}

// MARK: The table of addresses

/// The addresses of vionet_mac_list_set(): unicast addresses first, then multicast ones.
struct AddressList {
  private var table: Table<MACAddress>?
  /// Unicast addresses.
  private(set) var stations = 0

  static let limit = 65535

  init() {}

  /// Copies `count` addresses of 6 bytes each.
  // Safety: the caller's list is 6 * count bytes long, as vionet.h says.
  init(_ list: UnsafePointer<UInt8>?, _ count: Int) throws(Failure) {
    if count == 0 { return }
    guard let list = unsafe list else { throw Failure(EINVAL, "list is NULL") }
    if UInt(bitPattern: count) > UInt(AddressList.limit) {
      throw Failure(EINVAL, "a list has at most ").number(AddressList.limit).text(" addresses")
    }
    guard let table = Table<MACAddress>.make(count: count) else { throw Failure(ENOMEM, "no memory for addresses") }
    var place = 0
    for pass in 0..<2 {
      for index in 0..<count {
        let address = unsafe MACAddress(copying: list + index * 6)
        if address.isUsable || address.isGroup {
          if address.isGroup != (pass == 1) { continue }
          table[place] = address
          place += 1
        } else {
          table.destroy()
          throw Failure(EINVAL, "address ").number(index).text(" of the list is all zero")
        }
      }
      if pass == 0 { stations = place }
    }
    self.table = table
  }

  var count: Int { table?.count ?? 0 }
  var groups: Int { count - stations }

  /// The data of MAC_TABLE_SET: two lists, each behind its count. The counts given are 0 or those of all addresses.
  // Safety: the table has `stations` unicast addresses and `groups` multicast ones behind them.
  fileprivate func data(_ stations: Int, _ groups: Int) throws(Failure) -> CommandData {
    var data = try CommandData(room: 8 + 6 * (stations + groups))
    data.add(UInt32(stations))
    if let table { unsafe data.add(table.base, 6 * stations) }
    data.add(UInt32(groups))
    if let table { unsafe data.add(table.base + self.stations, 6 * groups) }
    return data
  }

  func destroy() { table?.destroy() }
}

extension Port {
  // Safety: AddressList copies the caller's list at once.
  mutating func setAddresses(_ list: UnsafePointer<UInt8>?, _ count: Int) throws(Failure) {
    try require(Feature.controlReceive)
    let addresses = try unsafe AddressList(list, count)
    do throws(Failure) {
      try sendAddresses(addresses)
    } catch {
      addresses.destroy()
      restoreModes()
      throw error
    }
    settings.addresses.destroy()
    settings.addresses = addresses
  }

  /// Puts the list into the device's table. Where that is too small, unicast addresses, multicast ones or both are left out,
  /// and all frames of that kind pass.
  private mutating func sendAddresses(_ list: AddressList) throws(Failure) {
    let unicast = agreed.features.has(Feature.controlReceiveExtra) ? ReceiveModes.allUnicast : ReceiveModes.promiscuous
    var widened = settings.modes.forTable
    for attempt in 0..<4 {
      let leavesStations = attempt & 2 != 0
      let leavesGroups = attempt & 1 != 0
      if leavesStations && list.stations == 0 || leavesGroups && list.groups == 0 { continue }
      let wide = (leavesStations ? unicast : 0) | (leavesGroups ? ReceiveModes.allMulticast : 0)
      // Wider before the table shrinks, narrower after it has grown: nothing wanted is dropped in between.
      try sendModes(wide, UInt8.max)
      widened |= wide
      let data = try list.data(leavesStations ? 0 : list.stations, leavesGroups ? 0 : list.groups)
      defer { data.destroy() }
      if try !acceptsTable(data) { continue }
      settings.modes.forTable = wide
      if wide != 0, Log.wanted(.info) {
        Log.line("port").number(number).text("has no room for").number(list.stations).text("unicast and")
          .number(list.groups).text("multicast addresses: modes").hex(wide).text("instead").send(.info)
      }
      return try sendModes(widened, settings.modes.wanted | wide)
    }
    throw Failure(EIO, "the device refused control command MAC_TABLE_SET, even without an address")
  }

  /// True if the device took the table; false if it is too large for it, or for any command.
  private mutating func acceptsTable(_ data: CommandData) throws(Failure) -> Bool {
    if let control = queues.control, data.count > control.room { return false }
    if Failure.quietly({ () throws(Failure) in try send(ControlCommand.setAddresses, data) }) != nil { return true }
    // A device that does not answer has not refused: this call fails at once.
    if queues.control?.isLost ?? false || bus.isGone { try send(ControlCommand.setAddresses, data) }
    return false
  }
}
