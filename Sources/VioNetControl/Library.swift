// SPDX-License-Identifier: BSD-2-Clause
//
// vionet.h as this module sees it: results that throw, what a port tells of itself, its counters.

import CLinux
import CVionetControl
import Linux

enum Library {
  /// The result of a call, or a Failure with the sentence of vionet_error().
  @discardableResult
  static func check(_ result: Int32) throws(Failure) -> Int32 {
    if result < 0 { throw failure(0 &- result) }
    return result
  }

  @inline(never)
  // Safety: the sentence is a C string that stays until this thread's next failing call.
  private static func failure(_ code: Int32) -> Failure {
    let failure = Failure(code, "")
    guard let sentence = unsafe Text(vionet_error(), limit: 400) else { return failure }
    return failure.plain(sentence)
  }

  static func forEachPort(_ body: (UInt16) -> Void) {
    var port = vionet_port_next(0)
    while port != UInt16(VIONET_PORT_NONE) {
      body(port)
      port = vionet_port_next(port &+ 1)
    }
  }
}

/// What vionet_info() tells of a port. It is large, and so filled where it lies.
struct PortInformation {
  var value = vionet_info()

  mutating func read(_ port: UInt16) throws(Failure) { try Library.check(fill(port)) }

  /// Without a sentence: 0 or a negative errno.
  // Safety: the call fills a struct of ours, whose size says how much of it.
  mutating func fill(_ port: UInt16) -> Int32 {
    value.size = MemoryLayout<vionet_info>.size
    return unsafe vionet_info(port, &value)
  }

  var state: StaticString {
    switch vionet_state(rawValue: value.state) {
    case VIONET_STATE_ATTACHED: "attached"
    case VIONET_STATE_INITIALISED: "initialised"
    case VIONET_STATE_STARTED: "started"
    case VIONET_STATE_STOPPED: "stopped"
    case VIONET_STATE_BROKEN: "broken"
    case VIONET_STATE_WAITING: "waiting"
    default: value.state == 0 ? "probing" : "unknown"
    }
  }

  var ring: StaticString {
    switch vionet_ring(rawValue: value.ring) {
    case VIONET_RING_SPLIT: "split"
    case VIONET_RING_PACKED: "packed"
    default: "none"
    }
  }
}

/// The extended counters of a port, as they were at one moment.
struct Counters: ~Copyable {
  private let port: UInt16
  private let values: Table<UInt64>
  /// How many there are at most.
  let count: Int

  @inline(never)
  // Safety: the call fills at most as many values as the table has.
  init(of port: UInt16) throws(Failure) {
    let room = Int(try Library.check(vionet_xstats(port, nil, 0)))
    guard let values = Table<UInt64>.make(count: room) else {
      throw Failure(ENOMEM, "no memory for ").number(room).text(" numbers")
    }
    let known = unsafe vionet_xstats(port, values.base, UInt32(room))
    if known < 0 { values.destroy() }
    count = min(Int(try Library.check(known)), room)
    self.port = port
    self.values = values
  }

  deinit { values.destroy() }

  /// Calls `body` with each counter's name and value. A counter that has gone since is left out.
  // Safety: the call writes a C string of at most that many bytes, which the text ends with.
  func forEach(_ body: (Text, UInt64) -> Void) {
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(VIONET_XSTAT_NAME)) { name in
      for id in 0..<count {
        if unsafe vionet_xstat_name(port, UInt32(id), name.baseAddress, name.count) != 0 { continue }
        if let text = unsafe Text(name.baseAddress, limit: name.count) { body(text, values[id]) }
      }
    }
  }
}
