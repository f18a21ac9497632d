// SPDX-License-Identifier: BSD-2-Clause

import ArgumentParser

/// What can be set, by the word of the control socket.
enum Setting: String, CaseIterable, ExpressibleByArgument {
  case mac, mtu, promiscuous, vlan, rss, coalesce
  case allMulticast = "all_multicast"
  case queuePairs = "queue_pairs"

  init?(argument: String) {
    // As ip link calls them.
    let others = ["promisc": "promiscuous", "allmulti": "all_multicast", "allmulticast": "all_multicast"]
    self.init(rawValue: others[argument] ?? argument)
  }
}

struct SetPort: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "set",
    abstract: "Change a setting of a running program's port.",
    discussion: """
      SOCKET is one that the program has opened. Settings and their values:

        mac 02:00:00:00:00:01           the port's address
        mtu 1400                        largest packet after the Ethernet header
        promiscuous on|off              every frame, or only those for us
        all_multicast on|off            every multicast frame
        vlan add|remove ID              frames of that VLAN
        queue_pairs COUNT               so many in use
        coalesce rx|tx all|QUEUE PACKETS MICROSECONDS
                                        interrupts may wait so long, 0 0 for not at all
        rss [key=HEX] [table=QUEUE,...] [types=TYPE,...|all] [unclassified=QUEUE]

      All but the MTU are the device's to do: what it has not agreed to is refused with the name of the feature.
      """)

  @Option(help: ArgumentHelp("Which port, if the program has several.", valueName: "number"))
  var port: Int?

  @Argument(help: "The program's control socket.", completion: .file())
  var socket: String

  @Argument(help: "What is to be set.")
  var setting: Setting

  @Argument(help: "And how.")
  var values: [String]

  func validate() throws {
    if values.contains(where: { $0.contains { $0.isWhitespace || $0.isNewline } || $0.isEmpty }) {
      throw ValidationError("A value has a blank in it.")
    }
  }

  func run() throws {
    let connection = try ControlSocket(socket)
    let port = try RunningPort.one(connection, port)
    try connection.ask("set \(port.number) \(setting.rawValue) \(values.joined(separator: " "))")
  }
}
