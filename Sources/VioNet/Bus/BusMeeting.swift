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

  /// Ends the connection with a back-end that does not answer.
  func cutOff() { if case .vhostUser(let bus) = self { bus.value.disconnect() } }

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
