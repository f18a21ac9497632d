// SPDX-License-Identifier: BSD-2-Clause
//
// Receive queues whose buffers come from pools of their own. A queue without one uses the port's pool. The sizes of frames and
// of posted buffers follow from the port's pool, so that a queue's own pool needs buffers of that size.

import CLinux
import CVionet
import Linux

/// The pool of one receive queue.
struct QueuePool {
  /// 0: the port's.
  var number: UInt16 = 0
  /// Packets of it that are reserved for the queue.
  var reserved = 0
}

extension Port {
  /// vionet_rx_pool_set(): where the buffers of one receive queue come from, from the next start on.
  package mutating func setReceivePool(_ queue: UInt16, _ pool: UInt16) throws(Failure) {
    try mustBeProbed()
    if phase.isStarted {
      throw Failure(EBUSY, "port ").number(number).text(" is started: choose pools of its queues before vionet_start")
    }
    if queue >= UInt16(VIONET_MAX_QUEUE_PAIRS) {
      throw Failure(EINVAL, "queue ").number(queue).text(": queues are 0 to ").number(VIONET_MAX_QUEUE_PAIRS - 1)
    }
    if pool != 0 { try share(pool) }
    if pools.ofQueues == nil { pools.ofQueues = Table<QueuePool>.make(count: Int(VIONET_MAX_QUEUE_PAIRS)) }
    guard let table = pools.ofQueues else { throw Failure(ENOMEM, "no memory for the pools of queues") }
    if table[Int(queue)].number == pool { return }
    tearDown()
    unreserve(&table[Int(queue)])
    table[Int(queue)].number = pool
  }

  /// The pool that the buffers of a receive queue come from.
  func receivePool(_ pair: UInt16) throws(Failure) -> Cell<PacketPool> {
    if let own = pools.ofQueues?[Int(pair)].number, own != 0 { return try PacketPools.find(own) }
    guard let pool = pools.receive else { throw Failure(EINVAL, "the port has no pool") }
    return pool
  }

  /// Number of queue pairs that use the port's pool.
  var pairsOfPortPool: Int {
    guard let table = pools.ofQueues else { return Int(options.queuePairs) }
    var count = 0
    for pair in 0..<Int(options.queuePairs) where table[pair].number == 0 { count += 1 }
    return count
  }

  /// Reserves in each queue's own pool what its ring takes with `buffers` packets in each entry.
  mutating func reserveInQueuePools(buffers: Int) throws(Failure) {
    guard let table = pools.ofQueues, let main = pools.receive else { return }
    for pair in 0..<Int(options.queuePairs) where table[pair].number != 0 {
      let pool = try PacketPools.find(table[pair].number)
      if pool.value.dataSize < main.value.dataSize {
        throw Failure(EINVAL, "pool ").number(table[pair].number).text(" of receive queue ").number(pair)
          .text(" has buffers of ").number(pool.value.dataSize).text(" bytes, the port's pool of ")
          .number(main.value.dataSize).text(": make it with that data_size")
      }
      let needed = Int(options.receiveDescriptors) * buffers + pool.value.perPair
      if needed <= table[pair].reserved { continue }
      try PacketPools.reserve(pool, needed - table[pair].reserved)
      table[pair].reserved = needed
    }
  }

  /// Gives up what was reserved in the pools of queues.
  mutating func releaseQueuePools() {
    guard let table = pools.ofQueues else { return }
    for pair in 0..<table.count { unreserve(&table[pair]) }
  }

  private func unreserve(_ queue: inout QueuePool) {
    if let pool = PacketPools.existing(queue.number) { PacketPools.unreserve(pool, queue.reserved) }
    queue.reserved = 0
  }
}
