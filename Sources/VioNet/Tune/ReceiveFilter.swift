// SPDX-License-Identifier: BSD-2-Clause
//
// Which frames the device passes on (virtio 1.4, 5.1.9.5.1 to 5.1.9.5.3): modes, a table of addresses, VLANs.

import CLinux
import CVionet
import Linux

/// Modes, bit n for command n of the class RX, which is also what vionet.h has.
struct ReceiveModes {
  static let promiscuous: UInt8 = 1 << 0
  static let allMulticast: UInt8 = 1 << 1
  static let allUnicast: UInt8 = 1 << 2
  /// Of VIRTIO_NET_F_CTRL_RX; the others are of VIRTIO_NET_F_CTRL_RX_EXTRA.
  static let plain = promiscuous | allMulticast

  /// What the user wants, and about which modes he said anything; of the others this is what devices do by custom.
  var wanted = promiscuous
  var named: UInt8 = 0
  /// On because the table does not take all addresses.
  var forTable: UInt8 = 0
  /// What the device was told since its reset, and about which modes it was told anything.
  var told: UInt8 = 0
  var known: UInt8 = 0

  static func name(_ number: UInt8) -> StaticString {
    switch number {
    case 0: "PROMISC"
    case 1: "ALLMULTI"
    case 2: "ALLUNI"
    case 3: "NOMULTI"
    case 4: "NOUNI"
    default: "NOBCAST"
    }
  }
}

extension Port {
  /// Switches those modes of `mask` on that are in `on`, and the others off.
  mutating func setModes(_ mask: UInt8, _ on: UInt8) throws(Failure) {
    try need(mask & ReceiveModes.plain != 0 ? VIRTIO_NET_F_CTRL_RX : VIRTIO_NET_F_CTRL_RX_EXTRA)
    do throws(Failure) {
      try tellModes(mask, on | settings.modes.forTable)
    } catch {
      narrowModes()
      throw error
    }
    settings.modes.wanted = settings.modes.wanted & ~mask | on & mask
    settings.modes.named |= mask
  }

  /// Modes are as before after something failed, as far as that can be had.
  private mutating func narrowModes() {
    Failure.quietly { () throws(Failure) in
      try tellModes(settings.modes.known, settings.modes.wanted | settings.modes.forTable)
    }
  }

  /// Tells the device of those modes of `mask` that it has otherwise, or that it was never told of.
  @inline(never)
  private mutating func tellModes(_ mask: UInt8, _ on: UInt8) throws(Failure) {
    let news = mask & (settings.modes.told ^ on | ~settings.modes.known)
    for number in UInt8(0)..<6 where news >> number & 1 != 0 {
      let bit: UInt8 = 1 << number
      try need(bit & ReceiveModes.plain != 0 ? VIRTIO_NET_F_CTRL_RX : VIRTIO_NET_F_CTRL_RX_EXTRA)
      var value = on >> number & 1
      try unsafe tell(ControlCommand(group: 0, number: number, name: ReceiveModes.name(number)), &value, 1)
      settings.modes.told = settings.modes.told & ~bit | on & bit
      settings.modes.known |= bit
    }
  }

  mutating func restoreFilters() throws(Failure) {
    settings.modes.known = 0
    settings.modes.forTable = 0
    try tellModes(settings.modes.named, settings.modes.wanted)
    if settings.addresses.count != 0 {
      try need(VIRTIO_NET_F_CTRL_RX)
      try tellAddresses(settings.addresses)
    }
    for word in 0..<64 {
      var left = settings.vlans[word]
      while left != 0 {
        try need(VIRTIO_NET_F_CTRL_VLAN)
        try tellVLAN(UInt16(word * 64 + left.trailingZeroBitCount), true)
        left &= left &- 1
      }
    }
  }

  // MARK: VLANs

  mutating func setVLAN(_ id: UInt16, _ on: Bool) throws(Failure) {
    try need(VIRTIO_NET_F_CTRL_VLAN)
    if id > 4095 { throw Failure(EINVAL, "VLAN ").number(id).text(": ids are 0 to 4095") }
    try tellVLAN(id, on)
    let bit: UInt64 = 1 << UInt64(id & 63)
    settings.vlans[Int(id >> 6)] &= ~bit
    if on { settings.vlans[Int(id >> 6)] |= bit }
  }

  private mutating func tellVLAN(_ id: UInt16, _ on: Bool) throws(Failure) {
    var data = id.littleEndian
    try unsafe tell(on ? ControlCommand.addVLAN : ControlCommand.deleteVLAN, &data, 2)
  }
}

// MARK: The table of addresses

/// Stations' addresses first, then groups'.
struct AddressList {
  private var table: Table<MACAddress>?
  private(set) var stations = 0

  static let most = 65535

  init() {}

  /// `list` has 6 bytes for each.
  init(_ list: UnsafePointer<UInt8>?, _ count: Int) throws(Failure) {
    if count == 0 { return }
    guard let list = unsafe list else { throw Failure(EINVAL, "list is NULL") }
    if UInt(bitPattern: count) > UInt(AddressList.most) {
      throw Failure(EINVAL, "a list has at most ").number(AddressList.most).text(" addresses")
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

  /// Both lists of the command, each behind its count; without one of them if so wished.
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
  mutating func setAddresses(_ list: UnsafePointer<UInt8>?, _ count: Int) throws(Failure) {
    try need(VIRTIO_NET_F_CTRL_RX)
    let addresses = try unsafe AddressList(list, count)
    do throws(Failure) {
      try tellAddresses(addresses)
    } catch {
      addresses.destroy()
      narrowModes()
      throw error
    }
    settings.addresses.destroy()
    settings.addresses = addresses
  }

  /// Puts the list into the device's table. Where that is too small, one of the two kinds is left out or both are, and
  /// all frames of that kind pass.
  private mutating func tellAddresses(_ list: AddressList) throws(Failure) {
    let unicast = features.has(VIRTIO_NET_F_CTRL_RX_EXTRA) ? ReceiveModes.allUnicast : ReceiveModes.promiscuous
    var widened = settings.modes.forTable
    for attempt in 0..<4 {
      let leavesStations = attempt & 2 != 0
      let leavesGroups = attempt & 1 != 0
      if leavesStations && list.stations == 0 || leavesGroups && list.groups == 0 { continue }
      let wide = (leavesStations ? unicast : 0) | (leavesGroups ? ReceiveModes.allMulticast : 0)
      // Wider before the table shrinks, narrower after it has grown: nothing wanted is dropped in between.
      try tellModes(wide, UInt8.max)
      widened |= wide
      let data = try list.data(leavesStations ? 0 : list.stations, leavesGroups ? 0 : list.groups)
      defer { data.destroy() }
      if try !takesTable(data) { continue }
      settings.modes.forTable = wide
      if wide != 0, Log.wanted(.info) {
        Log.line("port").number(number).text("has no room for").number(list.stations).text("unicast and")
          .number(list.groups).text("multicast addresses: modes").hex(wide).text("instead").send(.info)
      }
      return try tellModes(widened, settings.modes.wanted | wide)
    }
    throw Failure(EIO, "the device refused control command MAC_TABLE_SET, even without an address")
  }

  /// False if it is too large for the device, or for any command.
  private mutating func takesTable(_ data: CommandData) throws(Failure) -> Bool {
    if let control, data.count > control.room { return false }
    if Failure.quietly({ () throws(Failure) in try tell(ControlCommand.setAddresses, data) }) != nil { return true }
    // Silence is no refusal: this time it is an error, and at once.
    if control?.isLost ?? false || bus.isGone { try tell(ControlCommand.setAddresses, data) }
    return false
  }
}
