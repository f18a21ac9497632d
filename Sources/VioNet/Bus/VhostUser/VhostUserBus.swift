// SPDX-License-Identifier: BSD-2-Clause
//
// A device behind a vhost-user socket: the bus verbs as messages. With REPLY_ACK every change of state is acknowledged;
// without it a GET_FEATURES serves as a barrier where the order matters. With STATUS the back-end sees the virtio
// status; without it the status is kept here and only we read it.

import CLinux
import Linux

struct VhostUserBus: VhostRings {
  static let log: StaticString = "vhost-user"
  /// Bit 30 of the feature word, which on this bus announces protocol features.
  static let protocolFeaturesBit: UInt64 = 1 << 30

  var socket = VhostSocket(adopting: -1)
  /// Where the next back-end comes from, if one is awaited.
  var meeting: VhostMeeting?
  private(set) var offered: UInt64 = 0
  private(set) var protocolFeatures: UInt64 = 0
  private(set) var maximumQueuePairs: UInt16 = 1
  private var localStatus: UInt8 = 0
  /// Of memory that the back-end takes.
  private(set) var maximumRegions = VhostUserBus.fewestRegions
  var shared = SharedRegions()
  /// By this the back-end says that a ring is of no use to it.
  var errors = Descriptor.none

  init(_ socket: VhostSocket) throws(Failure) { try meet(socket, wasAsked: false) }

  /// Without a back-end: it will come.
  init(_ meeting: VhostMeeting) { self.meeting = meeting }

  /// Meets a back-end: its features, its owner, its protocol features, its queues (VHU-02's order). It may have been
  /// asked for its features already.
  mutating func meet(_ socket: VhostSocket, wasAsked: Bool) throws(Failure) {
    self.socket.close()
    self.socket = socket
    protocolFeatures = 0
    maximumQueuePairs = 1
    localStatus = 0
    maximumRegions = VhostUserBus.fewestRegions
    shared = SharedRegions()
    do throws(Failure) {
      offered = wasAsked ? try answerNumber(VhostRequest.getFeatures) : try askNumber(VhostRequest.getFeatures)
      try tell(VhostRequest.setOwner)
      if offered & VhostUserBus.protocolFeaturesBit != 0 { try agreeOnProtocol() }
    } catch {
      disconnect()
      throw error
    }
  }

  private mutating func agreeOnProtocol() throws(Failure) {
    let theirs = try askNumber(VhostRequest.getProtocolFeatures)
    let agreed = theirs & ProtocolFeature.wanted
    try tell(VhostRequest.setProtocolFeatures, number: agreed)
    protocolFeatures = agreed
    if has(ProtocolFeature.queues) {
      // Some count pairs, some rings; nobody has none. More than we can use is of no interest.
      let count = try askNumber(VhostRequest.getQueueNumber)
      if count == 0 { throw Failure(EPROTO, "the back-end says it has no queues") }
      maximumQueuePairs = UInt16(min(count, 128))
    }
    if has(ProtocolFeature.memorySlots) {
      let slots = try askNumber(VhostRequest.getMaximumSlots)
      if slots == 0 { throw Failure(EPROTO, "the back-end says that it takes no memory") }
      maximumRegions = Int(min(slots, UInt64(SharedRegions.room)))
    }
    if has(ProtocolFeature.backendRequests) { try openChannel() }
  }

  func has(_ feature: UInt64) -> Bool { protocolFeatures & feature != 0 }

  mutating func disconnect() { socket.close() }

  mutating func close() {
    disconnect()
    meeting?.close()
    meeting = nil
    errors.close()
  }

  // MARK: The bus verbs

  /// Feature bits of the device itself.
  var deviceFeatures: UInt64 { offered & ~VhostUserBus.protocolFeaturesBit }

  /// Only a back-end with CONFIG has a config space that can be read.
  var hasConfig: Bool { has(ProtocolFeature.config) }

