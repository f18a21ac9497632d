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
      closed, link-up, link-down, announce, needs-reset, recovered, broken, gone, connected. The command ends at \
      SIGINT or SIGTERM, or when the program ends, and then says on standard error how many events there were.
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
    var count = 0
    let end = try connection.follow("events") { line in
      count += 1
      guard let event = Event(line) else { return say(line) }
      if let port, event.port != port {
        count -= 1
        return
      }
      say(
        json
          ? #"{"time": \#(event.time), "port": \#(event.port), "event": "\#(event.name)"}"#
          : "\(event.localTime)  port \(event.port)  \(event.name)")
    }
    let reason = end == .interrupted ? "stopped" : "the program behind \"\(socket)\" has ended"
    let sentence = Array("\(reason), after \(count) \(count == 1 ? "event" : "events")\n".utf8)
    _ = unsafe write(STDERR_FILENO, sentence, sentence.count)
  }

  private func say(_ line: String) {
    print(line)
    fflush(nil)
  }
}
