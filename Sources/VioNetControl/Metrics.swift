// SPDX-License-Identifier: BSD-2-Clause
//
// All counters of all ports as Prometheus text: first gauges of each port, then every counter of vionet_xstats(), one
// family after another.

import CLinux
import CVionetControl
import Linux

/// Everything is read before anything is written, because the samples of a family are written together.
struct Metrics: ~Copyable {
  private struct Port {
    var number: UInt16
    var isRead: Bool
    var information: PortInformation
  }

  /// A number of a port that may fall as well as rise.
  private enum Gauge: Int {
    case read, linkUp, started, mtu, queuePairs

    static let count = 5

    var name: StaticString {
      switch self {
      case .read: "vionet_port_read"
      case .linkUp: "vionet_port_link_up"
      case .started: "vionet_port_started"
      case .mtu: "vionet_port_mtu_bytes"
      case .queuePairs: "vionet_port_queue_pairs"
      }
    }

    var help: StaticString {
      switch self {
      case .read: "1 if the port's counters could be read"
      case .linkUp: "1 if the link is up or the device does not tell"
      case .started: "1 if packets flow, 0 in any other state"
      case .mtu: "largest packet after the Ethernet header"
      case .queuePairs: "queue pairs"
      }
    }

    /// The port is not changed, but too large to be handed over by value.
    func value(of port: inout Port) -> UInt16 {
      switch self {
      case .read: port.isRead ? 1 : 0
      case .linkUp: UInt16(port.information.value.link_up)
      case .started: port.information.value.state == VIONET_STATE_STARTED.rawValue ? 1 : 0
      case .mtu: port.information.value.mtu
      case .queuePairs: port.information.value.queue_pairs
      }
    }
  }

  /// A counter of a port. The first sample of a family stands for it; `nextFamily` links those in the order they came.
  private struct Sample {
    static let none: Int32 = -1

    var name: InlineArray<48, CChar>
    var value: UInt64
    /// The port's place in the table.
    var port: Int32
    var family: Int32
    var nextFamily: Int32
  }

  private var ports: Table<Port>?
  private var portCount = 0
  private var samples: Table<Sample>?
  private var count = 0
  private var lastFamily = Sample.none
  private var isIncomplete = false

  deinit {
    ports?.destroy()
    samples?.destroy()
  }

  static func write(to answer: inout Answer) {
    var metrics = Metrics()
    metrics.read()
    metrics.writeGauges(to: &answer)
    metrics.writeFamilies(to: &answer)
    if metrics.isIncomplete { answer.setIncomplete() }
  }
}

// MARK: Reading

extension Metrics {
  private mutating func read() {
    Library.forEachPort { number in
      guard Table.reserve(1, behind: portCount, in: &ports), let ports else { return isIncomplete = true }
      // A port that was closed meanwhile is left out.
      do throws(Failure) { try ports[portCount].information.read(number) } catch { return }
      ports[portCount].number = number
      ports[portCount].isRead = read(countersOf: number)
      portCount += 1
    }
  }

  /// False if the counters could not be read.
  @inline(never)
  private mutating func read(countersOf port: UInt16) -> Bool {
    guard let counters = try? Counters(of: port) else { return false }
    guard Table.reserve(counters.count, behind: count, in: &samples) else {
      isIncomplete = true
      return true
    }
    counters.forEach { name, value in add(name, value) }
    return true
  }

  /// Adds a sample of the port that is being read, for which there is room.
  // Safety: copy() writes no more than the name's bytes.
  @inline(never)
  private mutating func add(_ name: Text, _ value: UInt64) {
    guard let samples else { return }
    unsafe withUnsafeMutableBytes(of: &samples[count].name) { room in
      let start = unsafe room.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CChar.self)
      unsafe name.copy(to: start, room: room.count)
    }
    samples[count].value = value
    samples[count].port = Int32(portCount)
    samples[count].nextFamily = Sample.none
    samples[count].family = family(of: CounterName(name))
    count += 1
  }

  /// The family of the next sample, which is its first one if there is none of that name.
  @inline(never)
  private mutating func family(of name: CounterName) -> Int32 {
    guard let samples else { return Sample.none }
    var family = count == 0 ? Sample.none : 0
    while family != Sample.none {
      if self.name(family).isOfSameFamily(as: name) { return family }
      family = samples[Int(family)].nextFamily
    }
    if lastFamily != Sample.none { samples[Int(lastFamily)].nextFamily = Int32(count) }
    lastFamily = Int32(count)
    return lastFamily
  }
}

// MARK: Writing

extension Metrics {
  private func writeGauges(to answer: inout Answer) {
    if portCount > 0 {
      for number in 0..<Gauge.count { writeGauge(Gauge(rawValue: number) ?? .read, to: &answer) }
    }
  }

  private func writeGauge(_ gauge: Gauge, to answer: inout Answer) {
    guard let ports else { return }
    answer.add("# HELP ")
    answer.add(gauge.name)
    answer.add(" ")
    answer.add(gauge.help)
    answer.add("\n# TYPE ")
    answer.add(gauge.name)
    answer.add(" gauge\n")
    for place in 0..<portCount {
      answer.add(gauge.name)
      writeLabels(ofPort: place, to: &answer)
      answer.add("} ")
      answer.add(number: gauge.value(of: &ports[place]))
      answer.add("\n")
    }
  }

  private func writeFamilies(to answer: inout Answer) {
    guard let samples else { return }
    var family = count == 0 ? Sample.none : 0
    while family != Sample.none {
      writeFamily(family, to: &answer)
      family = samples[Int(family)].nextFamily
    }
  }

  private func writeFamily(_ family: Int32, to answer: inout Answer) {
    guard let samples else { return }
    answer.add("# HELP ")
    name(family).writeFamily(to: &answer)
    answer.add(" as ")
    answer.add(text(family))
    answer.add(" of vionet_xstats\n# TYPE ")
    name(family).writeFamily(to: &answer)
    answer.add(" counter\n")
    for place in Int(family)..<count where samples[place].family == family {
      let name = name(Int32(place))
      name.writeFamily(to: &answer)
      writeLabels(ofPort: Int(samples[place].port), to: &answer)
      name.writeLabels(to: &answer)
      answer.add("} ")
      answer.add(number: samples[place].value)
      answer.add("\n")
    }
  }

  /// The labels of a port, without the brace behind them.
  @inline(never)
  private func writeLabels(ofPort place: Int, to answer: inout Answer) {
    guard let ports else { return }
    answer.add("{port=\"")
    answer.add(number: ports[place].number)
    answer.add("\",device=\"")
    answer.add(string: &ports[place].information.value.device, escaping: true)
    answer.add("\"")
  }

  private func name(_ sample: Int32) -> CounterName { CounterName(text(sample)) }

  /// The name of a sample; valid until one is added.
  @inline(never)
  // Safety: the table's subscript is in place, so the pointer is into the table, and the name ends with a zero.
  private func text(_ sample: Int32) -> Text {
    guard let samples else { return Text("") }
    return unsafe withUnsafeBytes(of: &samples[Int(sample)].name) { name in
      let start = unsafe name.baseAddress?.assumingMemoryBound(to: CChar.self)
      return unsafe Text(start, limit: name.count) ?? Text("")
    }
  }
}
