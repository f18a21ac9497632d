// SPDX-License-Identifier: BSD-2-Clause
//
// A device behind a vhost-user socket: the bus verbs as messages. With REPLY_ACK every change of state is acknowledged;
// without it a GET_FEATURES serves as a barrier where the order matters. With STATUS the back-end sees the virtio
// status; without it the status is kept here and only we read it.

import CLinux
import Linux
import Virtio

struct VhostUserTransport: VhostRings, Transport {
  static let log: StaticString = "vhost-user"

  var socket = VhostSocket(adopting: -1)
  /// Where the next back-end comes from, if one is expected.
  var finder: BackendFinder?
  /// The socket that a back-end was found at, for finding the next one.
  private var address: sockaddr_un?
  private var known = BusTraits()
  /// What the back-end offers, bit 30 included.
  private var backendFeatures: UInt64 = 0
  private(set) var protocolFeatures: UInt64 = 0
  private var localStatus: UInt8 = 0
  var shared = SharedRegions()
  /// By this the back-end says that a ring is of no use to it.
  private var errors = Descriptor.none

  /// Connects to a back-end, or listens until one connects.
  static func open(_ request: inout OpenRequest) throws(Failure) -> Bus {
    let path = request.address.target
    let address = try VhostSocket.address(path)
    if request.listens { return try Bus(VhostUserTransport(BackendFinder(listeningAt: address, path))) }
    var transport = try VhostUserTransport(VhostSocket(address, path))
    transport.address = address
    return try Bus(transport)
  }

  /// Uses the connection to a device in this process, which does not come again.
  static func adopt(_ request: inout OpenRequest) throws(Failure) -> Bus {
    if !request.socket.isOpen { throw Failure(ECONNRESET, "the port's device is gone") }
    return try Bus(VhostUserTransport(VhostSocket(adopting: request.socket.take())))
  }

  private init(_ socket: VhostSocket) throws(Failure) { try connect(socket, wasAsked: false) }

  /// Without a back-end: it will come.
  private init(_ finder: BackendFinder) {
    self.finder = finder
    known.sharesMemoryByFile = true
  }

  /// Meets a back-end: its features, its owner, its protocol features, its queues (VHU-02's order). It may have been
  /// asked for its features already.
  mutating func connect(_ socket: VhostSocket, wasAsked: Bool) throws(Failure) {
    self.socket.close()
    self.socket = socket
    protocolFeatures = 0
    localStatus = 0
    known.sharesMemoryByFile = true
    known.maximumQueuePairs = 1
    known.maximumRegions = VhostUserTransport.fewestRegions
    known.configLength = 0
    shared = SharedRegions()
    do throws(Failure) {
      backendFeatures = wasAsked ? try answerNumber(VhostRequest.getFeatures) : try askNumber(VhostRequest.getFeatures)
      known.offered = backendFeatures & ~Feature.protocolFeatures
      try tell(VhostRequest.setOwner)
      if backendFeatures & Feature.protocolFeatures != 0 { try agreeOnProtocol() }
    } catch {
      disconnect()
      throw error
    }
  }

  /// Protocol features that are asked for when offered.
  private static let wanted =
    ProtocolFeature.multiqueue | ProtocolFeature.announce | ProtocolFeature.replyAcknowledge | ProtocolFeature.mtu
    | ProtocolFeature.backendRequests | ProtocolFeature.config | ProtocolFeature.inflight | ProtocolFeature.resetDevice
    | ProtocolFeature.memorySlots | ProtocolFeature.status

  private mutating func agreeOnProtocol() throws(Failure) {
    let theirs = try askNumber(VhostRequest.getProtocolFeatures)
    let agreed = theirs & VhostUserTransport.wanted
    try tell(VhostRequest.setProtocolFeatures, number: agreed)
    protocolFeatures = agreed
    // Only a back-end with CONFIG has a configuration that can be read.
    known.configLength = has(ProtocolFeature.config) ? 64 : 0
    if has(ProtocolFeature.multiqueue) {
      // Some count pairs, some rings; nobody has none. More than we can use is of no interest.
      let count = try askNumber(VhostRequest.getQueueNumber)
      if count == 0 { throw Failure(EPROTO, "the back-end says it has no queues") }
      known.maximumQueuePairs = UInt16(min(count, 128))
    }
    if has(ProtocolFeature.memorySlots) {
      let slots = try askNumber(VhostRequest.getMaximumSlots)
      if slots == 0 { throw Failure(EPROTO, "the back-end says that it takes no memory") }
      known.maximumRegions = Int(min(slots, UInt64(SharedRegions.room)))
    }
    if has(ProtocolFeature.backendRequests) { try openChannel() }
  }

  func has(_ feature: UInt64) -> Bool { protocolFeatures & feature != 0 }

  mutating func disconnect() { socket.close() }

  mutating func close() {
    disconnect()
    finder?.close()
    finder = nil
    errors.close()
  }

