// SPDX-License-Identifier: BSD-2-Clause
//
// The device's thread: polls while there is work, sleeps while there is none.
//
// While it polls, it asks the driver to save its kicks. When nothing was found for a while it asks for kicks again,
// looks once more (2.7.10: a buffer may have come just before), and sleeps until a kick, the wire, a message, the time
// of the next frame, or the end. An idle device takes no processor time.

import CLinux
import Linux

extension Device {
  /// Nanoseconds of polling without a frame before the device sleeps, and at most between two looks at its files.
  private static let idleTime: UInt64 = 50_000
  private static let control: UInt64 = 1_000_000
  /// Milliseconds between two tries to connect to a front-end.
  private static let retryInterval: Int32 = 50
  /// Passes without a frame before the thread yields the processor.
  private static let passesBeforeYield = 8

  mutating func run() {
    while !isStopping {
      connectAsClient()
      acceptAgain()
      checkLink()
      if poll() {
        handle(poller.wait(0))
      } else {
        sleep()
      }
      checkMemory()
    }
    if socketNumber >= 0 { disconnect() }
    wire.finish()
    memory.end()
  }

  /// Passes over the queues; true when it is time to look at the control files, false when there is nothing to do.
  private mutating func poll() -> Bool {
    if !isRunning { return false }
    let start = sys_nanoseconds()
    var found = start
    var idlePasses = 0
    while true {
      let moved = pass()
      if fault >= 0 { return endFaulty() }
      let now = sys_nanoseconds()
      if now &- start > Self.control { return true }
      if moved > 0 {
        found = now
        idlePasses = 0
      } else {
        if now &- found > Self.idleTime { return false }
        idlePasses &+= 1
        if idlePasses > Self.passesBeforeYield { _ = sched_yield() } else { cpu_pause() }
      }
    }
  }

  private mutating func endFaulty() -> Bool {
    let index = fault
    fault = -1
    fail(index)
    return true
  }

  private mutating func sleep() {
    isShort = false
    wantKicks(true)
    let wanted = hasRoom
    wire.setSleeping(true, wanted: wanted)
    var events = 0
    if pass() > 0 || fault >= 0 || memory.isLost || isShort {
      if fault >= 0 { _ = endFaulty() }
    } else {
      // A wire that is readable while no queue has room for its frames would wake the thread for nothing.
      watchWire(true)
      events = poller.wait(timeout())
      watchWire(false)
    }
    wire.setSleeping(false, wanted: wanted)
    wantKicks(false)
    handle(events)
  }

  private func watchWire(_ watching: Bool) {
    for place in 0..<receivers.count {
      let pair = Int(receivers[place])
      guard let file = wire.file(pair) else { continue }
      if !watching {
        poller.remove(file)
      } else if takes(pair) {
        _ = poller.add(file, .wire)
      }
    }
  }

  /// The next frame that the wire has for a pair would be taken. With RSS it may be for another queue.
  private func takes(_ pair: Int) -> Bool {
    guard terms.steers else { return queues[Queue.receive(pair)].hasBuffers }
    guard let frame = wire.peek(pair) else { return hasRoom }
    let target = receiver(of: frame)
    return !canReceive(target) || queues[Queue.receive(target)].hasBuffers
  }

  /// Some receive queue that works has buffers.
  private var hasRoom: Bool {
    for place in 0..<receivers.count where queues[Queue.receive(Int(receivers[place]))].hasBuffers { return true }
    return false
  }

  private func wantKicks(_ wanted: Bool) {
    for index in 0..<queues.count { queues[index].wantKicks(wanted) }
    shared_fence()
  }

  /// Milliseconds to sleep at most; -1 for no limit.
  private func timeout() -> Int32 {
    if socketNumber < 0 { return frontEndPath.isEmpty && acceptsAgainAt == 0 ? -1 : Self.retryInterval }
    // A front-end that gave no kick wants its rings polled.
    for index in 0..<2 * pairsInUse where queues[index].isKickless { return 1 }
    let now = sys_nanoseconds()
    let wait = wire.wait(now, receiving: isReceiving).map { Int32(clamping: max($0 / 1_000_000, 1)) }
    // The last millisecond before an interrupt is due is too short to sleep.
    guard coalesces, let release = nextRelease(now) else { return wait ?? -1 }
    let milliseconds = Int32(clamping: release / 1_000_000)
    return min(wait ?? milliseconds, milliseconds)
  }

  private mutating func handle(_ events: Int) {
    for index in 0..<events {
      switch poller.token(index) {
      case .stop: isStopping = true
      case .listener: accept()
      case .frontEnd: if socketNumber >= 0 { readMessages() }
      case .kick: queues[poller.number(index)].counts.notifications &+= 1
      case .wire, nil: break
      }
    }
  }
}
