// SPDX-License-Identifier: BSD-2-Clause
//
// What the name of an extended counter says. "rx_q3_drop_short" is a sample of vionet_queue_drops_total with the labels
// direction="rx", queue="3" and reason="short"; "resets" is vionet_port_resets_total.

import Linux

struct CounterName {
  /// "rx" or "tx"; nil for a counter of the whole port.
  private let direction: Text?
  private let queue: UInt64
  private let family: Text
  /// A further label, "reason" or "size".
  private let label: (key: StaticString, value: Text)?

  @inline(never)
  init(_ name: Text) {
    guard let (direction, queue, rest) = CounterName.split(name) else {
      direction = nil
      queue = 0
      family = name
      label = nil
      return
    }
    self.direction = direction
    self.queue = queue
    let size = rest.hasPrefix("size_") ? rest.slice(5, rest.count) : rest
    if rest.hasPrefix("drop_") {
      family = Text("drops")
      label = ("reason", rest.slice(5, rest.count))
    } else if rest.hasPrefix("size_") || rest.hasPrefix("undersize_") {
      family = Text("packets_by_size")
      label = ("size", size.slice(0, size.count - Text("_packets").count))
    } else {
      family = rest.hasPrefix("good_") ? rest.slice(5, rest.count) : rest
      label = nil
    }
  }

  /// "rx_q3_drop_short" is rx, 3 and drop_short.
  private static func split(_ name: Text) -> (direction: Text, queue: UInt64, rest: Text)? {
    guard name.hasPrefix("rx_q") || name.hasPrefix("tx_q"),
      let (digits, rest) = name.slice(4, name.count).split(at: UInt8(ascii: "_")),
      let queue = digits.number(upTo: UInt64(UInt16.max))
    else { return nil }
    return (name.slice(0, 2), queue, rest)
  }

  func isOfSameFamily(as other: CounterName) -> Bool {
    (direction == nil) == (other.direction == nil) && family.equals(other.family)
  }

  /// "vionet_queue_drops_total"
  func writeFamily(to answer: inout Answer) {
    answer.add(direction == nil ? "vionet_port_" : "vionet_queue_")
    answer.add(family)
    answer.add("_total")
  }

  /// Labels behind others: ",direction="rx",queue="3",reason="short""
  func writeLabels(to answer: inout Answer) {
    guard let direction else { return }
    answer.add(",direction=\"")
    answer.add(direction)
    answer.add("\",queue=\"")
    answer.add(number: queue)
    answer.add("\"")
    guard let label else { return }
    answer.add(",")
    answer.add(label.key)
    answer.add("=\"")
    answer.add(label.value)
    answer.add("\"")
  }
}
