// SPDX-License-Identifier: BSD-2-Clause

import ArgumentParser
import Glibc

extension Direction: ExpressibleByArgument {}

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure how fast this machine receives and sends through a device.",
    discussion: """
      Without a device, three of this process's own are measured: soft:generate, soft:sink and soft:loopback, whose \
      thread shares the machine with this one. A device is measured in both directions, one after the other; what it \
      receives must come from its peer. What is sent are UDP datagrams between 198.18.0.1 and 198.18.0.2, addresses \
      that are set aside for measuring. "loop" sends and counts what comes back, and fails if something does not.

        vionetctl bench
        vionetctl bench vhost-user:/run/x.sock --direction receive --seconds 30
        vionetctl bench soft:loopback --packets 1000000 --json

      NS/PACKET is the time of the whole loop for one packet; the bursts that found nothing are in it.
      """)

  @Flag(help: "Print a JSON array: one object for each direction.")
  var json = false

  @Option(help: ArgumentHelp("How long all directions together are measured.", valueName: "seconds"))
  var seconds: Double = 10

  @Option(
    help: ArgumentHelp(
      "Measure that many packets in each direction instead; give up when none has come for 5 s.", valueName: "count"))
  var packets: Int?

  @Option(help: ArgumentHelp("What is measured: receive, transmit or loop; can be given several times."))
  var direction: [Direction] = []

  @Option(help: ArgumentHelp("Bytes of the frames that are sent, 64 to 9000.", valueName: "bytes"))
  var length = 64

  @Option(help: ArgumentHelp("Most packets of one burst, 1 to 256.", valueName: "count"))
  var burst = 32

  @Argument(
    help: "A device address, a PCI address or a network interface, as for info.",
    completion: .custom(Device.completions))
  var device: String?

  func validate() throws {
    if !(seconds > 0 && seconds <= 86400) {
      throw ValidationError("The time is more than 0 and at most 86400 seconds.")
    }
    if let packets, packets < 1 { throw ValidationError("The number of packets is 1 or more.") }
    if !BenchPort.lengths.contains(length) { throw ValidationError("A frame has 64 to 9000 bytes.") }
    if !(1...256).contains(burst) { throw ValidationError("A burst has 1 to 256 packets.") }
  }

  func run() throws {
    Interruption.expect()
    let plan = try plan()
    let amount = Amount(seconds: seconds / Double(plan.count), packets: packets)
    var measured: [Measurement] = []
    try Progress.during("opening \(plan[0].address)") { progress in
      var port: BenchPort?
      for each in plan where !Interruption.hasCome {
        if port == nil || port?.address != each.address {
          port = nil  // the port before is closed first
          port = try BenchPort(each.address, burst: burst, length: length)
        }
        progress.say("\(each.direction.rawValue)")
        if let port { measured.append(try port.measure(each.direction, amount, progress)) }
      }
    }
    print(json ? try JSON.text(measured) : Bench.text(measured))
    if let short = measured.first(where: { $0.direction == .loop && $0.received < $0.sent }) {
      fflush(nil)
      throw Sentence("\(short.sent - short.received) of \(short.sent) packets have not come back")
    }
    if Interruption.hasCome { return }
    for each in measured {
      guard let packets, each.direction != .transmit ? each.received < packets : each.sent < packets else { continue }
      fflush(nil)
      throw Sentence("\(each.direction.rawValue): only \(each.packets) of \(packets) packets in \(Int(each.seconds)) s")
    }
  }

  /// What is measured, in this order.
  private func plan() throws -> [(address: String, direction: Direction)] {
    guard let device else {
      let own: [(String, Direction)] = [
        ("soft:generate,length=\(length)", .receive), ("soft:sink", .transmit), ("soft:loopback", .loop),
      ]
      let keys = length > 1514 ? ",mtu=\(length - 14)" : ""
      let wanted = own.filter { direction.isEmpty || direction.contains($0.1) }
      return wanted.map { (address: $0.0 + keys, direction: $0.1) }
    }
    let address = try Device.address(device)
    let kinds: [Direction] =
      switch address.split(separator: ",").first {
      case "soft:generate": [.receive]
      case "soft:sink": [.transmit]
      case "soft:loopback": [.loop]
      default: [.transmit, .receive]
      }
    return (direction.isEmpty ? kinds : direction).map { (address: address, direction: $0) }
  }

  private static func text(_ all: [Measurement]) -> String {
    var table = Table(
      "DEVICE", "DIRECTION", "SENT", "RECEIVED", "LOST", "MPPS", "GBIT/S", "NS/PACKET", "BURST", "RING FULL", "KICKS")
    for each in all {
      table.add(
        each.device, each.direction.rawValue, "\(each.sent)", "\(each.received)", "\(each.lost)",
        Decimals.text(each.perSecond / 1e6, 3), Decimals.text(each.gigabits, 3),
        each.nanoseconds.map { Decimals.text($0, 1) } ?? "-", each.meanBurst.map { Decimals.text($0, 1) } ?? "-",
        "\(each.ringFull)", "\(each.kicks)")
    }
    let drops = all.flatMap { each in
      each.drops.sorted { $0.key < $1.key }.map { "\(each.device): \($0.value) dropped, \($0.key)" }
    }
    return ([table.text] + drops).joined(separator: "\n")
  }
}

extension Measurement: Encodable {
  private enum Key: String, CodingKey {
    case device, direction, seconds, sent, received, lost, drops, missing, packets, bytes, mpps, gbit_per_second,
      ns_per_packet
    case mean_burst, bursts, ring_full, kicks
  }

  func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: Key.self)
    try object.encode(device, forKey: .device)
    try object.encode(direction.rawValue, forKey: .direction)
    try object.encode(seconds, forKey: .seconds)
    try object.encode(sent, forKey: .sent)
    try object.encode(received, forKey: .received)
    try object.encode(lost, forKey: .lost)
    try object.encode(drops, forKey: .drops)
    try object.encode(missing, forKey: .missing)
    try object.encode(packets, forKey: .packets)
    try object.encode(bytes, forKey: .bytes)
    try object.encode(perSecond / 1e6, forKey: .mpps)
    try object.encode(gigabits, forKey: .gbit_per_second)
    try object.encode(nanoseconds, forKey: .ns_per_packet)
    try object.encode(meanBurst, forKey: .mean_burst)
    let sizes = bursts.enumerated().filter { $0.element > 0 }.map { ("\($0.offset)", $0.element) }
    try object.encode(Dictionary(uniqueKeysWithValues: sizes), forKey: .bursts)
    try object.encode(ringFull, forKey: .ring_full)
    try object.encode(kicks, forKey: .kicks)
  }
}
