// SPDX-License-Identifier: BSD-2-Clause
//
// A port's handle of its device: the verbs that a port needs, the same for every transport. A device is given rings and
// memory as plain addresses and descriptors, so this folder knows no queue and no packet. Bursts do not come here: they
// notify the device through a Notifier.

import CLinux
import Linux

/// A copy is the same device: the transport's state lives on the heap until destroy(). Every verb waits at most for its
/// own deadline, and no longer than the call that it serves may.
// Safety: pointers to configuration are passed on with their length.
struct Bus {
  private let verbs: Cell<TransportVerbs>

  /// Puts an opened transport on the heap.
  init(_ transport: consuming some Transport & ~Copyable) throws(Failure) {
    guard let state = Cell.make(transport) else { throw Failure(ENOMEM, "no memory for a bus") }
    guard let verbs = Cell.make(TransportVerbs.of(state)) else {
      state.value.close()
      state.destroy()
      throw Failure(ENOMEM, "no memory for a bus")
    }
    self.verbs = verbs
  }

  private var state: TransportState { verbs.value.state }

  // MARK: Time

  /// All that is done with the device ends by then. A failure leaves Budget.reserve of it to take the device back.
  @inline(never)
  func limit(to end: Deadline) {
    verbs.value.end = end
    wait(until: end.earlier(by: Budget.reserve))
  }

  private func wait(until deadline: Deadline) {
    verbs.value.deadline = deadline
    verbs.value.limit(state, deadline)
  }

  /// The end of all waits of the call that has the port.
  var deadline: Deadline { verbs.value.deadline }

  /// The end of the call, its reserve included.
  var end: Deadline { verbs.value.end }

  /// What the device is like, as far as its driver has to know.
  var traits: BusTraits { verbs.value.traits(state) }

  /// True if the device, or the process or kernel that makes it, is not there any more.
  var isGone: Bool { verbs.value.isGone(state) }

  // MARK: Handshake

  func status() throws(Failure) -> UInt8 { try verbs.value.status(state) }

  func setStatus(_ status: UInt8) throws(Failure) { try verbs.value.setStatus(state, status) }

  /// Writes status 0 and waits until the device shows it (virtio 1.4, 2.4.2).
  func reset() throws(Failure) { try verbs.value.reset(state) }

  /// Reads again which features the device offers, into the traits.
  func readOffered() { verbs.value.readOffered(state) }

  /// Accepts feature bits 0 to 63, and those from 64 on.
  func accept(_ features: UInt64, above: UInt64) throws(Failure) { try verbs.value.accept(state, features, above) }

  func readConfig(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) throws(Failure) {
    try unsafe verbs.value.readConfig(state, offset, target, count)
  }

  /// Writes the configuration of a legacy device; no other device lets a driver do that.
  func writeConfig(_ offset: Int, _ source: UnsafeRawPointer, _ count: Int) {
    unsafe verbs.value.writeConfig(state, offset, source, count)
  }

  /// Looks at the device. nil while a back-end takes its time: then a later look has what this one asked for.
  func look(_ wish: LookWish) throws(Failure) -> DeviceLook? { try verbs.value.look(state, wish) }

  /// Tells a back-end the largest packet that the driver sends and takes, if it wants to know.
  func tell(mtu: UInt16) { verbs.value.tellMTU(state, mtu) }

  // MARK: Memory and queues

  /// Gives the device access to memory, in place of what it could reach before.
  func share(_ regions: SharedRegions) throws(Failure) { try verbs.value.share(state, regions) }

  /// Lets queue `index`, the control queue, which is not set up yet, reach this part of the memory only, if the device
  /// can tell queues apart.
  func confine(_ index: UInt16, to region: SharedRegion) throws(Failure) {
    try verbs.value.confine(state, index, region)
  }

  /// The size that a ring will have if `wanted` is asked for.
  func queueSize(_ index: UInt16, _ wanted: UInt16) throws(Failure) -> UInt16 {
    try verbs.value.queueSize(state, index, wanted)
  }

  /// Prepares the signals of the device, before any queue is set up: `calls` has the call descriptor of each queue,
  /// `largestRing` the size of the largest ring.
  func connectSignals(_ calls: Table<Int32>, largestRing: UInt16) throws(Failure) {
    try verbs.value.connectSignals(state, calls, largestRing)
  }

  /// Describes one ring to the device. Returns how the device is notified of new entries.
  func setUp(_ ring: RingSetUp) throws(Failure) -> Notifier { try verbs.value.setUp(state, ring) }

  /// Starts or stops one ring of a back-end. The queues of a whole device run from DRIVER_OK on.
  func enable(_ index: UInt16, _ on: Bool) throws(Failure) { try verbs.value.enable(state, index, on) }

  /// Resets one queue while the others run (virtio 1.4, 2.6.1). The device has let go of it when this returns.
  func resetQueue(_ index: UInt16, isPacked: Bool) throws(Failure) {
    try verbs.value.resetQueue(state, index, isPacked)
  }

  /// Makes the device let go of its first `rings` rings, of its control queue if it has one, and of all memory. True if
  /// it has, or was cut off from them; false if it may still write to them.
  func quiesce(_ rings: UInt16, control: UInt16?) -> Bool {
    wait(until: end)
    defer { limit(to: end) }
    return verbs.value.quiesce(state, rings, control)
  }

  // MARK: Signals

  /// What to watch for this device, and for the sleepers of one queue pair.
  func descriptors(pair: Int = 0) -> BusDescriptors { verbs.value.descriptors(state, pair) }

  /// Takes the signals of `change` and `ringError`, and says what they were about.
  func takeSignals() -> BusSignals { verbs.value.takeSignals(state) }

  /// Takes the signal of an interrupt that the pair's sleepers share with others, and passes it on to these.
  func passInterrupts(pair: Int) { verbs.value.passInterrupts(state, pair) }

  // MARK: Reconnecting

  /// Where the next back-end comes from when this one is gone; nil if none is expected.
  var connector: BackendConnector? { verbs.value.connector(state) }

  /// From here on there is a connector, if the transport can reconnect.
  func makeConnector() throws(Failure) { try verbs.value.makeConnector(state) }

  // MARK: The end

  /// Lets go of the device. The handle stays usable: the device is gone.
  func close() { verbs.value.close(state) }

  /// Lets go of the device and ends the handle. While a thread may still signal the device (`isInUse`), registers stay
  /// mapped for ever.
  func destroy(isInUse: Bool = false) {
    if isInUse && verbs.value.stopInPlace(state) { return }
    verbs.value.close(state)
    verbs.value.free(state)
    verbs.destroy()
  }
}
