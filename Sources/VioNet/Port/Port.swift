// SPDX-License-Identifier: BSD-2-Clause
//
// A port: one device, what was agreed with it, its queues, and what is watched. The files beside this one follow its life:
// Probe, Initialise, PortQueues, Start, Recovery, Release, Close. Each step undoes itself when it fails.

import CLinux
import CVionet
import Linux
import Virtio

package struct Port: ~Copyable {
  let number: UInt16
  var phase = Phase.probing
  /// The address as the user wrote it, with a final zero.
  var name = InlineArray<512, CChar>(repeating: 0)
  /// Options of the address, and those with vionet_config on top.
  let requested: PortOptions
  var options: PortOptions
  var bus: Bus
  var hosted: HostedDevice?
  var hostedCounters = HostedCounters()

  var agreed = Agreement()
  var pools = PortPools()
  var queues = QueueSet()
  var watch = PortWatch()
  var timing = PortTiming()
  var statistics = PortStatistics()
  var settings = Settings()
}

/// What device and driver agreed on.
struct Agreement {
  var features = FeatureSet(0)
  var config = NetConfig()
  /// Features agreed on when the port was started. Every device that comes later has to offer them again; empty before the
  /// first one has come.
  var startFeatures = FeatureSet(0)
  /// Descriptors that a ring of this device may have.
  var mostReceiveDescriptors: UInt16 = 0
  var mostTransmitDescriptors: UInt16 = 0
}

/// Pools whose memory the device sees.
struct PortPools {
  /// The pool of the receive buffers.
  var receive: Cell<PacketPool>?
  /// Packets of it that are reserved for this port's rings and caches.
  var reserved = 0
  /// Pools that vionet_pool_share() named: bit n for pool number n.
  var shared: UInt64 = 0
  /// Pools of single receive queues, once vionet_rx_pool_set() has named one.
  var ofQueues: Table<QueuePool>?

  /// All of them, as bits.
  var visible: UInt64 { shared | (receive.map { 1 << UInt64($0.value.number) } ?? 0) }
}

/// The queues of a port. Their control blocks live in the port's slot.
struct QueueSet {
  /// Queue pairs that exist.
  var pairs: UInt16 = 0
  /// The memory of all rings.
  var region: Region?
  /// Where the memory of the rings was last, the bytes that rings took of it, and its own.
  var place: UInt = 0
  var placeBytes = 0
  var placeLength = 0
  var control: ControlQueue?
  /// Pairs whose control blocks have a burst function. While the device is away these are the last pairs there were.
  var pairsWithBursts: UInt16 = 0
  /// What outlives the queues while the device is away.
  var backlog: Table<PairBacklog>?
  /// Names of the burst functions in use, for vionet_info().
  var receivePathName: StaticString = ""
  var transmitPathName: StaticString = ""
}

/// What a program may sleep on, and what it was told already.
struct PortWatch: ~Copyable {
  /// An epoll descriptor that is readable when vionet_event_handle() has something to do; while started.
  var events = File.none
  /// An eventfd in it, signalled by a burst that finds its queue broken; while probed.
  var signal = File.none
  /// A timer in `events`, from the first time on that a back-end takes its time to answer.
  var patience = File.none
  /// The back-end was asked how it is and has not answered yet.
  var isAwaitingAnswers = false
  /// The device has said that it cannot use a ring, and was not asked for more yet.
  var hasFailedRing = false
  /// VIONET_EVENT_GONE was raised and the device has not come back.
  var isGoneReported = false
  /// VIONET_EVENT_NEEDS_RESET was raised and the device has not been reset.
  var isResetReported = false
  var announcement = AnnouncementStep.none
}

/// How far the device's request for an announcement is. The device clears it when it takes the acknowledgement, so until then
/// it shows a request that was heeded already.
enum AnnouncementStep {
  case none
  /// VIONET_EVENT_ANNOUNCE was raised, and the control queue had no place for the acknowledgement yet.
  case raised
  /// The device has the acknowledgement and has not answered.
  case acknowledged
}

/// How long the way to a started port took, for vionet_info().
struct PortTiming {
  var probeNanoseconds: UInt64 = 0
  /// From vionet_probe() to the last vionet_start(), without what the program did in between.
  var startNanoseconds: UInt64 = 0

  mutating func restart() { startNanoseconds = probeNanoseconds }
}

extension Port {
  mutating func timed(_ body: (inout Port) throws(Failure) -> Void) throws(Failure) {
    let begin = sys_nanoseconds()
    try body(&self)
    timing.startNanoseconds += sys_nanoseconds() - begin
  }

  /// Calls `body` with the port's own address.
  func withAddress<Result>(_ body: (DeviceAddress) throws(Failure) -> Result) throws(Failure) -> Result {
    var name = self.name
    // Safety: the text points into the copy, which lives until `body` has returned, and ends with a zero.
    let whole = unsafe withUnsafeBytes(of: &name) { bytes in
      unsafe Text(bytes.baseAddress?.assumingMemoryBound(to: CChar.self), limit: bytes.count) ?? Text("")
    }
    return try body(try DeviceAddress(whole))
  }
}
