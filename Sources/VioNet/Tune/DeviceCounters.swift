// SPDX-License-Identifier: BSD-2-Clause
//
// What the device counts for each of its queues (virtio 1.4, 5.1.9.5.11). It keeps some kinds of counters and not others. An
// answer has one block for each kind: a header with kind and length, then 64-bit numbers.

import CLinux
import Linux
import Virtio

struct DeviceCounter {
  let kind: UInt8
  /// Its place among the numbers of its kind.
  let place: Int
  let name: StaticString

  private init(_ kind: UInt8, _ place: Int, _ name: StaticString) {
    self.kind = kind
    self.place = place
    self.name = name
  }

  /// Kinds 0 to 15 belong to receive queues, 16 to 31 to transmit queues.
  var isReceive: Bool { kind < 16 }

  static let count = 32
  @inline(never)
  static func number(_ index: Int) -> DeviceCounter {
    let all: InlineArray<32, DeviceCounter> = [
      DeviceCounter(0, 0, "notifications"), DeviceCounter(0, 1, "packets"), DeviceCounter(0, 2, "bytes"),
      DeviceCounter(0, 3, "interrupts"), DeviceCounter(0, 4, "drops"), DeviceCounter(0, 5, "drop_overruns"),
      DeviceCounter(1, 0, "csum_valid"), DeviceCounter(1, 1, "needs_csum"), DeviceCounter(1, 2, "csum_none"),
      DeviceCounter(1, 3, "csum_bad"), DeviceCounter(2, 0, "gso_packets"), DeviceCounter(2, 1, "gso_bytes"),
      DeviceCounter(2, 2, "gso_packets_coalesced"), DeviceCounter(2, 3, "gso_bytes_coalesced"),
      DeviceCounter(3, 0, "ratelimit_packets"), DeviceCounter(3, 1, "ratelimit_bytes"),
      DeviceCounter(16, 0, "notifications"), DeviceCounter(16, 1, "packets"), DeviceCounter(16, 2, "bytes"),
      DeviceCounter(16, 3, "interrupts"), DeviceCounter(16, 4, "drops"), DeviceCounter(16, 5, "drop_malformed"),
      DeviceCounter(17, 0, "csum_none"), DeviceCounter(17, 1, "needs_csum"), DeviceCounter(18, 0, "gso_packets"),
      DeviceCounter(18, 1, "gso_bytes"), DeviceCounter(18, 2, "gso_segments"),
      DeviceCounter(18, 3, "gso_segments_bytes"), DeviceCounter(18, 4, "gso_packets_noseg"),
      DeviceCounter(18, 5, "gso_bytes_noseg"),
      DeviceCounter(19, 0, "ratelimit_packets"), DeviceCounter(19, 1, "ratelimit_bytes"),
    ]
    return all[index]
  }
}

/// The device's answer about one queue.
struct CounterAnswer {
  /// Virtqueue index of this answer; -1: none.
  fileprivate(set) var ring = -1
  fileprivate var bytes = InlineArray<512, UInt8>(repeating: 0)

  private func number(_ at: Int, _ length: Int) -> UInt64 {
    var value: UInt64 = 0
    for place in 0..<length { value |= UInt64(bytes[at + place]) << UInt64(8 * place) }
    return value
  }

  /// The value of a counter; 0 if the device left it out.
  func value(_ counter: DeviceCounter) -> UInt64 {
    var at = 0
    while at + 8 <= bytes.count {
      let length = Int(number(at + 6, 2))
      if length < 8 || length > bytes.count - at { return 0 }  // tested by abi-xstats
      if bytes[at] == counter.kind {
        let place = 8 + 8 * counter.place
        return place + 8 <= length ? number(at + place, 8) : 0
      }
      at += length
    }
    return 0
  }
}

extension Port {
  /// Asks the device once which kinds of counters it keeps.
  // Safety: the answer has 8 bytes, as `kinds` has.
  mutating func askForCounters() throws(Failure) {
    if settings.counters != nil || queues.control == nil { return }
    var kinds: UInt64 = 0
    if agreed.features.has(Feature.deviceStatistics) {
      if bus.isGone { throw deviceIsGone() }
      try unsafe queues.control?.send(ControlCommand.queryCounters, into: &kinds, 8)
    }
    settings.counters = UInt64(littleEndian: kinds)
  }

  /// Asks for the counters of virtqueue `ring`; all are 0 without a device to ask.
  // Safety: the command reads 16 bytes of `data`, and fills as many of the answer as it has.
  mutating func fetchCounters(_ ring: Int, _ answer: inout CounterAnswer) throws(Failure) {
    answer = CounterAnswer()
    answer.ring = ring
    if queues.control == nil { return }
    if bus.isGone { throw deviceIsGone() }
    // The command's data: vq_index with 48 reserved bits, then the kinds.
    let kinds: UInt64 = ring % 2 == 0 ? 0xffff : 0xffff_0000
    var data = (UInt64(ring).littleEndian, ((settings.counters ?? 0) & kinds).littleEndian)
    try unsafe queues.control?.send(ControlCommand.getCounters, &data, 16, into: &answer.bytes, answer.bytes.count)
  }
}
