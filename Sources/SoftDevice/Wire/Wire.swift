// SPDX-License-Identifier: BSD-2-Clause
//
// A device's wire: one of six kinds, each with its state in a cell of its own. The wire outlives front-ends: what it
// has replayed, recorded or counted goes on when the next one connects.

import CLinux
import Linux
import Virtio

struct Wire: ~Copyable {
  enum Kind {
    case loopback
    case sink
    case generate(Cell<Generator>)
    case tap(Cell<Tap>)
    /// One capture to replay, another to record; either may be missing.
    case capture(Cell<CaptureReader>?, Cell<CaptureWriter>?)
    case pipe(PipeEnd)
  }

  let kind: Kind

  init(_ options: WireOptions) throws(Failure) { kind = try Self.open(options) }

  private static let purpose: StaticString = "the wire of a soft device"

  private static func open(_ options: WireOptions) throws(Failure) -> Kind {
    switch options.kind {
    case .loopback: return .loopback
    case .sink: return .sink
    case .generate:
      var generator = try Owned(try Generator(options), for: purpose)
      return .generate(generator.take())
    case .tap:
      var tap = try Owned(try Tap(options.target, pairs: options.device.pairs), for: purpose)
      return .tap(tap.take())
    case .capture:
      return try openCapture(options)
    case .pipe:
      return .pipe(try PipeEnd.join(options.target))
    }
  }

  private static func openCapture(_ options: WireOptions) throws(Failure) -> Kind {
    if options.target.isEmpty && options.output.isEmpty {
      throw Failure(EINVAL, "wire \"pcap\" has neither a file to replay (pcap=IN) nor one to record (out=OUT)")
    }
    if options.target.isEmpty { return .capture(nil, try openWriter(options.output)) }
    var reader = try Owned(try CaptureReader(options.target), for: purpose)
    let writer = options.output.isEmpty ? nil : try openWriter(options.output)
    return .capture(reader.take(), writer)
  }

  private static func openWriter(_ name: Path) throws(Failure) -> Cell<CaptureWriter> {
    var writer = try Owned(try CaptureWriter(name), for: purpose)
    return writer.take()
  }

  deinit {
    switch kind {
    case .loopback, .sink: break
    case .generate(let generator): generator.destroy()
    case .tap(let tap): tap.destroy()
    case .capture(let reader, let writer):
      reader?.destroy()
      writer?.destroy()
    case .pipe(let end): end.leave()
    }
  }

  /// Features that do not go with it.
  var lacks: UInt64 {
    if case .tap(let tap) = kind, !tap.value.knowsUDP { return Feature.hostUSO | Feature.guestUSO4 | Feature.guestUSO6 }
    return 0
  }

  /// What becomes readable when frames for a pair of the driver's arrive; nil if nothing does.
  func file(_ pair: Int) -> Int32? {
    switch kind {
    case .tap(let tap): return tap.value.file(pair)
    default: return nil
    }
  }

  /// What becomes readable when the wire wants to be looked at; nil if it never does.
  var bell: Int32? {
    if case .pipe(let end) = kind { return end.mine.value.lane.bell.number }
    return nil
  }

  /// There is something at its other end.
  var isUp: Bool {
    switch kind {
    case .tap(let tap): return !tap.value.isDead
    case .pipe(let end): return end.other.value.lane.isTaken
    default: return true
    }
  }

  /// The driver's receive queues began or ceased to work. Returns how many frames for it are lost by that.
  func setReceiving(_ receiving: Bool) -> Int {
    switch kind {
    case .generate(let generator): generator.value.restart(sys_nanoseconds())
    case .pipe(let end): return end.setReceiving(receiving)
    default: break
    }
    return 0
  }

  /// Something of what was agreed with the driver has changed.
  func use(_ terms: Terms) {
    switch kind {
    case .generate(let generator): generator.value.use(terms)
    case .tap(let tap): tap.value.use(terms.guest)
    default: break
    }
  }

  /// Whether a pair of the driver's receives.
  func setReceiving(_ pair: Int, _ receiving: Bool) {
    if case .tap(let tap) = kind { tap.value.attach(pair, receiving) }
  }

  /// The wire is about to have nothing to do; `sleeping` ends when it wakes. `wanted`: frames for the driver are of
  /// use, because it has buffers.
  func setSleeping(_ sleeping: Bool, wanted: Bool) {
    switch kind {
    case .pipe(let end):
      end.mine.value.lane.sleep(sleeping && wanted)
      if !sleeping { _ = sys_eventfd_drain(end.mine.value.lane.bell.number) }
    case .capture(_, let writer?):
      if sleeping { writer.value.flush() }
    default: break
    }
  }

  /// Nanoseconds until the wire has a frame by itself; nil if that never happens.
  func wait(_ now: UInt64) -> UInt64? {
    guard case .generate(let generator) = kind, generator.value.rate != 0 else { return nil }
    return generator.value.wait(now)
  }
}

// Frames, one by one. A wire is used by one batch at a time, which ends with `settle`.

extension Wire {
  /// It has frames of its own for the driver, of each pair or of all.
  var isSource: Bool {
    switch kind {
    case .tap, .pipe, .capture(_?, _): return true
    default: return false
    }
  }

  /// Frames are looked at; else those of the driver's are forgotten.
  var isTarget: Bool {
    switch kind {
    case .sink, .generate, .capture(_, nil): return false
    default: return true
    }
  }

  /// It has frames of its own for each pair.
  var isSorted: Bool {
    if case .tap = kind { return true }
    return false
  }

  /// Takes one frame from a pair of the driver's. False: the wire cannot have it.
  func write(_ frame: Frame, _ pair: Int) -> Bool {
    switch kind {
    case .tap(let tap): return tap.value.write(frame, pair)
    case .capture(_, let writer?): return writer.value.write(frame)
    case .pipe(let end): return end.other.value.lane.isReceiving && end.other.value.lane.write(frame)
    default: return true
    }
  }

  /// The next frame for the driver, which stays the next one until `advance`; nil if none waits.
  func peek(_ pair: Int) -> Frame? {
    switch kind {
    case .tap(let tap): return tap.value.peek(pair)
    case .capture(let reader?, _): return reader.value.peek()
    case .pipe(let end): return end.mine.value.lane.peek()
    default: return nil
    }
  }

  func advance(_ pair: Int) {
    switch kind {
    case .tap(let tap): tap.value.advance(pair)
    case .capture(let reader?, _): reader.value.advance()
    case .pipe(let end): end.mine.value.lane.advance()
    default: break
    }
  }

  /// Shows the other side of a pipe what was written and read.
  func settle() {
    if case .pipe(let end) = kind {
      end.other.value.lane.publishWritten()
      end.mine.value.lane.publishRead()
    }
  }
}
