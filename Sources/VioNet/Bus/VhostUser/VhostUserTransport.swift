// SPDX-License-Identifier: BSD-2-Clause
//
// A device behind a vhost-user socket: each verb is a message. If the back-end has REPLY_ACK, it acknowledges every change of
// state; otherwise a GET_FEATURES serves as a barrier where the order matters. If it has STATUS, it sees the device status;
// otherwise the status is kept here.

import CLinux
import Linux
import Virtio

// Safety: messages point at local values of the length that is sent; configuration is copied for `count` bytes at most 64.
struct VhostUserTransport: VhostRings, Transport, ~Copyable {
  static let log: StaticString = "vhost-user"
  /// Protocol features that are agreed on when offered.
  private static let wantedProtocol =
    ProtocolFeature.multiqueue | ProtocolFeature.announce | ProtocolFeature.replyAcknowledge | ProtocolFeature.mtu
    | ProtocolFeature.backendRequests | ProtocolFeature.config | ProtocolFeature.inflight | ProtocolFeature.resetDevice
    | ProtocolFeature.memorySlots | ProtocolFeature.status

  var socket: VhostSocket
  /// Where the next back-end comes from, if one is expected.
  var finder: BackendFinder?
  /// The socket to which we connected, for finding the next back-end there.
  private var address: sockaddr_un?
  private var known = BusTraits()
  /// What the back-end offers, bit 30 included.
  private var backendFeatures: UInt64 = 0
  private(set) var protocolFeatures: UInt64 = 0
  private(set) var localStatus: UInt8 = 0
  /// The back-end is a device in this process.
  private var isHosted = false
  var shared = SharedRegions()
  /// The back-end signals it when it cannot use a ring. It is never read: that could wait, since the back-end has it too.
  private var errors = File.none
  /// Readable when `errors` was signalled and nobody has looked since.
  private var errorSignals = File.none

  /// Connects to a back-end, or listens until one connects.
  static func open(_ request: inout OpenRequest) throws(Failure) -> Bus {
    let path = request.address.target
    let address = try VhostSocket.address(path)
    var transport = VhostUserTransport()
    transport.deadline = request.deadline
    if request.listens {
      transport.finder = try BackendFinder(listeningAt: address, path)
    } else {
      transport.address = address
      try transport.connect(VhostSocket(address, path, by: request.deadline), wasAsked: false)
    }
    return try Bus(transport)
  }

  /// Uses a connection to a device in this process, which cannot be connected again.
  static func adopt(_ request: inout OpenRequest) throws(Failure) -> Bus {
    if !request.socket.isOpen { throw Failure(ECONNRESET, "the port's device is gone") }
    var transport = VhostUserTransport()
    transport.isHosted = true
    transport.deadline = request.deadline
    try transport.connect(VhostSocket(owning: File(owning: request.socket.take())), wasAsked: false)
    return try Bus(transport)
  }

  private init() {
    socket = .none
    known.sharesMemoryByFile = true
  }

  /// Agrees with a back-end on the protocol: features, owner, protocol features, queues, in the order that back-ends expect.
  /// `wasAsked`: GET_FEATURES was sent already.
  mutating func connect(_ socket: consuming VhostSocket, wasAsked: Bool) throws(Failure) {
    let deadline = self.deadline
    self.socket = socket
    self.socket.deadline = deadline
    protocolFeatures = 0
    localStatus = 0
    known.maximumQueuePairs = 1
    known.maximumRegions = VhostUserTransport.fewestRegions
    known.configLength = 0
    known.offeredAbove = 0
    shared = SharedRegions()
    do throws(Failure) {
      backendFeatures = wasAsked ? try answerNumber(VhostRequest.getFeatures) : try askNumber(VhostRequest.getFeatures)
      known.offered = backendFeatures & ~Feature.protocolFeatures
      try tell(VhostRequest.setOwner)
      if backendFeatures & Feature.protocolFeatures != 0 { try agreeOnProtocol() }
      // Whoever reads the configuration may be offered more: what has its limits there, such as RSS.
      if has(ProtocolFeature.config) && known.offered & Feature.controlQueue != 0 {
        known.offered = try askNumber(VhostRequest.getFeatures) & ~Feature.protocolFeatures
      }
    } catch {
      disconnect()
      throw error
    }
  }

  private mutating func agreeOnProtocol() throws(Failure) {
    let theirs = try askNumber(VhostRequest.getProtocolFeatures)
    let ours = isHosted ? ProtocolFeature.higherFeatures : 0
    let agreed = theirs & (VhostUserTransport.wantedProtocol | ours)
    try tell(VhostRequest.setProtocolFeatures, number: agreed)
    protocolFeatures = agreed
    known.offeredAbove = has(ProtocolFeature.higherFeatures) ? try askNumber(VhostRequest.getHigherFeatures) : 0
    // Only a back-end with CONFIG has a configuration that can be read.
    known.configLength = has(ProtocolFeature.config) ? 64 : 0
    if has(ProtocolFeature.multiqueue) {
      // Back-ends count pairs, and some count rings, but all have one. We use no more than 128.
      let count = try askNumber(VhostRequest.getQueueNumber)
      if count == 0 { throw Failure(EPROTO, "the back-end says it has no queues") }  // tested by abi-queue-pairs
      known.maximumQueuePairs = UInt16(min(count, 128))
    }
    if has(ProtocolFeature.memorySlots) {
      let slots = try askNumber(VhostRequest.getMaximumSlots)
      // tested by abi-hostile-answers
      if slots == 0 { throw Failure(EPROTO, "the back-end says that it takes no memory") }
      known.maximumRegions = Int(min(slots, UInt64(SharedRegions.room)))
    }
    if has(ProtocolFeature.backendRequests) { try openChannel() }
  }