  mutating func accept(_ features: UInt64) throws(Failure) {
    // Bit 30 is echoed: without it rings would start enabled.
    try tell(VhostRequest.setFeatures, number: features | offered & VhostUserBus.protocolFeaturesBit)
  }

  mutating func status() throws(Failure) -> UInt8 {
    guard has(ProtocolFeature.status) else { return localStatus }
    return UInt8(truncatingIfNeeded: try askNumber(VhostRequest.getStatus))
  }

  mutating func setStatus(_ status: UInt8) throws(Failure) {
    let wasUsed = localStatus != 0
    localStatus = status
    if has(ProtocolFeature.status) {
      try tell(VhostRequest.setStatus, number: UInt64(status))
    } else {
      // Not a message, but a step all the same.
      RegisterLog.write(VhostUserBus.log, Text("device_status"), UInt64(status))
      if status == 0 && wasUsed && has(ProtocolFeature.resetDevice) { try tell(VhostRequest.resetDevice) }
    }
  }

  /// Copies `count` bytes of config space from `offset` to `target`.
  mutating func readConfig(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) throws(Failure) {
    var message = InlineArray<76, UInt8>(repeating: 0)
    var failure: Failure?
    unsafe withUnsafeMutableBytes(of: &message) { bytes in
      guard let base = bytes.baseAddress, count <= 64 else { return }
      unsafe base.storeBytes(of: UInt32(offset), toByteOffset: 0, as: UInt32.self)
      unsafe base.storeBytes(of: UInt32(count), toByteOffset: 4, as: UInt32.self)
      do throws(Failure) {
        try unsafe socket.send(VhostRequest.getConfig, flags: 0, payload: base, count: 12 + count)
        try unsafe socket.reply(to: VhostRequest.getConfig, into: base, count: 12 + count)
        unsafe target.copyMemory(from: base + 12, byteCount: count)
      } catch { failure = error }
    }
    if let failure { throw failure }
    RegisterLog.read(VhostUserBus.log, VhostRequest.name(VhostRequest.getConfig), UInt64(offset), UInt64(count))
  }

  @inline(never)
  mutating func enable(_ index: UInt16, _ on: Bool) throws(Failure) {
    guard offered & VhostUserBus.protocolFeaturesBit != 0 else { return }
    try tell(VhostRequest.setVringEnable, UInt32(index), on ? 1 : 0)
    if !has(ProtocolFeature.replyAcknowledge) { try barrier() }
  }

  /// Stops a ring; when the answer is here the back-end has let go of it.
  @inline(never)
  mutating func stop(_ index: UInt16) throws(Failure) {
    var state = (UInt32(index), UInt32(0))
    try unsafe socket.send(VhostRequest.getVringBase, flags: 0, payload: &state, count: 8)
    try unsafe socket.reply(to: VhostRequest.getVringBase, into: &state, count: 8)
    if state.0 != UInt32(index) {
      throw Failure(EPROTO, "the back-end stopped ring ").number(state.0).text(" instead of ").number(index)
    }
    RegisterLog.read(VhostUserBus.log, VhostRequest.name(VhostRequest.getVringBase), UInt64(index), UInt64(state.1))
  }

  // MARK: Messages

  @inline(never)
  mutating func askNumber(_ request: UInt32) throws(Failure) -> UInt64 {
    try unsafe socket.send(request, flags: 0, payload: nil, count: 0)
    return try answerNumber(request)
  }

  private mutating func answerNumber(_ request: UInt32) throws(Failure) -> UInt64 {
    var answer: UInt64 = 0
    try unsafe socket.reply(to: request, into: &answer, count: 8)
    RegisterLog.read(VhostUserBus.log, VhostRequest.name(request), answer)
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

  /// Something about one ring that is a number.
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
    RegisterLog.write(VhostUserBus.log, VhostRequest.name(request), number, second)
  }

  /// A change of state: sent, and acknowledged where the back-end can.
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
    if answer != 0 { throw Failure(EPROTO, "the back-end refused ").plain(VhostRequest.name(request)) }
  }
}
