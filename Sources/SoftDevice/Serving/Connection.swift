// SPDX-License-Identifier: BSD-2-Clause
//
// Front-ends come and go: accepting one, reading its messages, and forgetting all that belonged to it when it leaves
// or breaks a rule. There is one at a time; others wait in the listening socket's queue.

import CLinux
import Linux
import Virtio

extension Device {
  /// Begins to serve a front-end.
  mutating func connect(_ new: consuming File) {
    if !poller.add(new.number, .frontEnd) { return }
    socketNumber = new.number
    socket = consume new
    session = Session()
    session.mac = config.mac
    counters.addConnection()
    if listener >= 0 { poller.remove(listener) }
    if Log.wanted(.debug) { Log.line("soft device: a front-end connected").send(.debug) }
  }

  mutating func accept() {
    if socketNumber >= 0 || listener < 0 { return }
    let accepted = sys_accept(listener)
    if accepted >= 0 { connect(File(owning: accepted)) }
  }

  /// Connects to a front-end that listens, if this device is a client.
  // Safety: the address lives longer than the call that reads it.
  mutating func connectAsClient() {
    if socketNumber >= 0 || frontEndPath.isEmpty { return }
    let file = File(owning: sys_unix_socket())
    guard file.number >= 0, var address = frontEndPath.socketAddress else { return }
    if unsafe sys_unix_connect(file.number, &address) >= 0 { connect(file) }
  }

  /// Notifies the driver when the other end of the wire comes or goes. When it comes, the driver is asked to announce
  /// itself too, since others may have forgotten where it is.
  mutating func checkLink() {
    if linkIsUp == wire.isUp { return }
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
      case .closed: return disconnect("it left")
      case .broken: return disconnect("a message is malformed")
      case .complete:
        let served = serve()
        message.clear()
        if !served { return disconnect("a request was refused") }
      }
    }
  }

  /// Ends the connection and gives back all that came with it.
  mutating func disconnect(_ reason: StaticString) {
    if Log.wanted(.debug) { Log.line("soft device: front-end disconnected:").text(reason).send(.debug) }
    for index in 0..<queues.count {
      stopRing(index)
      Self.replace(&queues[index].call, -1)
      Self.replace(&queues[index].error, -1)
      queues[index] = Queue(queues[index].direction)
    }
    forgetMemory()
    forgetInflight()
    Self.replace(&backend, -1)
    message.clear()
    poller.remove(socketNumber)
    socketNumber = -1
    socket = nil
    session = Session()
    if listener >= 0 { _ = poller.add(listener, .listener) }
  }

  /// Signals the error eventfd and disconnects, because the driver broke the rules of virtio.
  mutating func fail(_ index: Int) {
    if queues[index].error >= 0 { _ = sys_eventfd_signal(queues[index].error) }
    if Log.wanted(.debug) { Log.line("soft device: rules broken on ring").number(index).send(.debug) }
    disconnect("the driver broke the rules of its ring")
  }

  /// Some ring runs.
  var isRunning: Bool { pairsInUse > 0 || hasControl }

  /// Some receive queue works.
  var isReceiving: Bool { receivers.count > 0 }

  func canReceive(_ pair: Int) -> Bool {
    pair < session.receivingPairs(config) && queues[Queue.receive(pair)].running && queues[Queue.receive(pair)].enabled
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
    terms = session.terms(config, filter)
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
    if wasReceiving != isReceiving { counters.addReceive(Tally(dropped: wire.setReceiving(isReceiving))) }
  }

  /// Lets a ring go on where a predecessor stood, if the front-end has its record. False if that cannot be.
  private mutating func resume(_ index: Int, _ rings: Rings) -> Bool {
    guard let inflight = queues[index].inflight else { return true }
    guard let stand = inflight.begin(queues[index], rings) else {
      queues[index].running = false
      if queues[index].error >= 0 { _ = sys_eventfd_signal(queues[index].error) }
      if Log.wanted(.debug) { Log.line("soft device: the record of chains in flight is of no use").send(.debug) }
      return false
    }
    if queues[index].agreement.isPacked {
      queues[index].next = stand
      queues[index].used = stand
    }
    return true
  }

  private mutating func setRunning(_ index: Int, _ running: Bool) {
    queues[index].running = running
    if running, let rings = queues[index].rings {
      if !queues[index].agreement.isPacked { queues[index].used.index = rings.device.load16(2) }
      if !resume(index, rings) { return }
      queues[index].putBack()
    }
    queues[index].wantKicks(false)
  }
}
