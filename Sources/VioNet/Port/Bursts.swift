// SPDX-License-Identifier: BSD-2-Clause
//
// Which function a burst finds in its queue's control block, and how a stop keeps bursts out. A burst marks its queue as
// entered and then loads the function; a stop replaces the function, makes all processors agree, and waits until nobody is
// inside (Ports.burst).

import CLinux
import CVionet
import Linux

extension Port {
  /// The burst functions for what was negotiated; only while there are queues.
  var receivePath: ReceivePath {
    let queue = receiveQueue(0)
    let path = ReceivePath.choose(shape, queue.value.reading, isScattered: queue.value.scatter != nil)
    if options.checksThreads { return path.checkingThreads(countsSizes: options.countsSizes) }
    return options.countsSizes ? path.countingSizes : path
  }
  var transmitPath: TransmitPath {
    let path = TransmitPath.choose(shape)
    if options.checksThreads { return path.checkingThreads(countsSizes: options.countsSizes) }
    return options.countsSizes ? path.countingSizes : path
  }

  /// Lets bursts in: to the queues there are or, while there are none, to the backlog of the last ones.
  // Safety: a burst function is C code that checks its queue; the blocks it is put into are never freed.
  mutating func enableBursts() {
    if queues.pairs != 0 {
      queues.pairsWithBursts = queues.pairs
      let bursts = unsafe (receivePath.burst, transmitPath.burst)
      for pair in 0..<queues.pairs {
        unsafe receiveQueue(pair).value.core.enable(receiveBurst(pair, bursts.0))
        unsafe transmitQueue(pair).value.core.enable(bursts.1)
      }
    } else {
      for pair in 0..<queues.pairsWithBursts {
        unsafe receiveQueue(pair).value.core.entry = receiveBurst(pair, Virtqueue.idleBurst)
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

  /// Milliseconds that a stop waits for a thread inside a burst.
  static let burstDeadline = 3000

  static func burstStays(_ number: UInt16) -> Failure {
    Failure(ETIMEDOUT, "a thread stayed inside a burst of port ").number(number).text(" for 3 s")
  }
}
