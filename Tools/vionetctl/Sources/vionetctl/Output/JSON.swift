// SPDX-License-Identifier: BSD-2-Clause
//
// Output for programs: the same facts as the tables have. Every key is always there; its value is null if unknown.

import FoundationEssentials

enum JSON {
  static func text(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}

extension Device: Encodable {
  private enum Key: String, CodingKey { case address, kind, driver, interface, in_use, iommu_group, ready, reason }

  func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: Key.self)
    try object.encode(address, forKey: .address)
    try object.encode(kind.rawValue, forKey: .kind)
    try object.encode(driver, forKey: .driver)
    try object.encode(interface, forKey: .interface)
    try object.encode(uses, forKey: .in_use)
    try object.encode(group, forKey: .iommu_group)
    try object.encode(reason == nil, forKey: .ready)
    try object.encode(reason, forKey: .reason)
  }
}

extension Feature: Encodable {
  private enum Key: String, CodingKey { case bit, name, negotiated }

  func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: Key.self)
    try object.encode(bit, forKey: .bit)
    try object.encode(name, forKey: .name)
    try object.encode(isNegotiated, forKey: .negotiated)
  }
}

extension PortInformation: Encodable {
  private enum Key: String, CodingKey {
    case device, mac, mac_random, mtu, link_up, queue_pairs, max_queue_pairs, ring, rx_descriptors, tx_descriptors
    case header_size, features
  }

  func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: Key.self)
    try object.encode(device, forKey: .device)
    try object.encode(mac, forKey: .mac)
    try object.encode(macIsRandom, forKey: .mac_random)
    try object.encode(mtu, forKey: .mtu)
    try object.encode(linkIsUp, forKey: .link_up)
    try object.encode(queuePairs, forKey: .queue_pairs)
    try object.encode(maximumQueuePairs, forKey: .max_queue_pairs)
    try object.encode(ring?.rawValue, forKey: .ring)
    try object.encode(receiveDescriptors, forKey: .rx_descriptors)
    try object.encode(transmitDescriptors, forKey: .tx_descriptors)
    try object.encode(headerSize, forKey: .header_size)
    try object.encode(features, forKey: .features)
  }
}

extension DeviceCounts: Encodable {
  private enum Key: String, CodingKey {
    case socket, wire, to_driver, from_driver, to_driver_drops, from_driver_drops, connections, faults, fault, reason
  }

  func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: Key.self)
    try object.encode(path, forKey: .socket)
    try object.encode(wire, forKey: .wire)
    try object.encode(toDriver, forKey: .to_driver)
    try object.encode(fromDriver, forKey: .from_driver)
    try object.encode(toDriverDrops, forKey: .to_driver_drops)
    try object.encode(fromDriverDrops, forKey: .from_driver_drops)
    try object.encode(connections, forKey: .connections)
    try object.encode(faults, forKey: .faults)
    try object.encode(fault, forKey: .fault)
    try object.encode(reason, forKey: .reason)
  }
}

extension PortCounters: Encodable {
  private enum Key: String, CodingKey { case port, device, state, counters }

  func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: Key.self)
    try object.encode(port.number, forKey: .port)
    try object.encode(port.device, forKey: .device)
    try object.encode(port.state, forKey: .state)
    try object.encode(values, forKey: .counters)
  }
}
