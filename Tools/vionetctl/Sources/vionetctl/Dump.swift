// SPDX-License-Identifier: BSD-2-Clause

import ArgumentParser

struct Dump: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show all that a running program tells of its ports and pools.",
    discussion: """
      SOCKET is the path of a control socket that the program has opened. Of each port: what it is, the features in use \
      by name, its queues, and every counter that is not zero. Then the pools of packets, and the last error of the \
      thread that serves the socket.
      """)

  @Flag(help: "Print a JSON object.")
  var json = false

  @Option(help: ArgumentHelp("Show this port only.", valueName: "number"))
  var port: Int?

  @Argument(help: "The program's control socket.", completion: .file())
  var socket: String

  func run() throws {
    let program = try Progress.during("waiting for \(socket)") { _ in
      try ProgramDescription(socket, only: port)
    }
    print(json ? try JSON.text(program) : Dump.text(program))
  }

  private static func text(_ program: ProgramDescription) -> String {
    var parts = program.ports.map(text)
    if !program.pools.isEmpty { parts.append(program.pools.map(text).joined(separator: "\n")) }
    parts.append("last error: \(program.lastError ?? "none")")
    return parts.joined(separator: "\n\n")
  }

  private static func text(_ port: PortDescription) -> String {
    var lines = [Style.bold.on("port \(port.port.number): \(port.port.device), \(port.port.state)")]
    lines += facts(port).map { key, value in
      "  \(key)\(String(repeating: " ", count: max(1, 13 - key.count)))\(value)"
    }
    lines.append("  features in use")
    for feature in port.features where feature.isNegotiated {
      let bit = String(feature.bit)
      lines.append("    \(String(repeating: " ", count: 3 - bit.count))\(bit)  \(feature.name ?? "(no name)")")
    }
    lines.append("  queues")
    lines += queues(port).split(separator: "\n").map { "    \($0)" }
    let counted = port.counted
    lines.append(counted.isEmpty ? "  all counters are zero" : "  counters that are not zero")
    lines += counted.map { "    \($0.name) \($0.value)" }
    return lines.joined(separator: "\n")
  }

  private static func facts(_ port: PortDescription) -> [(String, String)] {
    var facts = [
      ("MAC", port["mac"] + (port["mac_random"] == "1" ? " (random)" : "")),
      ("MTU", port["mtu"]),
      ("link", port["link"] + (port.facts["reason"].map { ": \($0.text)" } ?? "")),
      ("speed", port["speed"] == "0" ? "not known" : "\(port["speed"]) Mbit/s"),
      ("queue pairs", "\(port["queue_pairs"]) of \(port["max_queue_pairs"])"),
      (
        "rings",
        "\(port["ring"]), \(port["rx_descriptors"]) descriptors to receive (most: \(port["max_rx_descriptors"])), "
          + "\(port["tx_descriptors"]) to transmit (most: \(port["max_tx_descriptors"]))"
      ),
      ("paths", "\(port["rx_path"]) \(port["tx_path"])"),
      ("header", "\(port["header_size"]) bytes before each frame"),
      ("pool", port["pool"]),
      ("offloads", "receive: \(list(port, "rx_offloads")); transmit: \(list(port, "tx_offloads"))"),
      ("started in", "\(port["start_microseconds"]) microseconds"),
    ]
    for key in ["rss_key", "rss_table", "rss_types", "rss_unclassified"] {
      if let value = port.facts[key] { facts.append((key, value.text)) }
    }
    return facts
  }

  private static func list(_ port: PortDescription, _ key: String) -> String {
    let names = port.offloads(key)
    return names.isEmpty ? "none" : names.joined(separator: " ")
  }

  private static func queues(_ port: PortDescription) -> String {
    var table = Table("QUEUE", "", "RING", "PACKETS", "BYTES", "LOST", "NO BUFFER", "RING FULL", "KICKS", "BROKEN")
    for number in 0..<port.counters.queues {
      for way in ["rx", "tx"] {
        let values = port.queue(number, way)
        let lost = values.reduce(0) { $1.key.hasPrefix("drop_") ? $0 &+ $1.value : $0 }
        let names = ["descriptors", "good_packets", "good_bytes", "", "no_buffer", "ring_full", "kicks", "broken"]
        table.add(["\(number)", way] + names.map { $0.isEmpty ? "\(lost)" : "\(values[$0] ?? 0)" })
      }
    }
    return table.text
  }

  private static func text(_ pool: [String: UInt64]) -> String {
    func value(_ key: String) -> UInt64 { pool[key] ?? 0 }
    let pages = value("hugepages") == 0 ? "plain pages" : "pages of \(value("hugepages") >> 10) KiB"
    var text = "pool \(value("pool")): \(value("packets")) packets of \(value("data_size")) bytes, "
    text += "\(value("available")) free; \(value("memory") >> 10) KiB in \(pages)"
    if value("private_size") != 0 { text += "; \(value("private_size")) private bytes each" }
    if value("attached") != 0 { text += "; \(value("attached")) attached" }
    return text + (value("refused") == 0 ? "" : "; \(value("refused")) frees refused")
  }
}
