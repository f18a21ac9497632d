// SPDX-License-Identifier: BSD-2-Clause
//
// Which function a burst finds in its queue's control block, and how a stop keeps bursts out. A burst marks its queue as
// entered and then loads the function; a stop replaces the function, makes all processors agree, and waits until nobody is
// inside (Ports.burst).

import CLinux
import CVionet
import Linux

extension Port {
  /// The burst functions for what was negotiated; only while there are queues. A watcher is called outside of them.
  var receivePath: ReceivePath {
    let path = uncheckedReceivePath
    return options.checksThreads ? path.checkingThreads(countsSizes: options.countsSizes) : path
  }
  var transmitPath: TransmitPath {
    let path = uncheckedTransmitPath
    return options.checksThreads ? path.checkingThreads(countsSizes: options.countsSizes) : path
  }
  private var uncheckedReceivePath: ReceivePath {
    let queue = receiveQueue(0)
    let path = ReceivePath.choose(shape, queue.value.reading, isScattered: queue.value.scatter != nil)
    return options.countsSizes ? path.countingSizes : path
  }
  private var uncheckedTransmitPath: TransmitPath {
    let path = TransmitPath.choose(shape)
    return options.countsSizes ? path.countingSizes : path
  }

  /// Lets receive bursts into a queue there is, through the watcher if the port has one.
  // Safety: as enableBursts(). A check for other threads is around the watcher too, so that only one thread calls it.
  func enableReceive(_ pair: UInt16) {
    let queue = receiveQueue(pair)
    if !isWatched { return unsafe queue.value.core.enable(receiveBurst(pair, receivePath.burst)) }
    unsafe queue.value.core.watchedBurst = receiveBurst(pair, uncheckedReceivePath.burst)
    queue.value.core.watcher = PortSlots.all[number].watcher
    unsafe queue.value.core.enable(options.checksThreads ? checkedWatchedReceive : watchedReceive)
  }

  /// Lets transmit bursts in, as enableReceive().
  // Safety: as enableReceive().
  func enableTransmit(_ pair: UInt16) {
    let queue = transmitQueue(pair)
    if !isWatched { return unsafe queue.value.core.enable(transmitPath.burst) }
    unsafe queue.value.core.watchedBurst = uncheckedTransmitPath.burst
    queue.value.core.watcher = PortSlots.all[number].watcher
    unsafe queue.value.core.enable(options.checksThreads ? checkedWatchedTransmit : watchedTransmit)
  }

  /// The entry of a receive queue that hands out what was saved before its device went away.
  // Safety: as enableBursts().
  private func watchedIfWanted(_ pair: UInt16, _ burst: @escaping Virtqueue.Burst) -> Virtqueue.Burst {
    if !isWatched { return unsafe burst }
    unsafe receiveQueue(pair).value.core.watchedBurst = burst
    receiveQueue(pair).value.core.watcher = PortSlots.all[number].watcher
    return unsafe options.checksThreads ? checkedWatchedReceive : watchedReceive
  }

  /// Lets bursts in: to the queues there are or, while there are none, to the backlog of the last ones.
  // Safety: a burst function is C code that checks its queue; the blocks it is put into are never freed.
  mutating func enableBursts() {
    if queues.pairs != 0 {
      queues.pairsWithBursts = queues.pairs
      for pair in 0..<queues.pairs {
        enableReceive(pair)
        enableTransmit(pair)
      }
    } else {
      for pair in 0..<queues.pairsWithBursts {
        unsafe receiveQueue(pair).value.core.entry = watchedIfWanted(pair, receiveBurst(pair, Virtqueue.idleBurst))
        unsafe transmitQueue(pair).value.core.entry = Virtqueue.idleBurst
      }
    }
    PortSlots.all[number].receiveCount = queues.pairsWithBursts
    PortSlots.all[number].transmitCount = queues.pairs == 0 ? queues.pairsWithBursts : pairsInUse
  }

  /// Keeps bursts out and waits until none is inside. If one stays, all is as before.
  // Safety: as enableBursts().
  mutating func disableBursts() throws(Failure) {
    PortSlots.all[number].receiveCount = 0
    PortSlots.all[number].transmitCount = 0
    for pair in 0..<queues.pairsWithBursts {
      unsafe receiveQueue(pair).value.core.entry = Virtqueue.idleBurst
      unsafe transmitQueue(pair).value.core.entry = Virtqueue.idleBurst
    }
    Barrier.reachAll()
    let deadline = Deadline(milliseconds: Port.burstDeadline, within: bus.deadline)
    for pair in 0..<queues.pairsWithBursts
    where !receiveQueue(pair).value.core.waitUntilLeft(by: deadline)
      || !transmitQueue(pair).value.core.waitUntilLeft(by: deadline)
    {
      enableBursts()
      throw Port.burstStays(number)
    }
  }

  /// Gives the device time to send what the queues in use have. A port that waits for its device has no queues.
  func finishSending() { if phase.isStarted { finishSending(0..<min(pairsInUse, queues.pairs)) } }

  /// Gives the device time to send what these queues have, so that a program may close the port behind its last burst: 100 ms
  /// from each frame to the next, and a second in all. Whether it is there is asked once: that may cost more than the wait.
  /// Bursts are kept out already.
  func finishSending(_ pairs: Range<UInt16>) {
    let end = Deadline(milliseconds: 1000, within: bus.deadline)
    var patience = Deadline(milliseconds: 100, within: end)
    var isThere = false
    for pair in pairs {
      let queue = transmitQueue(pair)
      var left = queue.value.core.ring.outstanding
      while left != 0, queue.value.core.fault == .none {
        reclaimSent(queue)
        if queue.value.core.ring.outstanding == left {
          if patience.hasPassed || !isThere && bus.isGone { return }
          isThere = true
          sys_sleep_microseconds(20)
        } else {
          left = queue.value.core.ring.outstanding
          patience = Deadline(milliseconds: 100, within: end)
        }
      }
    }
  }

  /// Milliseconds that a stop waits for a thread inside a burst.
  static let burstDeadline = 3000

  static func burstStays(_ number: UInt16) -> Failure {
    Failure(ETIMEDOUT, "a thread stayed inside a burst of port ").number(number).text(" for 3 s")
  }
}
