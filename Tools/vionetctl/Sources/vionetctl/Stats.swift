// SPDX-License-Identifier: BSD-2-Clause

import ArgumentParser
import Glibc

struct Stats: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the counters of a running program's ports.",
    discussion: """
      SOCKET is the path of a control socket that the program has opened with vionet_control_open(), as the example \
      vionet-fwd-control does. The command prints the packets, bytes and drops of each queue, then every other counter \
      of vionet_xstats() that is not zero, and why the device of a soft: port carries no more frames. With --watch it \
      prints the first part again and again until SIGINT, with rates per second.
      """)

  @Flag(help: "Print a JSON array: one object for each port, with all counters by name.")
  var json = false

  @Flag(help: "Print again at every interval.")
  var watch = false

  @Option(help: ArgumentHelp("The interval of --watch.", valueName: "seconds"))
  var every: UInt32 = 1

  @Option(help: ArgumentHelp("Show this port only.", valueName: "number"))
  var port: Int?

  @Argument(help: "The program's control socket.", completion: .file())
  var socket: String

  func validate() throws {
    if every == 0 { throw ValidationError("The interval is 1 second or more.") }
  }

  func run() throws {
    var before: [PortCounters]?
    let isTerminal = watch && !json && isatty(STDOUT_FILENO) == 1
    repeat {
      if before != nil { Clock.sleep(seconds: every) }
      let counters = try Progress.during("waiting for \(socket)") { _ in try PortCounters.all(socket, only: port) }
      if isTerminal { print("\u{1b}[H\u{1b}[J", terminator: "") }
      if json {
        print(try JSON.text(counters))
      } else if watch {
        print(Stats.table(counters, since: before ?? []))
      } else {
        print(Stats.table(counters, since: nil))
        for each in counters { Stats.printOthers(each) }
      }
      fflush(nil)
      before = counters
    } while watch
  }

  /// One line for each queue. With `before`, even an empty one, also the rates since then.
  private static func table(_ all: [PortCounters], since before: [PortCounters]?) -> String {
    let headings = ["PORT", "QUEUE", "RX PACKETS", "RX BYTES", "LOST", "TX PACKETS", "TX BYTES", "LOST"]
    var table = Table(headings + (before == nil ? [] : ["RX PACKETS/S", "RX BIT/S", "TX PACKETS/S", "TX BIT/S"]))
    for counters in all {
      let old = before?.first { $0.port.number == counters.port.number && $0.port.device == counters.port.device }
      for queue in 0..<counters.queues {
        var cells = ["\(counters.port.number)", "\(queue)"]
        var rates: [String] = []
        for way in ["rx_q\(queue)", "tx_q\(queue)"] {
          cells += ["\(counters["\(way)_good_packets"])", "\(counters["\(way)_good_bytes"])"]
          cells.append("\(counters.sum("\(way)_drop_"))")
          guard before != nil else { continue }
          rates.append(old.map { Stats.scaled(counters.rate("\(way)_good_packets", since: $0)) } ?? "-")
          rates.append(old.map { Stats.scaled(8 * counters.rate("\(way)_good_bytes", since: $0)) } ?? "-")
        }
        table.add(cells + rates)
      }
    }
    let ports = all.map { "port \($0.port.number): \($0.port.device), \($0.port.state)" + ($0.reason ?? "") }
    return ports.joined(separator: "\n") + "\n" + table.text
  }

  /// Prints the counters that the table does not show.
  private static func printOthers(_ counters: PortCounters) {
    for name in counters.names where counters[name] != 0 && (name.contains("_q") || name.contains("x_device_")) {
      if name.hasSuffix("_good_packets") || name.hasSuffix("_good_bytes") { continue }
      print("port \(counters.port.number)  \(name) \(counters[name])")
    }
  }

  /// A number with its scale, such as "1.25M".
  private static func scaled(_ number: Double) -> String {
    var (number, scale) = (number, 0)
    let scales = ["", "k", "M", "G", "T"]
    while number >= 1000 && scale < 4 {
      number /= 1000
      scale += 1
    }
    return Decimals.text(number, 2) + scales[scale]
  }
}
