// SPDX-License-Identifier: BSD-2-Clause
//
// Messages to a vhost-user back-end, each with its line in the log.

import CLinux
import Linux
import Virtio

// Safety: messages point at local values of the length that is sent.
extension VhostUserTransport {
  @inline(never)
  mutating func askNumber(_ request: UInt32) throws(Failure) -> UInt64 {
    try unsafe socket.send(request, flags: 0, payload: nil, count: 0)
    return try answerNumber(request)
  }

  mutating func answerNumber(_ request: UInt32) throws(Failure) -> UInt64 {
    var answer: UInt64 = 0
    try unsafe socket.reply(to: request, into: &answer, count: 8)
    RegisterLog.read(VhostUserTransport.log, VhostRequest.name(request), answer)
    return answer
  }

  mutating func barrier() throws(Failure) { _ = try askNumber(VhostRequest.getFeatures) }

  @inline(never)
  mutating func tell(_ request: UInt32, number: UInt64) throws(Failure) {
    var number = number
    note(request, number)
    try unsafe tell(request, &number, 8)
  }

  mutating func tell(_ request: UInt32) throws(Failure) {
    note(request, 0)
    try unsafe tell(request, nil, 0)
  }

  /// Tells a number about one ring.
  @inline(never)
  mutating func tell(_ request: UInt32, _ index: UInt32, _ number: UInt32) throws(Failure) {
    var state = (index, number)
    note(request, UInt64(index), UInt64(number))
    try unsafe tell(request, &state, 8)
  }

  @inline(never)
  mutating func tellFile(_ request: UInt32, _ index: UInt32, _ file: Int32) throws(Failure) {
    var number = UInt64(index)
    var file = file
    note(request, number)
    try unsafe tell(request, &number, 8, &file, 1)
  }

  mutating func tellAddresses(_ addresses: inout RingAddresses) throws(Failure) {
    note(VhostRequest.setVringAddress, addresses.0, addresses.1)
    try unsafe tell(VhostRequest.setVringAddress, &addresses, 40)
  }

  func note(_ request: UInt32, _ number: UInt64, _ second: UInt64? = nil) {
    RegisterLog.write(VhostUserTransport.log, VhostRequest.name(request), number, second)
  }

  /// Sends a change of state, and waits for the acknowledgement if the back-end has REPLY_ACK.
  mutating func tell(
    _ request: UInt32, _ payload: UnsafeRawPointer?, _ count: Int, _ files: UnsafeRawPointer? = nil,
    _ fileCount: Int = 0
  ) throws(Failure) {
    let acknowledged = has(ProtocolFeature.replyAcknowledge)
    try unsafe socket.send(
      request, flags: acknowledged ? VhostMessage.needReplyFlag : 0, payload: payload, count: count,
      descriptors: files, descriptorCount: fileCount)
    if !acknowledged { return }
    var answer: UInt64 = 0
    try unsafe socket.reply(to: request, into: &answer, count: 8)
    // tested by abi-memory-taken-away
    if answer != 0 { throw Failure(EPROTO, "the back-end refused ").plain(VhostRequest.name(request)) }
  }
}
