// SPDX-License-Identifier: BSD-2-Clause
//
// One request, one answer.

import CLinux
import CVionetControl
import Linux

enum Request {
  /// Answers a line. True if the connection is sent events from now on.
  static func answer(
    _ line: Text, _ lastError: borrowing LastError, _ answer: inout Answer, _ capture: inout CaptureRequest
  ) -> Bool {
    do throws(Failure) {
      return try carryOut(line, lastError, &answer, &capture)
    } catch {
      answer.add(error)
      return false
    }
  }

  private static func carryOut(
    _ line: Text, _ lastError: borrowing LastError, _ answer: inout Answer, _ capture: inout CaptureRequest
  ) throws(Failure) -> Bool {
    var words = Words(line)
    guard let name = words.next() else { throw Failure(EINVAL, "an empty request: help names those there are") }
    switch name {
    case "help":
      try words.end()
      answer.add(help)
    case "list":
      try words.end()
      list(&answer)
    case "info":
      let port = try port(&words, "info")
      try words.end()
      try information(port, &answer)
    case "stats":
      let port = try port(&words, "stats")
      try words.end()
      try Counters(of: port).forEach { name, value in
        answer.add(name)
        answer.add(" ")
        answer.add(number: value)
        answer.add("\n")
      }
    case "pools":
      try words.end()
      Details.pools(&answer)
    case "error":
      try words.end()
      lastError.write(to: &answer)
    case "set":
      let port = try port(&words, "set")
      try Setting(port: port, words: words).carryOut()
    case "events":
      try words.end()
    case "filter":
      try capture.addFilter(&words)
    case "capture":
      // The connection answers, with files.
      try capture.setOptions(&words)
      return false
    default:
      throw Failure(EINVAL, "there is no request ").quoting(name.prefix(32)).text(": help names those there are")
    }
    answer.add("ok\n")
    return name.equals("events")
  }

  /// The port that the next word names.
  @inline(never)
  private static func port(_ words: inout Words, _ request: StaticString) throws(Failure) -> UInt16 {
    guard let word = words.next() else {
      throw Failure(EINVAL, request).text(" of which port: its number is missing")
    }
    guard let number = word.number(upTo: UInt64(UInt16.max)).map({ UInt16($0) }) else {
      throw Failure(EINVAL, "port ").quoting(word.prefix(32)).text(" is no number of a port")
    }
    if number >= VIONET_MAX_PORTS || vionet_port_next(number) != number {
      throw Failure(ENODEV, "there is no port ").number(number)
    }
    return number
  }

  private static var help: StaticString {
    """
    help
    list
    info PORT
    stats PORT
    pools
    error
    events
    filter HEX
    capture [port=NUMBER] [direction=rx|tx] [snaplen=BYTES] [ring=KIB]
    set PORT mac ADDRESS
    set PORT mtu NUMBER
    set PORT promiscuous on|off
    set PORT all_multicast on|off
    set PORT vlan add|remove ID
    set PORT queue_pairs COUNT
    set PORT coalesce rx|tx all|QUEUE PACKETS MICROSECONDS
    set PORT rss [key=HEX] [table=QUEUE,...] [types=TYPE,...|all] [unclassified=QUEUE]

    """
  }
}

// MARK: What there is

extension Request {
  private static func list(_ answer: inout Answer) {
    var information = PortInformation()
    Library.forEachPort { port in
      // A port that was closed meanwhile is left out.
      do throws(Failure) { try information.read(port) } catch { return }
      answer.add("port ")
      answer.add(number: port)
      answer.add(" ")
      answer.add(information.state)
      answer.add(" ")
      answer.add(string: &information.value.device)
      answer.add("\n")
    }
  }

  private static func information(_ port: UInt16, _ answer: inout Answer) throws(Failure) {
    var information = PortInformation()
    try information.read(port)
    answer.add("device ")
    answer.add(string: &information.value.device)
    answer.add(line: "state", information.state)
    answer.add(line: "link", information.value.link_up != 0 ? "up" : "down")
    if information.value.reason.0 != 0 {
      answer.add("\nreason ")
      answer.add(string: &information.value.reason)
    }
    answer.add("\nmac ")
    answer.add(mac: information.value.mac)
    answer.add(line: "mtu", information.value.mtu)
    answer.add(line: "queue_pairs", information.value.queue_pairs)
    answer.add(line: "max_queue_pairs", information.value.max_queue_pairs)
    answer.add(line: "ring", information.ring)
    answer.add(line: "rx_descriptors", information.value.rx_descriptors)
    answer.add(line: "tx_descriptors", information.value.tx_descriptors)
    answer.add("\nrx_path ")
    answer.add(string: &information.value.rx_path)
    answer.add("\ntx_path ")
    answer.add(string: &information.value.tx_path)
    answer.add(line: "offered", information.value.offered)
    answer.add(line: "negotiated", information.value.negotiated)
    answer.add("\n")
    Details.write(information, to: &answer)
    try? Hashing(of: port).write(to: &answer)
  }
}

/// Lines of info, which begin where the last one ends.
extension Answer {
  @inline(never)
  fileprivate mutating func add(line key: StaticString, _ value: StaticString) {
    add(key: key)
    add(value)
  }

  @inline(never)
  fileprivate mutating func add(line key: StaticString, _ value: UInt16) {
    add(key: key)
    add(number: value)
  }

  /// Feature bits, the upper word first.
  @inline(never)
  fileprivate mutating func add(line key: StaticString, _ features: (UInt64, UInt64)) {
    add(key: key)
    add("0x")
    add(hex: features.1, width: 16)
    add(hex: features.0, width: 16)
  }

  fileprivate mutating func add(mac: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)) {
    let bytes: InlineArray<6, UInt8> = [mac.0, mac.1, mac.2, mac.3, mac.4, mac.5]
    for place in 0..<bytes.count {
      if place > 0 { add(":") }
      add(hex: bytes[place], width: 2)
    }
  }

  private mutating func add(key: StaticString) {
    add("\n")
    add(key)
    add(" ")
  }
}
