// SPDX-License-Identifier: BSD-2-Clause
//
// All that a control socket tells of a running program.

import CVionet

/// A value as it stands behind its key.
enum Value: Encodable {
  case number(UInt64)
  case text(String)

  init(_ text: some StringProtocol) { self = UInt64(text).map { .number($0) } ?? .text(String(text)) }

  var text: String {
    switch self {
    case .number(let number): String(number)
    case .text(let text): text
    }
  }

  func encode(to encoder: any Encoder) throws {
    var room = encoder.singleValueContainer()
    switch self {
    case .number(let number): try room.encode(number)
    case .text(let text): try room.encode(text)
    }
  }
}

struct PortDescription {
  let port: RunningPort
  /// Lines of info, but those about features.
  let facts: [String: Value]
  let features: [Feature]
  let counters: PortCounters

  init(_ port: RunningPort, _ socket: ControlSocket) throws {
    self.port = port
    var facts: [String: Value] = [:]
    var bits: [String: (UInt64, UInt64)] = [:]
    for line in try socket.ask("info \(port.number)") {
      let key = String(line.prefix { $0 != " " })
      let value = line.dropFirst(key.count + 1)
      if key == "offered" || key == "negotiated" {
        bits[key] = PortDescription.words(value)
      } else {
        facts[key] = Value(value)
      }
    }
    self.facts = facts
    features = PortInformation.features(offered: bits["offered"] ?? (0, 0), negotiated: bits["negotiated"] ?? (0, 0))
    counters = try PortCounters(port, socket)
  }

  /// "0x" and 32 digits, the upper word first.
  private static func words(_ text: Substring) -> (UInt64, UInt64) {
    let digits = text.dropFirst(2)
    return (UInt64(digits.suffix(16), radix: 16) ?? 0, UInt64(digits.dropLast(16), radix: 16) ?? 0)
  }

  subscript(_ key: String) -> String { facts[key]?.text ?? "-" }

  /// Names of the offloads in use; their bits are those of vionet.h.
  func offloads(_ key: String) -> [String] {
    let names =
      key == "rx_offloads"
      ? ["checksum", "lro", "vlan_strip", "vlan_filter", "rss", "hash", "tunnel"]
      : ["software", "checksum", "tcp4", "tcp6", "udp", "ecn", "tunnel"]
    guard case .number(let bits) = facts[key] else { return [] }
    return names.enumerated().filter { bits >> UInt64($0.offset) & 1 != 0 }.map(\.element)
  }

  /// Counters that are not zero.
  var counted: [(name: String, value: UInt64)] {
    counters.names.filter { counters[$0] != 0 }.map { ($0, counters[$0]) }
  }

  /// What is counted of one queue in one direction, by the names without "rx_q0_", and the size of its ring.
  func queue(_ number: Int, _ way: String) -> [String: UInt64] {
    let prefix = "\(way)_q\(number)_"
    var values: [String: UInt64] = [:]
    for each in counted where each.name.hasPrefix(prefix) {
      values[String(each.name.dropFirst(prefix.count))] = each.value
    }
    if case .number(let descriptors) = facts["\(way)_descriptors"] { values["descriptors"] = descriptors }
    return values
  }
}

extension PortDescription: Encodable {
  private enum Key: String, CodingKey {
    case port, device, state, information, rx_offloads, tx_offloads, features, queues, counters
  }

  private struct Queue: Encodable {
    let queue: Int
    let rx: [String: UInt64]
    let tx: [String: UInt64]
  }

  func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: Key.self)
    try object.encode(port.number, forKey: .port)
    try object.encode(port.device, forKey: .device)
    try object.encode(port.state, forKey: .state)
    try object.encode(facts, forKey: .information)
    try object.encode(offloads("rx_offloads"), forKey: .rx_offloads)
    try object.encode(offloads("tx_offloads"), forKey: .tx_offloads)
    try object.encode(features, forKey: .features)
    let queues = (0..<counters.queues).map { Queue(queue: $0, rx: queue($0, "rx"), tx: queue($0, "tx")) }
    try object.encode(queues, forKey: .queues)
    try object.encode(Dictionary(counted.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 }), forKey: .counters)
  }
}

struct ProgramDescription: Encodable {
  let ports: [PortDescription]
  /// Values by their keys, and the pool's number as "pool".
  let pools: [[String: UInt64]]
  let lastError: String?

  private enum CodingKeys: String, CodingKey { case ports, pools, last_error }

  init(_ path: String, only number: Int?) throws {
    let socket = try ControlSocket(path)
    ports = try RunningPort.all(socket, only: number).map { try PortDescription($0, socket) }
    var pools: [[String: UInt64]] = []
    for line in try socket.ask("pools") {
      let words = line.split(separator: " ")
      guard words.count == 4, let number = UInt64(words[1]), let value = UInt64(words[3]) else { continue }
      if pools.last?["pool"] != number { pools.append(["pool": number]) }
      pools[pools.count - 1][String(words[2])] = value
    }
    self.pools = pools
    lastError = try socket.ask("error").first.map { String($0.dropFirst("sentence ".count)) }
  }

  func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: CodingKeys.self)
    try object.encode(ports, forKey: .ports)
    try object.encode(pools, forKey: .pools)
    try object.encode(lastError, forKey: .last_error)
  }
}
