// SPDX-License-Identifier: BSD-2-Clause
//
// The bus verbs about queues and the memory they use.

import CLinux
import Linux

extension Bus {
  /// The ring size to use for a wish.
  @inline(never)
  func queueSize(_ index: UInt16, _ wanted: UInt16) throws(Failure) -> UInt16 {
    switch self {
    case .vhostUser, .vhostNet: wanted
    case .vhostVDPA(let bus): try bus.value.queueSize(index, wanted)
    case .pci(let bus): try bus.value.queueSize(index, wanted)
    }
  }

  @inline(never)
  func share(_ regions: SharedRegions) throws(Failure) {
    switch self {
    case .vhostUser(let bus): try bus.value.share(regions)
    case .vhostNet(let bus): try bus.value.share(regions)
    case .vhostVDPA(let bus): try bus.value.share(regions)
    case .pci(let bus): try bus.value.share(regions)
    }
  }

  /// Makes interrupts signal the queues' call descriptors, which are given by queue, and one for changes of the
  /// configuration; before any queue is set up. By vhost a device is told of each call with its ring. `size` is that of
  /// the largest ring.
  @inline(never)
  func connect(calls: Table<Int32>, size: UInt16) throws(Failure) {
    switch self {
    case .vhostUser(let bus): try bus.value.prepareInflight(calls, size: size)
    case .vhostNet, .vhostVDPA: break
    case .pci(let bus): try bus.value.connect(calls: calls)
    }
  }

  /// Returns how the queue is notified.
  @inline(never)
  func setUp(_ ring: RingSetUp) throws(Failure) -> Notifier {
    switch self {
    case .vhostUser(let bus): try bus.value.setUp(ring, as: UInt32(ring.index), errors: bus.value.errors)
    case .vhostNet(let bus): try bus.value.setUp(ring)
    case .vhostVDPA(let bus): try bus.value.setUp(ring)
    case .pci(let bus): return try bus.value.setUp(ring)
    }
    return .event(ring.kick)
  }

  /// Lets the control queue, which is not set up yet, see this part of the memory only, where a device can do that.
  @inline(never)
  func confine(_ index: UInt16, to region: SharedRegion) throws(Failure) {
    if case .vhostVDPA(let bus) = self { try bus.value.confine(index, to: region) }
  }

  /// Of a whole device a queue runs from DRIVER_OK on.
  @inline(never)
  func enable(_ index: UInt16, _ on: Bool) throws(Failure) {
    if case .vhostUser(let bus) = self { try bus.value.enable(index, on) }
    if case .vhostNet(let bus) = self { try bus.value.enable(index, on) }
  }

  /// Makes a back-end let go of one ring; a PCI device lets go of all by its reset.
  @inline(never)
  func stop(_ index: UInt16) throws(Failure) {
    if case .vhostUser(let bus) = self { try bus.value.stop(index) }
  }

  /// Makes the device let go of its first `rings` rings and of all memory; when this has returned it has.
  @inline(never)
  func quiesce(_ rings: UInt16) throws(Failure) {
    switch self {
    case .vhostUser(let bus):
      if rings == 0 { return }
      // Only the answers to "stop" tell that a ring was let go of; a back-end that refuses the rest still gives those.
      for index in 0..<rings { Failure.quietly { () throws(Failure) in try bus.value.enable(index, false) } }
      for index in 0..<rings { try bus.value.stop(index) }
      Failure.quietly { () throws(Failure) in try reset() }
      Failure.quietly { () throws(Failure) in try bus.value.forgetMemory() }
    case .vhostNet(let bus): try bus.value.quiesce()
    case .vhostVDPA(let bus):
      bus.value.suspend()
      try reset()
      bus.value.forgetMemory()
    case .pci(let bus):
      do throws(Failure) { try reset() } catch { if !bus.value.forceReset() { throw error } }
      bus.value.disconnect()
      bus.value.forgetMemory()
    }
  }
}
