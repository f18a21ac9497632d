// SPDX-License-Identifier: BSD-2-Clause
//
// The ports of a running program, and their counters.

struct RunningPort {
  let number: Int
  let state: String
  let device: String

  /// Reads a line such as "port 0 started soft:loopback".
  init?(_ line: String) {
    let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
    guard words.count == 4, words[0] == "port", let number = Int(words[1]) else { return nil }
    self.number = number
    state = String(words[2])
    device = String(words[3])
  }

  /// All ports, or only the one with that number.
  static func all(_ socket: ControlSocket, only number: Int?) throws -> [RunningPort] {
    let ports = try socket.ask("list").compactMap { RunningPort($0) }
    guard let number else { return ports }
    let wanted = ports.filter { $0.number == number }
    if wanted.isEmpty { throw Sentence("the program has no port \(number)\(RunningPort.choice(ports))") }
    return wanted
  }

  /// The port with that number, or the only port if there is no number.
  static func one(_ socket: ControlSocket, _ number: Int?) throws -> RunningPort {
    let ports = try all(socket, only: number)
    if let port = ports.first, ports.count == 1 { return port }
    throw Sentence(
      ports.isEmpty ? "the program has no port" : "the program has several ports: --port\(choice(ports))")
  }

  private static func choice(_ ports: [RunningPort]) -> String {
    ports.isEmpty ? "" : " (" + ports.map { "\($0.number) is \($0.device)" }.joined(separator: ", ") + ")"
  }
}

struct PortCounters {
  let port: RunningPort
  /// Names in the order of vionet_xstats().
  let names: [String]
  let values: [String: UInt64]
  /// What follows a port's state: why the device of a soft: port carries no more frames; nil while it does.
  let reason: String?
  /// When the counters were read, in seconds of a monotonic clock.
  let time: Double

  init(_ port: RunningPort, _ socket: ControlSocket) throws {
    self.port = port
    var names: [String] = []
    var values: [String: UInt64] = [:]
    for line in try socket.ask("stats \(port.number)") {
      let words = line.split(separator: " ")
      guard words.count == 2, let value = UInt64(words[1]) else { continue }
      names.append(String(words[0]))
      values[names[names.count - 1]] = value
    }
    self.names = names
    self.values = values
    reason = try socket.ask("info \(port.number)").first { $0.hasPrefix("reason ") }.map { "; \($0.dropFirst(7))" }
    time = Clock.now
  }

  /// The counters of all ports, or only of the one with that number.
  static func all(_ path: String, only number: Int?) throws -> [PortCounters] {
    let socket = try ControlSocket(path)
    return try RunningPort.all(socket, only: number).map { try PortCounters($0, socket) }
  }

  /// The number of queue pairs that have counters.
  var queues: Int { (0...).first { values["rx_q\($0)_good_packets"] == nil } ?? 0 }

  subscript(_ name: String) -> UInt64 { values[name] ?? 0 }

  /// The sum of all counters whose names have that prefix.
  func sum(_ prefix: String) -> UInt64 { names.reduce(0) { $1.hasPrefix(prefix) ? $0 &+ self[$1] : $0 } }

  /// Growth per second since an earlier reading; 0 if the counter was reset.
  func rate(_ name: String, since before: PortCounters) -> Double {
    let (now, then) = (self[name], before[name])
    return now < then || time <= before.time ? 0 : Double(now - then) / (time - before.time)
  }
}
