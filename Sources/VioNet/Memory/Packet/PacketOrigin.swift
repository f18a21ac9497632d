// SPDX-License-Identifier: BSD-2-Clause
//
// Where the data of an external packet lies: in another packet's buffer (a view), or in memory that the program attached.
// Each pool has one record per packet beside the packets, so that a packet stays one cache line and packets with data of
// their own never touch a second one.

import CLinux
import CVionet
import Linux
import Virtio

// Safety: the program's values are passed on and never followed; an original is compared with the pools' packets.
@safe
package struct PacketOrigin {
  /// What the program wants called when it may use attached memory again.
  package typealias Done = @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> Void

  /// Address of the packet whose data this one shows, which has one reference for that; 0 for attached memory.
  var original: UInt = 0
  /// Number of the pool in whose memory the data lies.
  var pool: UInt16 = 0
  /// Where the headers of a tunnel lie; of any packet, external or not, whose flags have a tunnel.
  var tunnel = TunnelOffsets()
  /// What the program gave: a function, and its two arguments.
  var done: Done?
  var data: UnsafeMutableRawPointer?
  var user: UnsafeMutableRawPointer?

  init(original: Packet, pool: UInt16) {
    self.original = original.address
    self.pool = pool
  }

  /// Where the data of a view of a checked segment of `pool` lies. A view of a view shows the original, so that freeing
  /// one never goes deeper than that.
  init(viewing shown: Packet, _ pool: Cell<PacketPool>) {
    let origin = pool.value.origin(shown)
    var original = shown
    if let origin, let first = Packet.at(origin.original) { original = first }
    self.init(original: original, pool: origin?.pool ?? pool.value.number)
  }

  init(pool: UInt16, _ data: UnsafeMutableRawPointer, _ done: Done?, _ user: UnsafeMutableRawPointer?) {
    self.pool = pool
    unsafe self.data = data
    unsafe self.done = done
    unsafe self.user = user
  }

  /// Lets go of the data: drops the reference to the original, or tells the program. No lock of a pool is held, since the
  /// program may free packets meanwhile.
  func end() {
    if original == 0 {
      PacketPools.existing(pool)?.value.detach()
      unsafe done?(data, user)
    } else if let packet = Packet.at(original), let pool = PacketPools.containing(packet) {
      // The original is the caller's while it has another reference than the caller's own.
      PacketCalls.release(packet, of: pool)
    }
  }
}
