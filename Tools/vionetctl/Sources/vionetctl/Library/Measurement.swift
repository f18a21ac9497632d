// SPDX-License-Identifier: BSD-2-Clause
//
// One direction of a port, measured: for a time or for a number of packets.

import Glibc

enum Direction: String, CaseIterable {
  case receive, transmit
  /// What is sent comes back.
  case loop
}

struct Measurement {
  let device: String
  let direction: Direction
  let seconds: Double
  let sent: UInt64
  let received: UInt64
  /// Packets of that time that the rates tell of: what came, or what was sent.
  let packets: UInt64
  /// Their bytes.
  let bytes: UInt64
  /// Packets that this port dropped, by direction and reason, such as "tx_foreign".
  let drops: [String: UInt64]
  /// Packets that were sent and have not come back.
  let missing: UInt64
  let ringFull: UInt64
  let kicks: UInt64
  /// How many bursts had that many packets, by the number; none for bursts that found nothing.
  let bursts: [Int]

  var lost: UInt64 { drops.values.reduce(missing, &+) }
  var perSecond: Double { seconds > 0 ? Double(packets) / seconds : 0 }
  var gigabits: Double { seconds > 0 ? Double(bytes) * 8 / seconds / 1e9 : 0 }
  var nanoseconds: Double? { packets == 0 ? nil : seconds * 1e9 / Double(packets) }
  var meanBurst: Double? {
    let count = bursts.reduce(0, +)
    return count == 0 ? nil : Double(bursts.enumerated().reduce(0) { $0 + $1.offset * $1.element }) / Double(count)
  }
}

/// How much is measured.
struct Amount {
  let seconds: Double
  /// Nil: as many as go in that time.
  let packets: Int?
}

extension BenchPort {
  /// Bursts without a packet before the processor is given to others: the thread of a soft: device may need it. After more
  /// of them the program sleeps, since a busy machine lets one that only yields run rarely.
  private static let idleTurns = 16
  private static let sleepyTurns = 256
  private static let clockTurns = 64
  /// Seconds until packets that do not come any more are given up, with a number of packets to wait for.
  private static let patience = 5.0

  func measure(_ direction: Direction, _ amount: Amount, _ progress: Progress) throws -> Measurement {
    let before = try counts()
    var run = Run(burst: burst)
    let start = Clock.now
    var moved = start
    var now = start
    var turn = 0
    var idle = 0
    while true {
      let count = move(direction, amount, &run)
      idle = count == 0 ? idle + 1 : 0
      turn += 1
      if run.isComplete(direction, amount) { break }
      if idle >= BenchPort.sleepyTurns { sleep(direction) } else if idle >= BenchPort.idleTurns { sched_yield() }
      if turn % BenchPort.clockTurns != 0 && idle < BenchPort.sleepyTurns { continue }
      now = Clock.now
      if idle < BenchPort.clockTurns { moved = now }
      let isLate = amount.packets == nil ? now - start >= amount.seconds : now - moved >= BenchPort.patience
      if isLate || Interruption.hasCome { break }
      if turn % (BenchPort.clockTurns * 1024) == 0 { try look(direction, run, start, progress) }
    }
    let seconds = Clock.now - start
    settle(direction, &run)
    try check()
    return try result(direction, seconds, before, run)
  }

  private func move(_ direction: Direction, _ amount: Amount, _ run: inout Run) -> Int {
    var count = 0
    let most = amount.packets ?? Int.max
    if direction != .receive {
      let sent = transmit(max(most - run.sent - unsent, 0))
      run.sent += sent
      if direction == .transmit { run.add(sent) }
      count += sent
    }
    if direction != .transmit {
      let received = receive(direction == .receive ? max(most - run.received, 0) : Int.max)
      run.received += received
      run.add(received)
      count += received
    }
    return count
  }

  /// Sleeps until packets may go on, for some milliseconds at most.
  private func sleep(_ direction: Direction) {
    if direction == .transmit { waitForRoom() } else { waitForPackets() }
  }

  private func look(_ direction: Direction, _ run: Run, _ start: Double, _ progress: Progress) throws {
    try check()
    let count = direction == .transmit ? run.sent : run.received
    let rate = Double(count) / max(Clock.now - start, 0.001) / 1e6
    progress.say("\(direction.rawValue): \(Decimals.text(rate, 2)) Mpps")
  }

  /// What is under way when the time is over comes back, or is given up.
  private func settle(_ direction: Direction, _ run: inout Run) {
    dropUnsent()
    if direction == .receive { return }
    let end = Clock.now + BenchPort.patience
    var quiet = Clock.now
    while Clock.now < end && Clock.now - quiet < (direction == .loop ? 1 : 0.02) {
      let received = direction == .loop ? receive(Int.max) : 0
      run.late += received
      if received > 0 || takeBack() > 0 { quiet = Clock.now }
      if direction == .loop && run.received + run.late >= run.sent { break }
      sched_yield()
    }
  }

  private func result(
    _ direction: Direction, _ seconds: Double, _ before: (receive: QueueCounts, transmit: QueueCounts), _ run: Run
  ) throws -> Measurement {
    let after = try counts()
    let sent = after.transmit.packets &- before.transmit.packets
    let received = UInt64(run.received + run.late)
    var drops = after.receive.drops(since: before.receive, "rx")
    drops.merge(after.transmit.drops(since: before.transmit, "tx")) { one, _ in one }
    let missing = direction == .loop && sent > received ? sent - received : 0
    let receivedBytes = after.receive.bytes &- before.receive.bytes
    let inTime = received == 0 ? 0 : Double(receivedBytes) * Double(run.received) / Double(received)
    return Measurement(
      device: information.device, direction: direction, seconds: seconds, sent: sent, received: received,
      packets: direction == .transmit ? sent : UInt64(run.received),
      bytes: direction == .transmit ? after.transmit.bytes &- before.transmit.bytes : UInt64(inTime),
      drops: drops, missing: missing, ringFull: after.transmit.ringFull &- before.transmit.ringFull,
      kicks: (after.receive.kicks &- before.receive.kicks) &+ (after.transmit.kicks &- before.transmit.kicks),
      bursts: run.bursts)
  }

  private struct Run {
    var sent = 0
    var received = 0
    /// Received after the end.
    var late = 0
    var bursts: [Int]

    init(burst: Int) { bursts = Array(repeating: 0, count: burst + 1) }

    mutating func add(_ count: Int) { if count > 0 { bursts[count] += 1 } }

    func isComplete(_ direction: Direction, _ amount: Amount) -> Bool {
      guard let packets = amount.packets else { return false }
      return (direction == .receive || sent >= packets) && (direction == .transmit || received >= packets)
    }
  }
}
