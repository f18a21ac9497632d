// SPDX-License-Identifier: BSD-2-Clause
//
// Commands of the control queue (virtio 1.4, 5.1.9.5): one byte of class, one of command, data, and one byte of answer.

/// Class and number of a command, with its name for sentences.
package struct ControlCommand: Sendable {
  package let group: UInt8
  package let number: UInt8
  package let name: StaticString

  @inline(__always)
  package init(group: UInt8, number: UInt8, name: StaticString) {
    self.group = group
    self.number = number
    self.name = name
  }
}

/// Classes, as VIRTIO_NET_CTRL_* has them.
package enum ControlClass {
  @inline(__always) package static var receive: UInt8 { 0 }
  @inline(__always) package static var mac: UInt8 { 1 }
  @inline(__always) package static var vlan: UInt8 { 2 }
  @inline(__always) package static var announce: UInt8 { 3 }
  @inline(__always) package static var pairs: UInt8 { 4 }
  @inline(__always) package static var offloads: UInt8 { 5 }
  @inline(__always) package static var coalescing: UInt8 { 6 }
  @inline(__always) package static var statistics: UInt8 { 8 }
}

/// The byte in which a device answers.
package enum ControlAnswer {
  @inline(__always) package static var ok: UInt8 { 0 }
  @inline(__always) package static var error: UInt8 { 1 }
}

/// Receive modes, each switched by the command of its number in class RX (5.1.9.5.1).
package enum ReceiveMode: UInt8, Sendable {
  case promiscuous, allMulticast, allUnicast, noMulticast, noUnicast, noBroadcast
}

extension ControlCommand {
  /// The command that switches a receive mode on or off.
  package init(_ mode: ReceiveMode) {
    let name: StaticString =
      switch mode {
      case .promiscuous: "PROMISC"
      case .allMulticast: "ALLMULTI"
      case .allUnicast: "ALLUNI"
      case .noMulticast: "NOMULTI"
      case .noUnicast: "NOUNI"
      case .noBroadcast: "NOBCAST"
      }
    self.init(group: ControlClass.receive, number: mode.rawValue, name: name)
  }

  // MARK: Addresses (5.1.9.5.2) and VLANs (5.1.9.5.3)

  package static var setAddresses: ControlCommand { ControlCommand(group: 1, number: 0, name: "MAC_TABLE_SET") }
  package static var setAddress: ControlCommand { ControlCommand(group: 1, number: 1, name: "MAC_ADDR_SET") }
  package static var addVLAN: ControlCommand { ControlCommand(group: 2, number: 0, name: "VLAN_ADD") }
  package static var deleteVLAN: ControlCommand { ControlCommand(group: 2, number: 1, name: "VLAN_DEL") }

  // MARK: Announcement (5.1.9.5.4), queue pairs (5.1.9.5.6) and hashing (5.1.9.5.6.4, 5.1.9.5.7)

  package static var announceAcknowledge: ControlCommand { ControlCommand(group: 3, number: 0, name: "ANNOUNCE_ACK") }
  package static var pairs: ControlCommand { ControlCommand(group: 4, number: 0, name: "VQ_PAIRS_SET") }
  package static var setRSS: ControlCommand { ControlCommand(group: 4, number: 1, name: "MQ_RSS_CONFIG") }
  package static var setHash: ControlCommand { ControlCommand(group: 4, number: 2, name: "MQ_HASH_CONFIG") }

  // MARK: Offloads (5.1.9.5.9), notification coalescing (5.1.9.5.10), statistics (5.1.9.5.11)

  package static var setOffloads: ControlCommand { ControlCommand(group: 5, number: 0, name: "GUEST_OFFLOADS_SET") }
  package static var coalesceTransmit: ControlCommand { ControlCommand(group: 6, number: 0, name: "NOTF_COAL_TX_SET") }
  package static var coalesceReceive: ControlCommand { ControlCommand(group: 6, number: 1, name: "NOTF_COAL_RX_SET") }
  package static var coalesceQueue: ControlCommand { ControlCommand(group: 6, number: 2, name: "NOTF_COAL_VQ_SET") }
  package static var readCoalescing: ControlCommand { ControlCommand(group: 6, number: 3, name: "NOTF_COAL_VQ_GET") }
  package static var queryCounters: ControlCommand { ControlCommand(group: 8, number: 0, name: "STATS_QUERY") }
  package static var getCounters: ControlCommand { ControlCommand(group: 8, number: 1, name: "STATS_GET") }
}

/// Kinds of counters that a device may keep, each a bit of the types that commands name and the type of a block of the
/// answer (5.1.9.5.11). A block is a header of eight bytes and then 64-bit numbers.
package enum CounterKind {
  @inline(__always) package static var receiveBasic: UInt64 { 0 }
  @inline(__always) package static var transmitBasic: UInt64 { 16 }
  @inline(__always) package static var control: UInt64 { 32 }

  @inline(__always) package static var headerBytes: Int { 8 }
  /// Bytes that name a queue and kinds in the command that gets counters.
  @inline(__always) package static var entryBytes: Int { 16 }
}
