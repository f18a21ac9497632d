// SPDX-License-Identifier: BSD-2-Clause
//
// What `any Transport` would be, by hand: Embedded Swift has no existentials of structs. TransportVerbs.of() makes one
// function for each verb of a transport and keeps them beside the transport that they were made for.

import Linux

/// A transport on the heap whose type only its verbs know.
// Safety: the pointer is a Cell's, and only verbs made for its type read it.
@safe
struct TransportState {
  private let raw: UnsafeMutableRawPointer

  init(_ cell: Cell<some Transport & ~Copyable>) { unsafe raw = cell.raw }

  /// The transport itself. `Kind` is the type that it was made with.
  func cell<Kind: Transport & ~Copyable>(_: Kind.Type) -> Cell<Kind> {
    unsafe Cell(raw: raw)
  }
}

/// The functions of one transport, and the transport itself.
// Safety: pointers are passed on as they come.
@safe
struct TransportVerbs {
  typealias State = TransportState

  let state: State
  /// The end of the call that has the port, and of its waits.
  var end = Deadline.never
  var deadline = Deadline.never
  let limit: (State, Deadline) -> Void
  let traits: (State) -> BusTraits
  let isGone: (State) -> Bool
  let status: (State) throws(Failure) -> UInt8
  let setStatus: (State, UInt8) throws(Failure) -> Void
  let reset: (State) throws(Failure) -> Void
  let readOffered: (State) -> Void
  let accept: (State, UInt64, UInt64) throws(Failure) -> Void
  let readConfig: (State, Int, UnsafeMutableRawPointer, Int) throws(Failure) -> Void
  let writeConfig: (State, Int, UnsafeRawPointer, Int) -> Void
  let look: (State, LookWish) throws(Failure) -> DeviceLook?
  let tellMTU: (State, UInt16) -> Void
  let share: (State, SharedRegions) throws(Failure) -> Void
  let confine: (State, UInt16, SharedRegion) throws(Failure) -> Void
  let queueSize: (State, UInt16, UInt16) throws(Failure) -> UInt16
  let connectSignals: (State, Table<Int32>, UInt16) throws(Failure) -> Void
  let setUp: (State, RingSetUp) throws(Failure) -> Notifier
  let enable: (State, UInt16, Bool) throws(Failure) -> Void
  let resetQueue: (State, UInt16, Bool) throws(Failure) -> Void
  let quiesce: (State, UInt16, UInt16?) -> Bool
  let descriptors: (State, Int) -> BusDescriptors
  let takeSignals: (State) -> BusSignals
  let passInterrupts: (State, Int) -> Void
  let connector: (State) -> BackendConnector?
  let makeConnector: (State) throws(Failure) -> Void
  let close: (State) -> Void
  let stopInPlace: (State) -> Bool
  let free: (State) -> Void
}

extension TransportVerbs {
  static func of<Kind: Transport & ~Copyable>(_ transport: Cell<Kind>) -> TransportVerbs {
    func at(_ state: State) -> Cell<Kind> { state.cell(Kind.self) }
    // Safety: whoever calls a verb answers for the pointers that it passes.
    return unsafe TransportVerbs(
      state: TransportState(transport),
      limit: { at($0).value.deadline = $1 },
      traits: { at($0).value.traits },
      isGone: { at($0).value.isGone },
      status: { (state) throws(Failure) in try at(state).value.status() },
      setStatus: { (state, status) throws(Failure) in try at(state).value.setStatus(status) },
      reset: { (state) throws(Failure) in try at(state).value.reset() },
      readOffered: { at($0).value.readOffered() },
      accept: { (state, low, above) throws(Failure) in try at(state).value.accept(low, above: above) },
      readConfig: { (state, offset, target, count) throws(Failure) in
        try unsafe at(state).value.readConfig(offset, target, count)
      },
      writeConfig: { unsafe at($0).value.writeConfig($1, $2, $3) },
      look: { (state, wish) throws(Failure) in try at(state).value.look(wish) },
      tellMTU: { at($0).value.tell(mtu: $1) },
      share: { (state, regions) throws(Failure) in try at(state).value.share(regions) },
      confine: { (state, index, region) throws(Failure) in try at(state).value.confine(index, to: region) },
      queueSize: { (state, index, wanted) throws(Failure) in try at(state).value.queueSize(index, wanted) },
      connectSignals: { (state, calls, size) throws(Failure) in
        try at(state).value.connectSignals(calls, largestRing: size)
      },
      setUp: { (state, ring) throws(Failure) in try at(state).value.setUp(ring) },
      enable: { (state, index, on) throws(Failure) in try at(state).value.enable(index, on) },
      resetQueue: { (state, index, isPacked) throws(Failure) in
        try at(state).value.resetQueue(index, isPacked: isPacked)
      },
      quiesce: { at($0).value.quiesce($1, control: $2) },
      descriptors: { at($0).value.descriptors(pair: $1) },
      takeSignals: { at($0).value.takeSignals() },
      passInterrupts: { at($0).value.passInterrupts(pair: $1) },
      connector: { Kind.connector(at($0)) },
      makeConnector: { (state) throws(Failure) in try at(state).value.makeConnector() },
      close: { at($0).value.close() },
      stopInPlace: { at($0).value.stopInPlace() },
      free: { at($0).destroy() })
  }
}
