// SPDX-License-Identifier: BSD-2-Clause
//
// Which frames the driver accepts, set through the control queue (virtio 1.4, 5.1.9.5.1 to 5.1.9.5.3). After a reset it
// gets all frames, until it switches promiscuous mode off.

import CLinux
import Linux
import Virtio

struct Filter {
  /// Addresses of one kind in the table. If the driver gives more, all of that kind are accepted.
  static let most = 64
  static let room = 2 * 8 * most + 512

  /// Unicast addresses, multicast addresses, and a bit for each VLAN.
  private let table: Bytes
  private var unicast = 0
  private var multicast = 0
  private var modes: UInt8 = 1
  private var hasVLANs = false

  init(_ table: Bytes) { self.table = table }

  /// Lets all frames through again. `vlans`: frames are filtered by their VLAN tags.
  mutating func reset(vlans: Bool) {
    unicast = 0
    multicast = 0
    modes = 1 << ReceiveMode.promiscuous.rawValue
    hasVLANs = vlans
    table.clear()
  }

  private func has(_ mode: ReceiveMode) -> Bool { modes >> mode.rawValue & 1 != 0 }

  /// Frames are filtered.
  var isActive: Bool { !has(.promiscuous) }

  mutating func set(_ mode: ReceiveMode, _ on: Bool) {
    modes = modes & ~(1 << mode.rawValue) | (on ? 1 << mode.rawValue : 0)
  }

  /// Puts one address of a table into its place; those beyond the room only count.
  mutating func put(_ address: UInt64, _ place: Int, isMulticast: Bool) {
    // tested by abi-filtered-frames
    if place < Self.most { table.store((isMulticast ? 8 * Self.most : 0) + 8 * place, address) }
  }

  mutating func setCount(_ count: Int, isMulticast: Bool) {
    if isMulticast { multicast = count } else { unicast = count }
  }

  mutating func setVLAN(_ id: Int, _ on: Bool) {
    let at = 16 * Self.most + id / 8
    table[at] = table[at] & ~(1 << UInt8(id % 8)) | (on ? 1 << UInt8(id % 8) : 0)
  }

  @inline(never)
  func accepts(_ frame: Frame, _ own: UInt64, scratch: Bytes) -> Bool {
    if has(.promiscuous) { return true }
    let tag = frame.word(12, scratch: scratch)
    if hasVLANs, tag >> 48 == UInt64(EtherType.vlan) {
      let id = Int(tag >> 32 & 0xfff)
      if table[16 * Self.most + id / 8] >> UInt8(id % 8) & 1 == 0 { return false }
    }
    let target = frame.word(0, scratch: scratch) >> 16
    if target == 0xffff_ffff_ffff { return !has(.noBroadcast) }
    if target >> 40 & 1 != 0 {
      return !has(.noMulticast) && (has(.allMulticast) || contains(target, from: Self.most, multicast))
    }
    return !has(.noUnicast) && (has(.allUnicast) || target == own || contains(target, from: 0, unicast))
  }

  private func contains(_ address: UInt64, from start: Int, _ count: Int) -> Bool {
    if count > Self.most { return true }
    for place in start..<start + count where table.load(8 * place, as: UInt64.self) == address { return true }
    return false
  }
}
