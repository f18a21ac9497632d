// SPDX-License-Identifier: BSD-2-Clause
//
// The commands of a device's control queue (virtio 1.4, 5.1.9.5), by class and number. Those of class RX are in
// ReceiveFilter.swift.

extension ControlCommand {
  static let setAddresses = ControlCommand(group: 1, number: 0, name: "MAC_TABLE_SET")
  static let setAddress = ControlCommand(group: 1, number: 1, name: "MAC_ADDR_SET")
  static let addVLAN = ControlCommand(group: 2, number: 0, name: "VLAN_ADD")
  static let deleteVLAN = ControlCommand(group: 2, number: 1, name: "VLAN_DEL")
  static let announceAcknowledge = ControlCommand(group: 3, number: 0, name: "ANNOUNCE_ACK")
  static let pairs = ControlCommand(group: 4, number: 0, name: "VQ_PAIRS_SET")
  static let setRSS = ControlCommand(group: 4, number: 1, name: "MQ_RSS_CONFIG")
  static let setHash = ControlCommand(group: 4, number: 2, name: "MQ_HASH_CONFIG")
  static let setOffloads = ControlCommand(group: 5, number: 0, name: "GUEST_OFFLOADS_SET")
  static let coalesceTransmit = ControlCommand(group: 6, number: 0, name: "NOTF_COAL_TX_SET")
  static let coalesceReceive = ControlCommand(group: 6, number: 1, name: "NOTF_COAL_RX_SET")
  static let coalesceQueue = ControlCommand(group: 6, number: 2, name: "NOTF_COAL_VQ_SET")
  static let queryCounters = ControlCommand(group: 8, number: 0, name: "STATS_QUERY")
  static let getCounters = ControlCommand(group: 8, number: 1, name: "STATS_GET")
}
