// SPDX-License-Identifier: BSD-2-Clause
//
// Replays a capture file. The file is read piece by piece: a mapping would end the process if another program cut the
// file. It may be a FIFO, which is read when there is something in it, and with follow=1 it may grow. Whatever ends the
// replay leaves a reason, and a record of which no frame comes is counted.

import CLinux
import Linux

// Safety: bytes are read and moved inside `block`, between `start`, `end` and its size.
struct CaptureReader: ~Copyable {
  private enum State { case reading, ended, broken }

  private static let room = 2 * (CaptureFormat.longest + 65536)
  /// Steps without a frame in one look, so that the device's other work is never far away.
  private static let steps = 256
  /// Nanoseconds between two looks at a file that may have grown.
  private static let interval: UInt64 = 20_000_000

  private let file: File
  private let block: Block
  private let name: Path
  private let follows: Bool
  /// It is a FIFO.
  private let isStream: Bool
  private let report: WireReport
  private var parser: CaptureParser
  private var state = State.reading
  /// What was read and not used yet: from `start` up to `end`.
  private var start = 0
  private var end = 0
  /// Bytes to be read that are of no use.
  private var unwanted = 0
  /// Bytes read so far, and records in them.
  private var position: Int64 = 0
  private var records: UInt64 = 0
  /// The frame at hand, inside the block.
  private var frame: Bytes?
  /// The writer of a FIFO has gone, which shows until the next one comes.
  private var isLeft = false
  /// The last look ended before the file did.
  private var hasMore = false

  init(_ name: Path, follows: Bool, _ report: WireReport) throws(Failure) {
    let file = File(
      owning: try check(name.open(O_RDONLY | O_NONBLOCK)) { code in
        Failure(code, "capture ").quoting(name).text(": ").reason(code)
      })
    let block = try Block(Self.room)
    let isStream = sys_is_fifo(file.number) == 1
    let begin = block.bytes.first(PcapLayout.header)
    let got = unsafe sys_read(file.number, begin.base, begin.count)
    if got != -Int(EAGAIN) {
      _ = try check(got < 0 ? Int32(truncatingIfNeeded: got) : 0) { code in
        Failure(code, "capture ").quoting(name).text(": ").reason(code)
      }
    }
    // Of a capture that is to grow, and of a FIFO, it may show later what it is.
    end = max(got, 0)
    position = Int64(end)
    let fresh = CaptureParser(followsOthers: isStream && follows)
    var first = fresh
    switch first.next(begin.first(end)) {
    case .broken(let fault): throw Self.describe(fault, name, behind: 0)
    case .needs where !isStream && !follows: throw Self.describe(.noCapture, name, behind: 0)
    default: break
    }
    parser = fresh
    self.file = file
    self.block = block
    self.isStream = isStream
    self.name = name
    self.follows = follows
    self.report = report
  }

  private var unread: Bytes { block.bytes.dropping(start).first(end &- start) }

  /// Takes the next record, or finds that there is none.
  private mutating func readRecord() {
    hasMore = true
    for _ in 0..<Self.steps where state == .reading {
      switch parser.next(unread) {
      case .frame(let at, let count, let size):
        frame = unread.dropping(at).first(count)
        records &+= 1
        start &+= size
        return
      case .other(let size): drop(size)
      case .unusable(let size):
        loseRecord()
        drop(size)
      case .needs(let count):
        if !fill(count) { return hasMore = false }
      case .broken(let fault):
        loseRecord()
        fail(Self.describe(fault, name, behind: records))
      }
    }
  }

  private mutating func loseRecord() {
    records &+= 1
    report.counters.add(.toDriverRecord, 1)
  }

  /// Goes on behind so many bytes, of which some may still have to be read.
  private mutating func drop(_ size: Int) {
    unwanted = max(size &- (end &- start), 0)
    start = min(start &+ size, end)
  }