  // MARK: Verbs

  var traits: BusTraits {
    var traits = known
    // How many the next one takes is not known before it has come.
    if !socket.isOpen { traits.maximumRegions = SharedRegions.room }
    return traits
  }

  var isGone: Bool { socket.hasHungUp() }

  mutating func accept(_ features: UInt64, above: UInt64) throws(Failure) {
    // Bit 30 is echoed: without it rings would start enabled.
    try tell(VhostRequest.setFeatures, number: features | backendFeatures & Feature.protocolFeatures)
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
      RegisterLog.write(VhostUserTransport.log, Text("device_status"), UInt64(status))
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
    RegisterLog.read(VhostUserTransport.log, VhostRequest.name(VhostRequest.getConfig), UInt64(offset), UInt64(count))
  }

  @inline(never)
  mutating func enable(_ index: UInt16, _ on: Bool) throws(Failure) {
    guard backendFeatures & Feature.protocolFeatures != 0 else { return }
    try tell(VhostRequest.setVringEnable, UInt32(index), on ? 1 : 0)
    if !has(ProtocolFeature.replyAcknowledge) { try barrier() }
  }

  func descriptors(pair: Int) -> BusDescriptors {
    BusDescriptors(end: socket.descriptor, change: socket.channel.descriptor, ringError: errors.number)
  }

  mutating func takeSignals() -> BusSignals {
    BusSignals(
      configurationChanged: takeChange(), ringFailed: errors.isOpen && sys_eventfd_drain(errors.number) != 0)
  }

  mutating func connectSignals(_ calls: Table<Int32>, largestRing: UInt16) throws(Failure) {
    if !errors.isOpen { errors = try Descriptor.event() }
    _ = sys_eventfd_drain(errors.number)
    try prepareInflight(calls, size: largestRing)
  }

  mutating func setUp(_ ring: RingSetUp) throws(Failure) -> Notifier {
    try setUp(ring, as: UInt32(ring.index), errors: errors)
    return .event(ring.kick)
  }

  mutating func resetQueue(_ index: UInt16, isPacked: Bool) throws(Failure) {
    try enable(index, false)
    try stop(index)
    // A back-end may compare the next size with the position that the ring had.
    try begin(UInt32(index), isPacked: isPacked)
  }

  /// A back-end that does not answer is cut off. It may still write to packet data, as it always could, but to no ring
  /// that is used again, since every start makes new ones.
  mutating func quiesce(_ rings: UInt16, control: UInt16?) -> Bool {
    if Failure.quietly({ () throws(Failure) in try stopAll(rings, control) }) == nil { disconnect() }
    return true
  }

  /// Only the answers to "stop" tell that a ring was let go of; a back-end that refuses the rest still gives those.
  private mutating func stopAll(_ rings: UInt16, _ control: UInt16?) throws(Failure) {
    if let control { Failure.quietly { () throws(Failure) in try stop(control) } }
    if rings == 0 { return }
    for index in 0..<rings { Failure.quietly { () throws(Failure) in try enable(index, false) } }
    for index in 0..<rings { try stop(index) }
    Failure.quietly { () throws(Failure) in try reset() }
    Failure.quietly { () throws(Failure) in try forgetMemory() }
  }

  /// A back-end that wants another size of packets has said so itself.
  mutating func tell(mtu: UInt16) {
    if !has(ProtocolFeature.mtu) { return }
    Failure.quietly { () throws(Failure) in try tell(VhostRequest.setMTU, number: UInt64(mtu)) }
  }

  /// The network is to hear where this address is now.
  mutating func announce(_ address: UInt64) {
    if !has(ProtocolFeature.announce) { return }
    Failure.quietly { () throws(Failure) in try tell(VhostRequest.sendRARP, number: address) }
  }

  static func connector(_ transport: Cell<VhostUserTransport>) -> BackendConnector? {
    transport.value.finder == nil ? nil : BackendConnector(transport)
  }

  mutating func makeConnector() throws(Failure) {
    if finder != nil { return }
    if let address { finder = try BackendFinder(callingAt: address) }
  }

  /// Stops a ring; when the answer is here the back-end has let go of it.
  @inline(never)
  private mutating func stop(_ index: UInt16) throws(Failure) {
    var state = (UInt32(index), UInt32(0))
    try unsafe socket.send(VhostRequest.getVringBase, flags: 0, payload: &state, count: 8)
    try unsafe socket.reply(to: VhostRequest.getVringBase, into: &state, count: 8)
    if state.0 != UInt32(index) {
      throw Failure(EPROTO, "the back-end stopped ring ").number(state.0).text(" instead of ").number(index)
    }
    RegisterLog.read(VhostUserTransport.log, VhostRequest.name(VhostRequest.getVringBase), UInt64(index), UInt64(state.1))
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
    RegisterLog.write(VhostUserTransport.log, VhostRequest.name(request), number, second)
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
