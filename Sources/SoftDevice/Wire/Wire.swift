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
  private let report: WireReport

  init(_ options: WireOptions, _ report: WireReport) throws(Failure) {
    kind = try Self.open(options, report)
    self.report = report
  }

  private static let purpose: StaticString = "the wire of a soft device"

  private static func open(_ options: WireOptions, _ report: WireReport) throws(Failure) -> Kind {
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
      return try openCapture(options, report)
    case .pipe:
      return .pipe(try PipeEnd.join(options.target))
    }
  }

  private static func openCapture(_ options: WireOptions, _ report: WireReport) throws(Failure) -> Kind {
    if options.target.isEmpty && options.output.isEmpty {
      throw Failure(EINVAL, "wire \"pcap\" has neither a file to replay (pcap=IN) nor one to record (out=OUT)")
    }
    if options.target.isEmpty { return .capture(nil, try openWriter(options, report)) }
    var reader = try Owned(try CaptureReader(options.target, follows: options.follows, report), for: purpose)
    let writer = options.output.isEmpty ? nil : try openWriter(options, report)
    return .capture(reader.take(), writer)
  }

  private static func openWriter(_ options: WireOptions, _ report: WireReport) throws(Failure) -> Cell<CaptureWriter> {
    let heads = CaptureHeads(options.format, snapLength: options.snapLength)
    var writer = try Owned(try CaptureWriter(options.output, heads, report), for: purpose)
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

  /// Features above bit 63 that do not go with it.
  var lacksAbove: UInt64 {
    switch kind {
    case .tap(let tap): return tap.value.knowsTunnels ? 0 : HigherFeature.guest | HigherFeature.host
    default: return 0
    }
  }

  /// What becomes readable when frames for a pair of the driver's arrive; nil if nothing does.
  func file(_ pair: Int) -> Int32? {
    switch kind {
    case .tap(let tap): return tap.value.file(pair)
    case .capture(let reader?, _): return reader.value.waitingFile
    default: return nil
    }
  }

  /// What becomes readable when the wire wants to be looked at; nil if it never does.
  var bell: Int32? {
    switch kind {
    case .tap(let tap): return tap.value.changes
    case .pipe(let end): return end.mine.value.lane.bell.number
    default: return nil
    }
  }

  /// Looks whether there is something at its other end that takes frames and has some.
  func look() -> WireState {
    switch kind {
    case .tap(let tap): return tap.value.look()
    case .pipe(let end): return end.other.value.lane.isTaken ? .up : .down
    case .capture(let reader, let writer):
      let state = writer?.value.look() ?? .up
      return reader?.value.isSound ?? true ? state : .gone
    default: return .up
    }
  }

  /// Leaves a reason while the wire is not up.
  func explain(_ state: WireState) {
    if state == .up { return report.reason.clear() }
    switch kind {
    case .capture(_, let writer?):
      // What ended a capture has left its reason.
      if state == .down { report.reason.keep(writer.value.whyDown, .info) }
    case .tap(let tap): report.reason.keep(tap.value.whyDown, .info)
    case .pipe(let end): report.reason.keep(end.whyDown, .info)
    default: break
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
    case .tap(let tap): tap.value.use(terms)
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
    case .tap(let tap):
      if !sleeping { _ = InterfaceEvents.drain(tap.value.changes) }
    case .pipe(let end):
      end.mine.value.lane.sleep(sleeping && wanted)
      if !sleeping { _ = sys_eventfd_drain(end.mine.value.lane.bell.number) }
    case .capture(_, let writer?):
      if sleeping { writer.value.flush() }
    default: break
    }
  }

  /// Nanoseconds until it is worth a look by itself; nil if it never is. `receiving`: frames for the driver are of use.
  func wait(_ now: UInt64, receiving: Bool) -> UInt64? {
    switch kind {
    case .generate(let generator):
      return receiving && generator.value.rate != 0 ? generator.value.wait(now) : nil
    case .capture(let reader, let writer):
      let reading = receiving ? reader?.value.wait : nil
      let writing = writer?.value.wait
      return reading.map { min($0, writing ?? $0) } ?? writing
    default: return nil
    }
  }

  /// The device is about to end: what has gathered is written.
  func finish() { if case .capture(_, let writer?) = kind { writer.value.finish() } }
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

  /// Takes one frame from a pair of the driver's.
  func write(_ frame: Frame, _ pair: Int) -> Taking {
    switch kind {
    case .tap(let tap): return tap.value.write(frame, pair)
    case .capture(_, let writer?): return writer.value.write(frame)
    case .pipe(let end): return end.other.value.lane.isReceiving ? end.other.value.lane.write(frame) : .refused
    default: return .taken
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
