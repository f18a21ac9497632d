// SPDX-License-Identifier: BSD-2-Clause
//
// Commands that read what each queue has done (virtio 1.4, 5.1.9.5.11).

import Linux
import Virtio

extension Device {
  private static let kinds: UInt64 =
    1 << CounterKind.receiveBasic | 1 << CounterKind.transmitBasic | 1 << CounterKind.control

  func queryCounters(_ request: ControlRequest, _ result: inout ControlResult) -> Bool {
    if !session.has(Feature.deviceStatistics) || request.count != 2 { return false }  // tested by QueueCounterTests
    scratch.store(0, Self.kinds.littleEndian)
    result.add(scratch.first(8))
    return true
  }

  /// Each entry names a queue and kinds of its counters. One that is wrong fails the whole command.
  func getCounters(_ request: ControlRequest, _ result: inout ControlResult) -> Bool {
    let length = request.count - 2
    let entries = length / CounterKind.entryBytes
    // tested by QueueCounterTests
    if !session.has(Feature.deviceStatistics) || length % CounterKind.entryBytes != 0 { return false }
    if entries < 1 || entries > queues.count { return false }  // tested by QueueCounterTests
    for entry in 0..<entries {
      let at = 2 + CounterKind.entryBytes * entry
      let index = Int(request.number(at, 2))
      let kinds = request.number(at + 8, 8)
      // tested by QueueCounterTests
      guard let kind = counterKind(of: index), kinds & ~(1 << kind) == 0 else { return false }
      if kinds != 0 { result.add(counters(of: index, kind)) }
    }
    return true
  }

  /// The kind of counters that a queue has; nil if there is no such queue.
  private func counterKind(of index: Int) -> UInt64? {
    let control = controlIndex(session.features)
    if index >= control { return index == control ? CounterKind.control : nil }
    return index % 2 == 0 ? CounterKind.receiveBasic : CounterKind.transmitBasic
  }

  /// A block of counters. They begin again at zero behind the largest number.
  private func counters(of index: Int, _ kind: UInt64) -> Bytes {
    let counts = queues[index].counts
    var numbers: InlineArray<6, UInt64> = [
      counts.notifications, counts.packets, counts.bytes, counts.interrupts, counts.drops, counts.faultyDrops,
    ]
    var many = numbers.count
    if kind == CounterKind.control {
      // The command at hand counts, and was done when this is read.
      numbers[0] = session.commands
      numbers[1] = session.commandsDone &+ 1
      many = 2
    }
    let size = CounterKind.headerBytes + 8 * many
    scratch.store(0, kind | UInt64(index) << 16 | UInt64(size) << 48)
    for place in 0..<many { scratch.store(CounterKind.headerBytes + 8 * place, numbers[place].littleEndian) }
    return scratch.first(size)
  }
}
