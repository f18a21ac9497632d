// SPDX-License-Identifier: BSD-2-Clause
//
// Packets that no queue gave back. Two threads on one queue, or memory that was written over, spoil a queue's records: it
// then forgets packets, or returns one of them twice. When the last port lets go of a pool there are no queues, so that every
// packet which is not the program's has to be on the stack, once.

import CLinux
import CVionet
import Linux

// Safety: packets are those of the open pool, and the stack has room for all of them.
extension PacketPool {
  /// Takes what is there twice off the stack, and puts on it what it lacks. Packets that a transmit ring had become the
  /// caller's, in a chain, since their data may have to be given back to the program. Returns how many packets were neither
  /// the program's nor on the stack.
  fileprivate mutating func sweep(_ chain: inout Packet?) -> Int {
    let hold = lock.lock()
    defer { lock.unlock(hold) }
    guard let parts = opened else { return 0 }
    let stacked = markStacked(parts)
    freeCount = stacked
    var chained = 0
    for place in 0..<packetCount {
      let packet = unsafe Packet(parts.packets + place)
      if packet.owner == Owner.counted {
        packet.owner = Owner.pool
      } else if packet.holder == Owner.ring {
        takeFromRing(packet, &chain)
        chained += 1
      } else if packet.holder == Owner.pool && (parts.physical.map { $0[place] != 0 } ?? true) {
        packet.owner = Owner.pool
        parts.free[unchecked: freeCount] = packet
        freeCount += 1
      }
    }
    return freeCount - stacked + chained
  }

  /// Marks the packets on the stack, each of which stays there once; returns how many there are.
  private func markStacked(_ parts: Parts) -> Int {
    var count = 0
    for place in 0..<freeCount {
      let packet = parts.free[uncheckedPresent: place]
      if packet.owner != Owner.pool { continue }
      packet.owner = Owner.counted
      parts.free[unchecked: count] = packet
      count += 1
    }
    return count
  }

  /// Drops the reference of a ring that is gone. What has no other one goes into the chain.
  private func takeFromRing(_ packet: Packet, _ chain: inout Packet?) {
    packet.holder = Owner.caller
    if !packet.dropReference() { return }
    packet.next = chain
    chain = packet
  }
}

extension PacketPools {
  /// Removes a port from a pool's users, with the packets reserved for it. Those that its queues have lost come back with
  /// the last port.
  static func release(_ pool: Cell<PacketPool>, _ packets: Int) {
    var (found, chain) = (0, Packet?.none)
    PoolTable.shared.value.lock.lock()
    pool.value.reserved -= packets
    pool.value.users -= 1
    if pool.value.users == 0 { found = pool.value.sweep(&chain) }
    PoolTable.shared.value.lock.unlock()
    while let packet = chain {
      chain = packet.next
      packet.next = nil
      PacketCalls.release(packet, of: pool)
    }
    if found == 0 || !Log.wanted(.error) { return }
    Log.line("pool").number(pool.value.number).text("has").number(found)
      .text("packets back that queues had lost: two threads were on one queue, which check_threads=1 finds,")
      .text("or something has written over the library's memory").send(.error)
  }
}
