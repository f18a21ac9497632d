// SPDX-License-Identifier: BSD-2-Clause
//
// What a transport has to be able to do: a PCI function, a vhost-user back-end, the kernel's vhost, a vDPA device. The
// verbs are those of Bus, where each is explained. Most transports lack some of them: the extension has what is done then.

import CLinux
import Linux

protocol Transport: ~Copyable {
  var traits: BusTraits { get }
  var isGone: Bool { get }
  /// When the call that a verb serves has to end. Each wait ends by then.
  var deadline: Deadline { get set }

  mutating func status() throws(Failure) -> UInt8
  mutating func setStatus(_ status: UInt8) throws(Failure)
  mutating func reset() throws(Failure)
  mutating func readOffered()
  mutating func accept(_ features: UInt64, above: UInt64) throws(Failure)
  mutating func readConfig(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) throws(Failure)
  func writeConfig(_ offset: Int, _ source: UnsafeRawPointer, _ count: Int)
  mutating func look(_ wish: LookWish) throws(Failure) -> DeviceLook?
  mutating func tell(mtu: UInt16)

  mutating func share(_ regions: SharedRegions) throws(Failure)
  mutating func confine(_ index: UInt16, to region: SharedRegion) throws(Failure)
  func queueSize(_ index: UInt16, _ wanted: UInt16) throws(Failure) -> UInt16
  mutating func connectSignals(_ calls: Table<Int32>, largestRing: UInt16) throws(Failure)
  mutating func setUp(_ ring: RingSetUp) throws(Failure) -> Notifier
  mutating func enable(_ index: UInt16, _ on: Bool) throws(Failure)
  mutating func resetQueue(_ index: UInt16, isPacked: Bool) throws(Failure)
  mutating func quiesce(_ rings: UInt16, control: UInt16?) -> Bool

  func descriptors(pair: Int) -> BusDescriptors
  mutating func takeSignals() -> BusSignals
  func passInterrupts(pair: Int)

  static func connector(_ transport: Cell<Self>) -> BackendConnector?
  mutating func makeConnector() throws(Failure)

  mutating func close()
  /// Stops a device whose registers have to stay mapped, since a thread may still write to them. False if they need not.
  func stopInPlace() -> Bool
}

extension Transport where Self: ~Copyable {
  mutating func reset() throws(Failure) {
    try setStatus(0)
    let deadline = Deadline(milliseconds: 3000, within: self.deadline)
    while try status() != 0 {
      if deadline.hasPassed { throw Failure.resetTimedOut }
      sys_sleep_microseconds(1000)
    }
  }

  func readOffered() {}
  func writeConfig(_ offset: Int, _ source: UnsafeRawPointer, _ count: Int) {}
  func tell(mtu: UInt16) {}

  func confine(_ index: UInt16, to region: SharedRegion) throws(Failure) {}
  func queueSize(_ index: UInt16, _ wanted: UInt16) throws(Failure) -> UInt16 { wanted }
  func connectSignals(_ calls: Table<Int32>, largestRing: UInt16) throws(Failure) {}
  func enable(_ index: UInt16, _ on: Bool) throws(Failure) {}
  func resetQueue(_ index: UInt16, isPacked: Bool) throws(Failure) {}
  func passInterrupts(pair: Int) {}

  static func connector(_ transport: Cell<Self>) -> BackendConnector? { nil }
  func makeConnector() throws(Failure) {}

  func stopInPlace() -> Bool { false }
}

extension Failure {
  static var resetTimedOut: Failure { Failure(ETIMEDOUT, "the device did not finish its reset in time") }
}