  func has(_ feature: UInt64) -> Bool { protocolFeatures & feature != 0 }

  mutating func disconnect() { socket.close() }

  mutating func close() {
    disconnect()
    finder = nil
    errorSignals.close()
    errors.close()
  }

  // MARK: Verbs

  var traits: BusTraits {
    var traits = known
    // How many regions the next back-end takes is unknown before it comes.
    if !socket.isOpen { traits.maximumRegions = SharedRegions.room }
    return traits
  }

  var isGone: Bool { socket.hasHungUp() }

  var deadline: Deadline {
    get { socket.deadline }
    set { socket.deadline = newValue }
  }

  mutating func accept(_ features: UInt64, above: UInt64) throws(Failure) {
    // The device takes them over with the others; after a reset it has none.
    if above != 0 { try tell(VhostRequest.setHigherFeatures, number: above) }
    // Bit 30 is sent back, since rings would start enabled without it.
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
      // No message is sent, but the step belongs in the log.
      RegisterLog.write(VhostUserTransport.log, Text("device_status"), UInt64(status))
      if status == 0 && wasUsed && has(ProtocolFeature.resetDevice) { try tell(VhostRequest.resetDevice) }
    }
  }

  /// Copies `count` bytes of the configuration from `offset` to `target`.
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
    BusDescriptors(
      end: socket.descriptor, endMayAnswer: true, change: socket.channel.descriptor, ringError: errorSignals.number)
  }

  mutating func takeSignals() -> BusSignals {
    BusSignals(configurationChanged: takeChange(), ringFailed: takeErrors())
  }

  private func takeErrors() -> Bool {
    if !errorSignals.isOpen { return false }
    return Failure.quietly { () throws(Failure) in try errorSignals.borrowed.marks(within: 0) != 0 } ?? false
  }

  mutating func connectSignals(_ calls: Table<Int32>, largestRing: UInt16) throws(Failure) {
    if !errors.isOpen {
      let errors = try File.event()
      let signals = try File.watcher()
      try signals.borrowed.watch(errors.number, mark: 1, once: true)
      self.errors = errors
      errorSignals = signals
    }
    _ = takeErrors()
    try prepareInflight(calls, size: largestRing)
  }

  mutating func setUp(_ ring: RingSetUp) throws(Failure) -> Notifier {
    try setUp(ring, as: UInt32(ring.index), errors: errors.number)
    return isHosted ? .event(ring.kick) : .sharedEvent(ring.kick)
  }

  mutating func resetQueue(_ index: UInt16, isPacked: Bool) throws(Failure) {
    try enable(index, false)
    try stop(index)
    // The ring's position goes back to its start, since a back-end may compare it with the next size.
    try begin(UInt32(index), isPacked: isPacked)
  }

  /// Stops all rings. A back-end that does not answer is disconnected: it can still spoil packet data, as it always could,
  /// but no ring that is used again, since every start makes new ones.
  mutating func quiesce(_ rings: UInt16, control: UInt16?) -> Bool {
    if Failure.quietly({ () throws(Failure) in try stopAll(rings, control) }) == nil { disconnect() }
    return true
  }

  /// Only the answers to GET_VRING_BASE confirm that the back-end has let go of a ring, so only their failure counts.
  private mutating func stopAll(_ rings: UInt16, _ control: UInt16?) throws(Failure) {
    if let control { Failure.quietly { () throws(Failure) in try stop(control) } }
    if rings == 0 { return }
    for index in 0..<rings { Failure.quietly { () throws(Failure) in try enable(index, false) } }
    for index in 0..<rings { try stop(index) }
    Failure.quietly { () throws(Failure) in try reset() }
    Failure.quietly { () throws(Failure) in try forgetMemory() }
  }

  /// Tells the MTU to a back-end that wants to know. An answer is of no interest, since the back-end offered its own MTU.
  mutating func tell(mtu: UInt16) {
    if !has(ProtocolFeature.mtu) { return }
    Failure.quietly { () throws(Failure) in try tell(VhostRequest.setMTU, number: UInt64(mtu)) }
  }

  /// Asks the back-end to tell the network where this address is now.
  mutating func announce(_ address: UInt64) {
    if !has(ProtocolFeature.announce) { return }
    Failure.quietly { () throws(Failure) in try tell(VhostRequest.sendRARP, number: address) }
  }

  static func connector(_ transport: Cell<VhostUserTransport>) -> BackendConnector? {
    transport.value.finder == nil ? nil : BackendConnector(transport)
  }

  mutating func makeConnector() throws(Failure) {
    if finder != nil { return }
    if let address { finder = try BackendFinder(connectingTo: address) }
  }

  /// Stops a ring. When the answer is here, the back-end has let go of it.
  @inline(never)
  private mutating func stop(_ index: UInt16) throws(Failure) {
    var state = (UInt32(index), UInt32(0))
    try unsafe socket.send(VhostRequest.getVringBase, flags: 0, payload: &state, count: 8)
    try unsafe socket.reply(to: VhostRequest.getVringBase, into: &state, count: 8)
    if state.0 != UInt32(index) {  // tested by abi-hostile-answers
      throw Failure(EPROTO, "the back-end stopped ring ").number(state.0).text(" instead of ").number(index)
    }
    RegisterLog.read(
      VhostUserTransport.log, VhostRequest.name(VhostRequest.getVringBase), UInt64(index), UInt64(state.1))
  }
}
