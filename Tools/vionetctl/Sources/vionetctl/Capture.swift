// SPDX-License-Identifier: BSD-2-Clause

import ArgumentParser
import Glibc

struct Capture: ParsableCommand {
  enum Direction: String, CaseIterable, ExpressibleByArgument { case rx, tx, both }

  static let configuration = CommandConfiguration(
    abstract: "Capture packets of a running program's ports.",
    discussion: """
      SOCKET is the path of a control socket that the program has opened. The packets that its bursts receive and send, \
      and those that they drop, with the reason as a comment, are written in the format pcapng, which tcpdump, tshark and \
      Wireshark read:

        vionetctl capture /run/app.sock -w app.pcapng
        vionetctl capture /run/app.sock tcp port 80 | tcpdump -nr -
        vionetctl capture /run/app.sock -w - | tshark -r -

      The filter is libpcap's, as in pcap-filter(7), and is applied in the program. Frames that were dropped before they \
      could be seen pass every filter, as empty packets. The command ends at SIGINT or SIGTERM, after COUNT packets, or \
      when the program ends, and then says on standard error how many packets it has and how many were lost because they \
      came faster than they were written. A port can be captured once at a time. While nobody captures, the program \
      runs as it always does.
      """)

  @Option(
    name: [.customShort("w"), .long],
    help: ArgumentHelp("Write to this file; - is standard output.", valueName: "file"))
  var write = "-"

  @Option(name: [.customShort("c"), .long], help: ArgumentHelp("End after that many packets.", valueName: "packets"))
  var count: UInt64?

  @Option(help: ArgumentHelp("Keep at most that many bytes of each packet.", valueName: "bytes"))
  var snaplen = 262_144

  @Option(help: "Capture received packets, sent ones, or both.")
  var direction = Direction.both

  @Option(help: ArgumentHelp("Capture this port only.", valueName: "number"))
  var port: Int?

  @Option(help: ArgumentHelp("The room for packets that are not written yet, from 64 to 65536.", valueName: "KiB"))
  var buffer = 8192

  @Argument(help: "The program's control socket.", completion: .file())
  var socket: String

  @Argument(help: "Which packets, in libpcap's language.")
  var filter: [String] = []

  func validate() throws {
    if !(1...262_144).contains(snaplen) { throw ValidationError("--snaplen is from 1 to 262144 bytes.") }
    if !(64...65536).contains(buffer) { throw ValidationError("--buffer is from 64 to 65536 KiB.") }
    if write == "-" && isatty(STDOUT_FILENO) == 1 {
      throw ValidationError("A capture is no text for a terminal: give -w FILE, or read it with | tcpdump -nr -")
    }
  }

  func run() throws {
    let connection = try ControlSocket(socket)
    let ports = try RunningPort.all(connection, only: port)
    let packets = try begin(connection)
    let file = write == "-" ? STDOUT_FILENO : unsafe open(write, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    if file < 0 { throw Sentence("cannot write \"\(write)\": \(unsafe String(cString: strerror(errno)))") }
    signal(SIGPIPE, SIG_IGN)
    var session = CaptureToFile(
      socket: socket, packets: packets, writer: CaptureWriter(file, snapLength: snaplen), limit: count)
    for port in ports { session.writer.add(port: port.number, device: port.device) }
    let end = try session.run(connection)
    session.tell(end)
  }

  private func begin(_ connection: ControlSocket) throws -> CapturedPackets {
    if !filter.isEmpty {
      let program = try PacketFilter.compiled(filter.joined(separator: " "), snapLength: 262_144)
      for first in stride(from: 0, to: program.count, by: 200) {
        try connection.ask("filter " + program[first..<min(first + 200, program.count)].joined())
      }
    }
    var request = "capture snaplen=\(snaplen) ring=\(buffer)"
    if let port { request += " port=\(port)" }
    if direction != .both { request += " direction=\(direction.rawValue)" }
    let answer = try connection.ask(request)
    guard let line = answer.first, line.hasPrefix("ring "), let size = Int(line.dropFirst(5)) else {
      throw Sentence("the program behind \"\(socket)\" cannot capture")
    }
    return try CapturedPackets(size: size, files: connection.takeFiles())
  }
}

/// A capture that is written until it is enough.
private struct CaptureToFile {
  enum End { case interrupted, programEnded, enough, unread }

  let socket: String
  let packets: CapturedPackets
  var writer: CaptureWriter
  let limit: UInt64?
  private var count: UInt64 = 0
  private var ofPorts: [Int: UInt64] = [:]

  init(socket: String, packets: CapturedPackets, writer: CaptureWriter, limit: UInt64?) {
    self.socket = socket
    self.packets = packets
    self.writer = writer
    self.limit = limit
  }

  mutating func run(_ connection: ControlSocket) throws -> End {
    connection.shutDownAtInterruption()
    while true {
      // What was captured until the connection ended is in the ring, and is written.
      let isOpen = try connection.isOpen(milliseconds: 10)
      if try !writePackets() { return .unread }
      if let limit, count >= limit { return try finished(.enough) }
      if !isOpen { return try finished(Interruption.hasCome ? .interrupted : .programEnded) }
    }
  }

  /// Writes what is in the ring. False if nobody reads any more.
  private mutating func writePackets() throws -> Bool {
    var unread = false
    try packets.forEach { packet in
      if let limit, count >= limit { return false }
      if !writer.knows(packet.port) { addPort(packet.port) }
      writer.add(packet)
      count += 1
      ofPorts[packet.port, default: 0] += 1
      if writer.isLong { unread = try !writer.flush() }
      return !unread
    }
    return try !unread && writer.flush()
  }

  /// A port that came later.
  private mutating func addPort(_ number: Int) {
    let ports = try? RunningPort.all(ControlSocket(socket), only: nil)
    writer.add(port: number, device: ports?.first { $0.number == number }?.device ?? "port \(number)")
  }

  private mutating func finished(_ end: End) throws -> End {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    writer.end(time: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec), captured: ofPorts, lost: packets.lost)
    return try writer.flush() ? end : .unread
  }

  func tell(_ end: End) {
    let reason =
      switch end {
      case .interrupted: "stopped"
      case .programEnded: "the program behind \"\(socket)\" has ended"
      case .enough: "done"
      case .unread: "nobody reads on"
      }
    let sentence = Array("\(reason), after \(count) \(count == 1 ? "packet" : "packets"), \(packets.lost) lost\n".utf8)
    _ = unsafe write(STDERR_FILENO, sentence, sentence.count)
  }
}