  /// Reads on until there are `count` unused bytes; false if there are not.
  private mutating func fill(_ count: Int) -> Bool {
    let rest = unread
    unsafe _ = memmove(block.bytes.base, rest.base, rest.count)
    start = 0
    end = rest.count
    while end < count {
      let got = unsafe sys_read(file.number, block.bytes.dropping(end).base, Self.room &- end)
      if got <= 0 {
        stop(Int32(truncatingIfNeeded: 0 &- got))
        return false
      }
      position &+= Int64(got)
      isLeft = false
      let useless = min(unwanted, got)
      unwanted &-= useless
      if useless == got { continue }
      let kept = block.bytes.dropping(end &+ useless).first(got &- useless)
      unsafe _ = memmove(block.bytes.dropping(end).base, kept.base, kept.count)
      end &+= kept.count
    }
    return true
  }

  mutating func peek() -> Frame? {
    if frame == nil && state == .reading { readRecord() }
    guard let frame else { return nil }
    return Frame(frame)
  }

  mutating func advance() { frame = nil }
}

// Ends.

// Safety: poll() is given the one structure it is told of.
extension CaptureReader {
  /// There is nothing to be read: for now, for ever, or by an error.
  private mutating func stop(_ code: Int32) {
    if code == EAGAIN || code == EINTR { return }
    if code != 0 { return fail(Failure(code, "capture ").quoting(name).text(": ").reason(code)) }
    if isStream {
      // A FIFO that nobody has opened for writing yet has no end.
      var request = pollfd(fd: file.number, events: Int16(POLLIN), revents: 0)
      unsafe _ = sys_poll(&request, 1, 0)
      if Int32(request.revents) & POLLHUP == 0 { return }
      if !follows { return finish() }
      if !isLeft { begin() }
      isLeft = true
    } else if !follows {
      finish()
    } else if sys_file_size(file.number) < position {
      fail(Failure(EIO, "capture ").quoting(name).text(" was shortened while it was read; open the port again"))
    }
  }

  /// The next writer of a FIFO begins a capture of its own.
  private mutating func begin() {
    if end > start || unwanted > 0 { loseRecord() }
    parser = CaptureParser(followsOthers: true)
    start = 0
    end = 0
    unwanted = 0
  }

  private mutating func finish() {
    if parser.isAtBegin { return fail(Self.describe(.noCapture, name, behind: 0)) }
    if end > start || unwanted > 0 {
      loseRecord()
      return fail(
        Failure(EIO, "capture ").quoting(name).text(" ends inside record ").number(records)
          .text(": it was cut, or is still written (follow=1 waits for the rest)"))
    }
    state = .ended
    report.reason.keep(
      Failure(0, "capture ").quoting(name).text(" has ended after ").number(records).text(" frames"), .info)
  }

  private mutating func fail(_ failure: Failure) {
    state = .broken
    report.reason.keep(failure)
  }

  private static func describe(_ fault: CaptureFault, _ name: Path, behind records: UInt64) -> Failure {
    let failure = Failure(EINVAL, "capture ").quoting(name)
    switch fault {
    case .noCapture: return failure.text(" is not a pcap or pcapng file")
    case .linkType(let type): return failure.text(" has link type ").number(type).text(", not Ethernet (1)")
    case .length(let length):
      return failure.text(": record ").number(records).text(" says that it has ").number(length)
        .text(" bytes, which cannot be; what follows is not read")
    case .block(let length):
      return failure.text(": a block behind record ").number(records).text(" says that it has ").number(length)
        .text(" bytes, which cannot be; what follows is not read")
    }
  }

  /// The replay has not ended by a fault.
  var isSound: Bool { state != .broken }

  /// What becomes readable when there is more; nil if nothing does.
  var waitingFile: Int32? { isStream && state == .reading && frame == nil && !hasMore && !isLeft ? file.number : nil }

  /// Nanoseconds until it is worth a look by itself; nil if it never is.
  var wait: UInt64? {
    if state != .reading || frame != nil { return nil }
    return hasMore ? 0 : follows && (!isStream || isLeft) ? Self.interval : nil
  }
}
