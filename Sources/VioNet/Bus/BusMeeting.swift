// SPDX-License-Identifier: BSD-2-Clause
//
// The bus verbs about a back-end that comes and goes. A PCI function is there or is not.

import CLinux
import Linux

extension Bus {
  /// Meets a back-end; the socket is closed if that fails.
  init(_ socket: VhostSocket) throws(Failure) {
    self = try Bus(VhostUserBus(socket))
  }

  /// A back-end will come here.
  init(_ meeting: VhostMeeting) throws(Failure) { self = try Bus(VhostUserBus(meeting)) }

  private init(_ state: VhostUserBus) throws(Failure) {
    var state = state
    guard let cell = Cell.make(state) else {
      state.close()
      throw Failure(ENOMEM, "no memory for a bus")
    }
    self = .vhostUser(cell)
  }

  private var meeting: Cell<VhostUserBus>? {
    if case .vhostUser(let bus) = self, bus.value.meeting != nil { return bus }
    return nil
  }

  /// Another back-end may come when this one is gone.
  var awaitsBackends: Bool { meeting != nil }

  /// We listen for it, instead of calling on it.
  var isServer: Bool { meeting?.value.meeting?.isServer ?? false }

  /// Readable when meet() can get on; -1 if no back-end is awaited.
  var meetingDescriptor: Int32 { meeting?.value.meeting?.ready.number ?? -1 }

  /// From now on a back-end that went away is called on at `path` until it is there again.
  func awaitBackends(_ path: Text) throws(Failure) {
    guard case .vhostUser(let bus) = self, bus.value.meeting == nil else { return }
    bus.value.meeting = try VhostMeeting(callingAt: path)
  }

  /// The back-end is gone, or is to go: the next one is wanted.
  func beginMeeting() {
    guard let meeting else { return }
    meeting.value.disconnect()
    meeting.value.meeting?.begin()
  }

  /// Ends the connection with a back-end that does not answer; what the kernel has is let go with its file.
  @inline(never)
  func cutOff() {
    switch self {
    case .vhostUser(let bus): bus.value.disconnect()
    case .vhostNet, .vhostVDPA: close()
    case .pci: break
    }
  }

  func endMeeting() { meeting?.value.meeting?.end() }

  /// True if a back-end is there now, and its features are known. Does not wait for one.
  func meet() throws(Failure) -> Bool {
    guard let meeting, let socket = meeting.value.meeting?.step() else { return false }
    do throws(Failure) {
      try meeting.value.meet(socket, wasAsked: true)
    } catch {
      meetingWasInVain()
      throw error
    }
    return true
  }

  func meetingWasGood() { meeting?.value.meeting?.wasGood() }

  /// The back-end that was met is of no use.
  func meetingWasInVain() {
    meeting?.value.disconnect()
    meeting?.value.meeting?.wasInVain()
  }
}

// MARK: What only some back-ends take

extension Bus {
  /// Pieces of memory that can be shared: the rings are one, each pool another.
  var maximumRegions: Int {
    guard case .vhostUser(let bus) = self else { return SharedRegions.room }
    // Before it has come nobody knows.
    return bus.value.socket.isOpen ? bus.value.maximumRegions : SharedRegions.room
  }

  /// Readable when a ring is of no use to the back-end, from its set-up on; -1 if there is no such thing.
  @inline(never)
  var errorDescriptor: Int32 {
    if case .vhostUser(let bus) = self { return bus.value.errors.number }
    if case .vhostNet(let bus) = self { return bus.value.errors.number }
    return -1
  }

  /// True if the back-end has said so since the last time.
  func takeErrors() -> Bool { errorDescriptor >= 0 && sys_eventfd_drain(errorDescriptor) != 0 }

  @inline(never)
  func prepareErrors() throws(Failure) {
    if errorDescriptor < 0 {
      if case .vhostUser(let bus) = self { bus.value.errors = try Descriptor.event() }
      if case .vhostNet(let bus) = self { bus.value.errors = try Descriptor.event() }
    }
    _ = takeErrors()
  }

  /// The largest packet that the driver knows of. A back-end that wants another has said so itself.
  func tell(mtu: UInt16) {
    guard case .vhostUser(let bus) = self, bus.value.has(ProtocolFeature.mtu) else { return }
    Failure.quietly { () throws(Failure) in try bus.value.tell(VhostRequest.setMTU, number: UInt64(mtu)) }
  }

  /// The network is to hear where this address is now.
  func announce(_ address: UInt64) {
    guard case .vhostUser(let bus) = self, bus.value.has(ProtocolFeature.announce) else { return }
    Failure.quietly { () throws(Failure) in try bus.value.tell(VhostRequest.sendRARP, number: address) }
  }
}
