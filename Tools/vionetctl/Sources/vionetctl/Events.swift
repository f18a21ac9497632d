// SPDX-License-Identifier: BSD-2-Clause

import ArgumentParser
import Glibc

struct Event {
  /// Seconds since 1970, with milliseconds.
  let time: String
  let port: Int
  let name: String

  /// Reads a line such as "1763853073.125 port 0 link-down".
  init?(_ line: String) {
    let words = line.split(separator: " ")
    guard words.count == 4, words[1] == "port", Double(words[0]) != nil, let port = Int(words[2]) else { return nil }
    time = String(words[0])
    self.port = port
    name = String(words[3])
  }

  var localTime: String {
    let parts = time.split(separator: ".")
    var seconds = time_t(parts[0]) ?? 0
    var broken = unsafe tm()
    _ = unsafe localtime_r(&seconds, &broken)
    var room = [CChar](repeating: 0, count: 32)
    let length = unsafe strftime(&room, room.count, "%Y-%m-%d %H:%M:%S", &broken)
    return String(decoding: room[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self) + "." + (parts.last ?? "000")
  }
}

struct FollowEvents: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "events",
    abstract: "Print the events of a running program's ports as they happen.",
    discussion: """
      SOCKET is the path of a control socket that the program has opened. The events are those of vionet.h: new, \
      closed, link-up, link-down, announce, needs-reset, recovered, broken, gone, connected. The command ends with \
      SIGINT, or with an error when the program ends.
      """)

  @Flag(help: "Print one JSON object a line for each event.")
  var json = false

  @Option(help: ArgumentHelp("Print the events of this port only.", valueName: "number"))
  var port: Int?

  @Argument(help: "The program's control socket.", completion: .file())
  var socket: String

  func run() throws {
    let connection = try ControlSocket(socket)
    if let port { _ = try RunningPort.all(connection, only: port) }
    try connection.follow("events") { line in
      guard let event = Event(line) else { return say(line) }
      if let port, event.port != port { return }
      say(
        json
          ? #"{"time": \#(event.time), "port": \#(event.port), "event": "\#(event.name)"}"#
          : "\(event.localTime)  port \(event.port)  \(event.name)")
    }
    throw Sentence("the program behind \"\(socket)\" is gone")
  }

  private func say(_ line: String) {
    print(line)
    fflush(nil)
  }
}
