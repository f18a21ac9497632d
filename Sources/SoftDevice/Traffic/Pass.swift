// SPDX-License-Identifier: BSD-2-Clause
//
// One pass over both queues: opens the rings, runs the loops that the wire needs, commits and counts. A pass moves at
// most one batch per queue, so that control messages are never far away.

import CLinux
import Linux

extension Device {
  /// Moves frames both ways and returns how many, lost ones included.
  mutating func pass() -> Int {
    if !isRunning { return 0 }
    switch wire.kind {
    case .sink:
      var forget = Forget()
      return transmit(to: &forget)
    case .generate(let generator):
      var forget = Forget()
      return transmit(to: &forget) &+ generate(generator)
    case .loopback: return loopback()
    case .tap(let tap): return transmit(to: &tap.value) &+ receive(from: &tap.value)
    case .capture(let reader, let writer): return exchange(reader, writer)
    case .pipe(let end): return exchange(end)
    }
  }

  private var batch: Batch {
    let agreed = session.mtu != 0 ? session.mtu : config.mtu
    let longest = session.features & Feature.mtu != 0 ? Int(agreed) + Self.linkHeader : Int.max
    return Batch(memory: Translation(memory), chain: Chain(segments), header: session.header, longest: longest)
  }

  private mutating func transmit<T: FrameTarget & ~Copyable>(_ index: Int = Queue.transmit, to target: inout T) -> Int {
    guard queues[index].running, let rings = queues[index].rings else { return 0 }
    guard var ring = SplitRing(queues[index], rings) else { return broken(index) }
    if ring.isEmpty { return 0 }
    var batch = batch
    let tally: Tally
    if queues[index].enabled {
      tally = Loops.transmit(&ring, to: &target, &batch)
    } else {
      var refuse = Refuse()
      tally = Loops.transmit(&ring, to: &refuse, &batch)
    }
    queues[index].commit(ring)
    counters.addTransmit(tally)
    return tally.broken ? broken(index) : tally.moved
  }

  private mutating func receive<S: FrameSource & ~Copyable>(from source: inout S) -> Int {
    guard isReceiving, let rings = queues[Queue.receive].rings else { return 0 }
    guard var ring = SplitRing(queues[Queue.receive], rings) else { return broken(Queue.receive) }
    if ring.isEmpty { return 0 }
    var batch = batch
    let tally = Loops.receive(&ring, from: &source, &batch, blank: blank)
    queues[Queue.receive].commit(ring)
    counters.addReceive(tally)
    return tally.broken ? broken(Queue.receive) : tally.total
  }

  private mutating func generate(_ generator: Cell<Generator>) -> Int {
    guard isReceiving, let rings = queues[Queue.receive].rings else { return 0 }
    let due = generator.value.due(generator.value.rate == 0 ? 0 : sys_nanoseconds())
    if due == 0 { return 0 }
    guard var ring = SplitRing(queues[Queue.receive], rings) else { return broken(Queue.receive) }
    var batch = batch
    var tally = Loops.generate(&ring, generator, due: due, &batch)
    if generator.value.rate != 0, tally.moved < min(due, Batch.budget) {
      tally.dropped = due &- tally.moved
      generator.value.lose(tally.dropped)
    }
    queues[Queue.receive].commit(ring)
    counters.addReceive(tally)
    return tally.broken ? broken(Queue.receive) : tally.moved
  }

  private mutating func loopback() -> Int {
    var refuse = Refuse()
    if !isReceiving || !queues[Queue.transmit].enabled { return transmit(to: &refuse) }
    guard queues[Queue.transmit].running, let from = queues[Queue.transmit].rings else { return 0 }
    guard let to = queues[Queue.receive].rings else { return 0 }
    guard var source = SplitRing(queues[Queue.transmit], from) else { return broken(Queue.transmit) }
    guard var target = SplitRing(queues[Queue.receive], to) else { return broken(Queue.receive) }
    if source.isEmpty || target.isEmpty { return 0 }
    var batch = batch
    let tally = Loops.loopback(from: &source, to: &target, &batch, Chain(moreSegments), blank: blank)
    queues[Queue.receive].commit(target)
    queues[Queue.transmit].commit(source)
    counters.addReceive(tally)
    counters.addTransmit(Tally(moved: tally.total))
    return tally.broken ? broken(Queue.transmit) : tally.total
  }

  private mutating func exchange(_ reader: Cell<CaptureReader>?, _ writer: Cell<CaptureWriter>?) -> Int {
    var moved = 0
    if let writer {
      moved &+= transmit(to: &writer.value)
    } else {
      var forget = Forget()
      moved &+= transmit(to: &forget)
    }
    if let reader { moved &+= receive(from: &reader.value) }
    return moved
  }

  private mutating func exchange(_ end: PipeEnd) -> Int {
    var moved = 0
    if end.other.value.lane.isReceiving {
      var writer = LaneWriter(end.other)
      moved &+= transmit(to: &writer)
      writer.commit()
    } else {
      var refuse = Refuse()
      moved &+= transmit(to: &refuse)
    }
    var reader = LaneReader(end.mine)
    moved &+= receive(from: &reader)
    reader.commit()
    return moved
  }

  /// Notes that the rules were broken; the connection ends after the pass.
  private mutating func broken(_ index: Int) -> Int {
    fault = index
    return 0
  }
}
