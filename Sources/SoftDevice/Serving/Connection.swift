// SPDX-License-Identifier: BSD-2-Clause
//
// Front-ends come and go: accepting one, reading its messages, and forgetting all that belonged to it when it leaves
// or breaks a rule. There is one at a time; others wait in the listening socket's queue.

import CLinux
import Linux
import Virtio

extension Device {
  /// Nanoseconds without a look at the listening socket after descriptors had run out.
  private static let acceptPause: UInt64 = 100_000_000

  /// Begins to serve a front-end.
  mutating func connect(_ new: consuming File) {
    if !poller.add(new.number, .frontEnd) { return }
    isShortageLogged = false
    socketNumber = new.number
    socket = consume new
    session = Session()
    session.mac = config.mac
    counters.add(.connections, 1)
    if listener >= 0 { poller.remove(listener) }
    if Log.wanted(.debug) { Log.line("soft device: a front-end connected").send(.debug) }
  }

  mutating func accept() {
    if socketNumber >= 0 || listener < 0 { return }
    let accepted = sys_accept(listener)
    if accepted >= 0 { return connect(File(owning: accepted)) }
    if accepted != -EAGAIN && accepted != -EINTR && accepted != -ECONNABORTED { pauseAccepting(accepted) }
  }

  /// Looks away from the listening socket for a moment: a front-end for which there is no descriptor would be reported
  /// again and again.
  @inline(never)
  private mutating func pauseAccepting(_ result: Int32) {
    poller.remove(listener)
    acceptsAgainAt = sys_nanoseconds() &+ Self.acceptPause
    logShortage(result)
  }

  @inline(never)
  private mutating func logShortage(_ result: Int32) {
    if isShortageLogged || !Log.wanted(.error) { return }
    isShortageLogged = true
    Log.line("soft device: no front-end can be served:").reason(0 &- result).send(.error)
  }

  /// Looks at the listening socket again when it is time.
  mutating func acceptAgain() {
    if acceptsAgainAt == 0 || sys_nanoseconds() < acceptsAgainAt { return }
    acceptsAgainAt = 0
    if socketNumber < 0 { _ = poller.add(listener, .listener) }
  }

  /// Connects to a front-end that listens, if this device is a client.
  // Safety: the address lives longer than the call that reads it.
  mutating func connectAsClient() {
    if socketNumber >= 0 || frontEndPath.isEmpty || !pause.hasPassed { return }
    let file = File(owning: sys_unix_socket())
    if file.number == -EMFILE || file.number == -ENFILE { logShortage(file.number) }
    guard file.number >= 0, var address = frontEndPath.socketAddress else { return }
    if unsafe sys_unix_connect(file.number, &address) >= 0 { connect(file) }
  }

  /// Notifies the driver when the other end of the wire comes or goes. When it comes, the driver is asked to announce
  /// itself too, since others may have forgotten where it is.
  mutating func checkLink() {
    let state = wire.look()
    if state == wireState { return }
    wireState = state
    wire.explain(state)
    if linkIsUp == (state == .up) { return }
    linkIsUp = !linkIsUp
    session.announces = linkIsUp && session.has(Feature.announce)
    notifyConfigChange()
  }

  /// Serves a few messages of the front-end's, so that frames keep flowing.
  mutating func readMessages() {
    var left = 16
    while left > 0, socketNumber >= 0 {
      left -= 1
      switch message.read(socketNumber) {
      case .waiting: return
      case .closed:
        if memory.isLost { return endForLoss() }
        if Log.wanted(.debug) { Log.line("soft device: the front-end left").send(.debug) }
        return disconnect()
      case .broken: return end(Failure(EPROTO, "the front-end sent a malformed message"))
      case .short:
        counters.shortage = EMFILE
        return end(Failure(EMFILE, "no file descriptor left: a file of the front-end's cannot be taken (ulimit -n)"))
      case .complete:
        do throws(Failure) { try serve() } catch { end(error) }
        message.clear()
      }
    }
  }

  /// Ends a session because the front-end did what it must not, or because something lacks here. The reason is kept and
  /// counted before the front-end sees the end.
  @inline(never)
  mutating func end(_ failure: Failure) {
    if memory.isLost { return endForLoss() }
    counters.add(.faults, 1)
    complaint.keep(failure, .info)
    disconnect(grows: true)
  }

  /// Ends a session of which some memory was touched that is gone.
  @inline(never)
  private mutating func endForLoss() {
    counters.add(.faults, 1)
    complaint.keep(
      Failure(EFAULT, "the front-end's memory is gone: it has shortened a file, or there was no room for one")
        .text(" (a full file system, a limit on hugepages)"))
    disconnect(grows: true)
  }

