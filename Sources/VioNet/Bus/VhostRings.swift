// SPDX-License-Identifier: BSD-2-Clause
//
// How any vhost device is told of a ring, be it a process behind a socket, the kernel, or a vDPA device: the same words in
// the same order.

import CLinux
import Linux
import Virtio

protocol VhostRings {
  /// Something about one ring that is a number.
  mutating func tell(_ request: UInt32, _ index: UInt32, _ number: UInt32) throws(Failure)
  /// Something about one ring that is a file.
  mutating func tellFile(_ request: UInt32, _ index: UInt32, _ file: Int32) throws(Failure)
  /// A ring's parts, in struct vhost_vring_addr.
  mutating func tellAddresses(_ addresses: inout RingAddresses) throws(Failure)
}

/// Index and flags, then descriptors, used ring, available ring, log.
typealias RingAddresses = (UInt64, UInt64, UInt64, UInt64, UInt64)

extension VhostRings {
  /// Everything about one ring, which the device knows as `index`: its call descriptor first and its kick last, as
  /// back-ends expect (VHU-06).
  mutating func setUp(_ ring: RingSetUp, as index: UInt32, errors: Descriptor) throws(Failure) {
    try tellFile(VhostRequest.setVringCall, index, ring.call)
    if errors.isOpen { try tellFile(VhostRequest.setVringError, index, errors.number) }
    try tell(VhostRequest.setVringSize, index, UInt32(ring.size))
    try begin(index, isPacked: ring.isPacked)
    var addresses = (UInt64(index), ring.descriptors, ring.used, ring.available, UInt64(0))
    try tellAddresses(&addresses)
    try tellFile(VhostRequest.setVringKick, index, ring.kick)
  }

  /// Both positions of a packed ring begin in its first lap, whose wrap counter is 1, in bit 15 of each half.
  mutating func begin(_ index: UInt32, isPacked: Bool) throws(Failure) {
    try tell(VhostRequest.setVringBase, index, isPacked ? 0x8000_8000 : 0)
  }
}

// MARK: The kernel's

extension VhostDevice: VhostRings {
  /// A request with up to two numbers for the log.
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

  /// 64 bits that are told, and that are asked for.
  @inline(never)
  func tell(_ call: VhostCall, number: UInt64) throws(Failure) {
    var number = number
    try unsafe write(call, &number, number)
  }

  @inline(never)
  func number(_ call: VhostCall) throws(Failure) -> UInt64 {
    var value: UInt64 = 0
    try unsafe tell(call, &value)
    RegisterLog.read(kind, call.name, value)
    return value
  }
}
