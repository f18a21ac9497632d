// SPDX-License-Identifier: BSD-2-Clause
//
// A capture from its request to the end of its connection: the ports that it watches, old and new ones.

import CLinux
import CVionetControl
import Linux

/// What a client has asked for so far: instructions of a filter, and then a capture.
struct CaptureRequest: ~Copyable {
  var filter = Filter()
  var options: CaptureOptions?

  /// Takes the words of "filter HEX" behind the first.
  mutating func addFilter(_ words: inout Words) throws(Failure) {
    let word = words.next()
    try words.end(of: "filter")
    if word.map({ filter.add($0) }) == true { return }
    throw Failure(EINVAL, "filter: wanted are at most 4096 instructions of 16 hexadecimal digits each")
  }

  /// Takes the words of "capture KEY=VALUE..." behind the first.
  mutating func setOptions(_ words: inout Words) throws(Failure) {
    if !filter.isValid { throw Failure(EINVAL, "the filter is no valid program") }
    var options = CaptureOptions()
    while let word = words.next() {
      let (key, value) = word.split(at: UInt8(ascii: "=")) ?? (word, nil)
      if value.map({ CaptureRequest.set(&options, key, $0) }) != true {
        throw Failure(EINVAL, "capture ").quoting(word.prefix(32)).text(
          ": wanted are port=NUMBER, direction=rx|tx, snaplen=BYTES up to 262144, ring=KIB from 64 to 65536")
      }
    }
    // A packet takes a quarter of the ring at most.
    options.snapLength = min(options.snapLength, UInt32(options.ring / 4))
    self.options = options
  }

  private static func set(_ options: inout CaptureOptions, _ key: Text, _ value: Text) -> Bool {
    switch key {
    case "port":
      guard let port = value.number(upTo: UInt64(VIONET_MAX_PORTS) - 1) else { return false }
      options.port = UInt16(port)
    case "direction":
      if !value.equals("rx") && !value.equals("tx") { return false }
      options.receives = value.equals("rx")
      options.transmits = !options.receives
    case "snaplen":
      guard let bytes = value.number(upTo: 262_144), bytes != 0 else { return false }
      options.snapLength = UInt32(bytes)
    case "ring":
      guard let size = value.number(upTo: 65536), size >= 64 else { return false }
      // The next power of two.
      options.ring = 65536
      while options.ring < Int(size) << 10 { options.ring <<= 1 }
    default: return false
    }
    return true
  }
}

struct CaptureSession: ~Copyable {
  private let capture: Cell<Capture>
  private let only: UInt16?
  /// Ports are followed from that event on.
  private var next = EventLog.count

  init(_ options: CaptureOptions, _ filter: consuming Filter) throws(Failure) {
    let made = Cell.make(try Capture(options, filter))
    guard let made else { throw Failure(ENOMEM, "no memory for a capture") }
    capture = made
    only = options.port
  }

  /// Begins to watch. What fails is undone by deinit.
  mutating func begin() throws(Failure) {
    if let port = only {
      if vionet_port_next(port) != port { throw Failure(ENODEV, "there is no port ").number(port) }
      try Library.check(watch(port))
      return
    }
    var problem: Int32 = 0
    Library.forEachPort { port in
      if problem == 0 { problem = watch(port) }
    }
    try Library.check(problem)
  }

  // Safety: every number is tried, because a port that is being closed still has its watcher, and one that somebody else
  // watches keeps that one. Where a thread may still be inside a burst that calls the watcher, be it of a port that was closed
  // around it, the capture stays, and is lost.
  deinit {
    var isFree = true
    for port in 0..<UInt16(VIONET_MAX_PORTS) {
      let result = unsafe vionet_watch_set(port, nil, capture.raw)
      if result != 0 && result != -ENODEV && result != -EBUSY { isFree = false }
    }
    if isFree { capture.destroy() }
  }

  /// Gives the client the two files, with the first line of the answer. False if the connection takes it not at once.
  // Safety: the call reads as many bytes and descriptors as both arrays have.
  func send(to socket: Int32) -> Bool {
    let files: InlineArray<2, Int32> = [capture.value.ring.records.number, capture.value.ring.reader.number]
    var line = Answer()
    line.add("ring ")
    line.add(number: UInt64(capture.value.ring.bytes))
    line.add("\n")
    return line.send(to: socket, files: files)
  }

  /// Watches ports that have come. One that has a watcher, this one or another, is left as it is.
  mutating func follow() {
    let count = EventLog.count
    if next == count || only != nil { return }
    next = count
    Library.forEachPort { port in _ = watch(port) }
  }

  // Safety: the capture lives until deinit has removed it from every port.
  private func watch(_ port: UInt16) -> Int32 {
    unsafe vionet_watch_set(port, captureWatched, capture.raw)
  }
}