  /// Ends the connection and gives back all that came with it. `grows`: the next attempt may end as this one did.
  mutating func disconnect(grows: Bool = false) {
    pause.begin(grows: grows)
    for index in 0..<queues.count {
      stopRing(index)
      Self.replace(&queues[index].call, -1)
      Self.replace(&queues[index].error, -1)
      queues[index] = Queue(queues[index].direction)
    }
    forgetMemory()
    forgetInflight()
    closeChannel()
    memory.forgetLoss()
    message.clear()
    poller.remove(socketNumber)
    socketNumber = -1
    socket = nil
    session = Session()
    steering.reset()
    if listener >= 0 && acceptsAgainAt == 0 { _ = poller.add(listener, .listener) }
  }

  mutating func checkMemory() { if socketNumber >= 0 && memory.isLost { endForLoss() } }

  /// Signals the error eventfd and disconnects, because the driver broke the rules of virtio.
  mutating func fail(_ index: Int) {
    if queues[index].error >= 0 { signal(queues[index].error) }
    if Log.wanted(.error) { Log.line("soft device: the driver broke the rules of ring").number(index).send(.error) }
    end(Failure(EPROTO, "the front-end broke the rules of ring ").number(index))
  }

  /// Signals an eventfd of the front-end's. One in another process could make a plain write wait.
  func signal(_ file: Int32) { _ = isHosted ? sys_eventfd_signal(file) : sys_shared_signal(file) }

  /// Some ring runs.
  var isRunning: Bool { pairsInUse > 0 || hasControl }

  /// Some receive queue works.
  var isReceiving: Bool { receivers.count > 0 }

  /// Pairs that may receive: with a table of the driver's, all that it can name.
  var receivingPairs: Int { steering.isActive ? config.pairs : session.receivingPairs(config) }

  func canReceive(_ pair: Int) -> Bool {
    pair < receivingPairs && queues[Queue.receive(pair)].running && queues[Queue.receive(pair)].enabled
  }

  mutating func forgetRings() {
    for index in 0..<queues.count {
      queues[index].rings = nil
      queues[index].running = false
    }
  }

  mutating func forgetMemory() {
    memory.clear()
    translation = Translation(memory)
  }

  /// Decides anew which rings run, after a change.
  mutating func refresh() {
    let wasReceiving = isReceiving
    terms = session.terms(config, filter, steering)
    receivers.clear()
    pairsInUse = 0
    hasControl = false
    for index in 0..<queues.count {
      let running = session.isReady && queues[index].started && queues[index].rings != nil
      if running != queues[index].running { setRunning(index, running) }
      if !running { continue }
      if queues[index].direction == .both {
        hasControl = true
      } else {
        pairsInUse = index / 2 + 1
        if index % 2 == 0 && canReceive(index / 2) { receivers.add(index / 2) }
      }
    }
    wire.use(terms)
    for pair in 0..<config.pairs { wire.setReceiving(pair, canReceive(pair)) }
    if wasReceiving != isReceiving { counters.add(.toDriverStopped, wire.setReceiving(isReceiving)) }
  }

  /// Lets a ring go on where a predecessor stood, if the front-end has its record. False if that cannot be.
  private mutating func resume(_ index: Int, _ rings: Rings) -> Bool {
    guard let inflight = queues[index].inflight else { return true }
    guard let stand = inflight.begin(queues[index], rings) else {
      queues[index].running = false
      if queues[index].error >= 0 { signal(queues[index].error) }
      if Log.wanted(.debug) { Log.line("soft device: the record of chains in flight is of no use").send(.debug) }
      return false
    }
    if queues[index].agreement.isPacked {
      queues[index].next = stand
      queues[index].used = stand
    }
    return true
  }

  /// A split ring goes on behind what was used last, as the ring itself tells. After a restart some front-ends still name
  /// the position of the first start (DPDK's virtio-user says 0); buffers before the used index are the driver's again.
  private mutating func takePosition(_ index: Int, _ rings: Rings) {
    let used = rings.device.load16(RingFormat.indexOffset)
    if used != queues[index].next.index && Log.wanted(.info) {
      Log.line("soft device: ring").number(index).text("goes on at its used index").number(used)
        .text("and not at the base of").number(queues[index].next.index).send(.info)
    }
    queues[index].used.index = used
    queues[index].next.index = used
  }

  private mutating func setRunning(_ index: Int, _ running: Bool) {
    queues[index].running = running
    if queues[index].coalescing.isPending { release(index) }
    if running && queues[index].direction != .both { restoreLimits(index) }
    if running, let rings = queues[index].rings {
      if !queues[index].agreement.isPacked { takePosition(index, rings) }
      if !resume(index, rings) { return }
      queues[index].putBack()
    }
    queues[index].wantKicks(false)
  }
}

/// How long a device that connects by itself waits after a front-end before it connects again: longer each time that the
/// front-end broke a rule, since the next attempt may end as this one did.
struct ConnectionPause {
  private static let shortest = 50
  private static let longest = 1000

  private var milliseconds = 0
  private var end = Deadline(milliseconds: 0)

  var hasPassed: Bool { end.hasPassed }

  mutating func begin(grows: Bool) {
    milliseconds = grows ? min(max(2 * milliseconds, Self.shortest), Self.longest) : Self.shortest
    end = Deadline(milliseconds: milliseconds)
  }
}
