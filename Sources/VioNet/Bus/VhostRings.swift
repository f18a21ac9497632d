// SPDX-License-Identifier: BSD-2-Clause
//
// How a vhost device is told of a ring. A process behind a socket, the kernel and a vDPA device take the same requests in the
// same order.

import CLinux
import Linux
import Virtio

protocol VhostRings: ~Copyable {
  /// Tells a number about one ring.
  mutating func tell(_ request: UInt32, _ index: UInt32, _ number: UInt32) throws(Failure)
  /// Gives the device a file for one ring.
  mutating func tellFile(_ request: UInt32, _ index: UInt32, _ file: Int32) throws(Failure)
  /// Tells where a ring's parts lie, as struct vhost_vring_addr.
  mutating func tellAddresses(_ addresses: inout RingAddresses) throws(Failure)
}

/// The words of struct vhost_vring_addr: index and flags, descriptors, used ring, available ring, log.
typealias RingAddresses = (UInt64, UInt64, UInt64, UInt64, UInt64)

extension VhostRings where Self: ~Copyable {
  /// Describes one ring, which the device knows as `index`. The call descriptor comes first and the kick last, since a
  /// back-end starts a ring with its kick (vhost-user, "Ring states").
  mutating func setUp(_ ring: RingSetUp, as index: UInt32, errors: Int32) throws(Failure) {
    try tellFile(VhostRequest.setVringCall, index, ring.call)
    if errors >= 0 { try tellFile(VhostRequest.setVringError, index, errors) }
    try tell(VhostRequest.setVringSize, index, UInt32(ring.size))
    try begin(index, isPacked: ring.isPacked)
    var addresses = (UInt64(index), ring.descriptors, ring.used, ring.available, UInt64(0))
    try tellAddresses(&addresses)
    try tellFile(VhostRequest.setVringKick, index, ring.kick)
  }

  /// Sets where a ring begins. Bit 15 of each half is the wrap counter of a packed ring, which is 1 in the first lap.
  mutating func begin(_ index: UInt32, isPacked: Bool) throws(Failure) {
    try tell(VhostRequest.setVringBase, index, isPacked ? 0x8000_8000 : 0)
  }
}

// MARK: The kernel

// Safety: each request gets a pointer to a local value of the type that its number implies.
extension VhostDevice: VhostRings {
  /// Makes a request, and writes it to the log with up to two numbers.
  @inline(never)
  func write(_ call: VhostCall, _ payload: UnsafeMutableRawPointer?, _ first: UInt64, _ second: UInt64? = nil)
    throws(Failure)
  {
    RegisterLog.write(kind, call.name, first, second)
    try unsafe tell(call, payload)
  }

  @inline(never)
  func tell(_ request: UInt32, _ index: UInt32, _ number: UInt32) throws(Failure) {
    var state = (index, number)
    try unsafe write(VhostCall(request), &state, UInt64(index), UInt64(number))
  }

  @inline(never)
  func tellFile(_ request: UInt32, _ index: UInt32, _ file: Int32) throws(Failure) {
    try tellFile(VhostCall(request), index, file)
  }

  func tellFile(_ call: VhostCall, _ index: UInt32, _ file: Int32) throws(Failure) {
    var state = (index, file)
    try unsafe write(call, &state, UInt64(index))
  }

  func tellAddresses(_ addresses: inout RingAddresses) throws(Failure) {
    try unsafe write(VhostCall(VhostRequest.setVringAddress), &addresses, addresses.0, addresses.1)
  }

  /// Tells a 64-bit number.
  @inline(never)
  func tell(_ call: VhostCall, number: UInt64) throws(Failure) {
    var number = number
    try unsafe write(call, &number, number)
  }

  /// Asks for a 64-bit number.
  @inline(never)
  func number(_ call: VhostCall) throws(Failure) -> UInt64 {
    var value: UInt64 = 0
    try unsafe tell(call, &value)
    RegisterLog.read(kind, call.name, value)
    return value
  }
}
