// SPDX-License-Identifier: BSD-2-Clause

import ArgumentParser

/// A setting by its name in the control socket's protocol.
enum Setting: String, CaseIterable, ExpressibleByArgument {
  case mac, mtu, promiscuous, vlan, rss, coalesce
  case allMulticast = "all_multicast"
  case queuePairs = "queue_pairs"

  init?(argument: String) {
    // The names in `ip link`.
    let others = ["promisc": "promiscuous", "allmulti": "all_multicast", "allmulticast": "all_multicast"]
    self.init(rawValue: others[argument] ?? argument)
  }
}

struct SetPort: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "set",
    abstract: "Change a setting of a running program's port.",
    discussion: """
      SOCKET is the path of a control socket that the program has opened. Settings and their values:

        mac 02:00:00:00:00:01           the port's MAC address
        mtu 1400                        largest packet, without the Ethernet header
        promiscuous on|off              receive every frame, or only frames for this port
        all_multicast on|off            receive every multicast frame
        vlan add|remove ID              receive frames of that VLAN
        queue_pairs COUNT               the number of queue pairs in use
        coalesce rx|tx all|QUEUE PACKETS MICROSECONDS
                                        how long an interrupt may be delayed; 0 0 for not at all
        rss [key=HEX] [table=QUEUE,...] [types=TYPE,...|all] [unclassified=QUEUE]
                                        how received packets are spread over queues

      The device carries out all settings but the MTU. If the feature that one needs was not negotiated, the command \
      fails and names it.
      """)

  @Flag(help: "Print what was set as a JSON object.")
  var json = false

  @Option(help: ArgumentHelp("The port, if the program has several.", valueName: "number"))
  var port: Int?

  @Argument(help: "The program's control socket.", completion: .file())
  var socket: String

  @Argument(help: "The name of the setting.")
  var setting: Setting

  @Argument(help: "Its value.")
  var values: [String]

  private struct Done: Encodable {
    let port: Int
    let setting: String
    let values: [String]
  }

  func validate() throws {
    if values.contains(where: { $0.contains { $0.isWhitespace || $0.isNewline } || $0.isEmpty }) {
      throw ValidationError("A value has a blank in it.")
    }
  }

  func run() throws {
    let changed = try Progress.during("waiting for \(socket)") { _ in
      let connection = try ControlSocket(socket)
      let port = try RunningPort.one(connection, port)
      try connection.ask("set \(port.number) \(setting.rawValue) \(values.joined(separator: " "))")
      return port
    }
    if json { print(try JSON.text(Done(port: changed.number, setting: setting.rawValue, values: values))) }
  }
}
