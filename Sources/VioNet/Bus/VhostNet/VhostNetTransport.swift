// SPDX-License-Identifier: BSD-2-Clause
//
// The kernel's own vhost on a TAP interface: one /dev/vhost-net and one queue of the interface for each queue pair. It
// copies frames between our rings and the interface in a thread of the kernel's. Features of the rings are vhost's, those
// of frames are the interface's; the status and the little there is of a configuration are kept here.

import CLinux
import Linux
import Virtio

struct VhostNetTransport: Transport, ~Copyable {
  private static let device: StaticString = "/dev/vhost-net"
  private static let setBackend = VhostCall(SYS_VHOST_NET_SET_BACKEND, "NET_SET_BACKEND")

  private struct Pair {
    var device: VhostDevice
    var tap: TapQueue
  }

  private let pairs: Table<Pair>
  private(set) var traits = BusTraits()
  private var localStatus: UInt8 = 0
  /// Interfaces have come, gone or changed.
  private(set) var news = Descriptor.none
  /// By this the kernel says that a ring is of no use to it.
  var errors = Descriptor.none

  /// What vhost is told of, of the bits that it offers. Not 27: the interface has the header, not vhost.
  private static let ofRings: UInt64 =
    Feature.version1 | Feature.mergeable | Feature.indirect
    | Feature.eventIndex | Feature.inOrder

  /// What the kernel's network does for us, or leaves undone, with every tap.
  private static let ofFrames: UInt64 =
    Feature.checksum | Feature.hostTSO4 | Feature.hostTSO6
    | Feature.hostECN | Feature.guestChecksum | Feature.guestTSO4
    | Feature.guestTSO6 | Feature.guestECN
  /// And with one that knows UDP.
  private static let ofDatagrams: UInt64 =
    Feature.hostUSO | Feature.guestUSO4 | Feature.guestUSO6

  static func open(_ request: inout OpenRequest) throws(Failure) -> Bus {
    try TapQueue.checkName(request.address.target)
    guard let pairs = Table<Pair>.make(count: Int(request.queuePairs)) else {
      throw Failure(ENOMEM, "no memory for a bus")
    }
    var transport = VhostNetTransport(pairs)
    try transport.open(request.address.target, request.hardwareAddress)
    return try Bus(transport)
  }

  private init(_ pairs: Table<Pair>) {
    self.pairs = pairs
    traits.maximumQueuePairs = UInt16(pairs.count)
    traits.configLength = VhostNetTransport.configLength
  }

  /// Opens all queues; `address` goes to an interface that is made here.
  private mutating func open(_ name: Text, _ address: UInt64?) throws(Failure) {
    let count = pairs.count
    var opened = 0
    do throws(Failure) {
      let isOurs = !TapQueue.exists(name)
      while opened < pairs.count {
        pairs[opened] = try VhostNetTransport.open(name, isMany: count > 1)
        opened += 1
      }
      if let address, isOurs { try pairs[0].tap.setAddress(address) }
      traits.offered = try pairs[0].device.number(VhostCall(VhostRequest.getFeatures)) & VhostNetTransport.ofRings
      let knowsDatagrams = pairs[0].tap.setOffloads(UInt(TUN_F_CSUM) | UInt(TUN_USO))
      traits.offered |= VhostNetTransport.ofFrames | (knowsDatagrams ? VhostNetTransport.ofDatagrams : 0)
      traits.offered |= Feature.status | (count > 1 ? Feature.multiqueue : 0)
      _ = pairs[0].tap.setOffloads(0)
      pairs[0].tap.setCarrier(false)
      for pair in 1..<max(pairs.count, 1) { try pairs[pair].tap.attach(false) }
      news = Descriptor(owning: try check(sys_link_news()) { Failure($0, "cannot watch interfaces: ").reason($0) })
    } catch {
      VhostNetTransport.close(pairs, opened)
      throw error
    }
  }

  private static func open(_ name: Text, isMany: Bool) throws(Failure) -> Pair {
    var device = try VhostDevice(Text(VhostNetTransport.device), kind: "vhost-net")
    do throws(Failure) {
      return Pair(device: device, tap: try TapQueue(name, isMany: isMany))
    } catch {
      device.close()
      throw error
    }
  }

  /// Each device first: vhost lets go of the rings and of its queue then.
  private static func close(_ pairs: Table<Pair>, _ count: Int) {
    for pair in 0..<count {
      pairs[pair].device.close()
      pairs[pair].tap.close()
    }
  }

  mutating func close() {
    VhostNetTransport.close(pairs, pairs.count)
    news.close()
    errors.close()
  }

  deinit { pairs.destroy() }

  // MARK: The bus verbs

  func status() -> UInt8 { localStatus }

  var isGone: Bool { !pairs[0].device.isOpen || pairs[0].tap.isGone }

  /// A reset is what a reset does: all rings are let go.
  mutating func setStatus(_ new: UInt8) throws(Failure) {
    RegisterLog.write("vhost-net", Text("device_status"), UInt64(new))
    if new == 0 && localStatus != 0 {
      for index in 0..<UInt16(pairs.count * 2) { try enable(index, false) }
      pairs[0].tap.setCarrier(false)
    }
    if new & ~localStatus & DeviceStatus.driverOK != 0 { pairs[0].tap.setCarrier(true) }
    localStatus = new
  }

  func accept(_ features: UInt64, above: UInt64) throws(Failure) {
    for pair in 0..<pairs.count {
      try pairs[pair].device.tell(VhostCall(VhostRequest.setFeatures), number: features & VhostNetTransport.ofRings)
    }
    let offloads = VhostNetTransport.offloads(features)
    RegisterLog.write("vhost-net", Text("TUNSETOFFLOAD"), UInt64(offloads))
    if !pairs[0].tap.setOffloads(offloads) {
      throw Failure(EINVAL, "the tap does not take offloads ").hex(UInt64(offloads))
    }
  }

  private static func offloads(_ features: UInt64) -> UInt {
    func has(_ feature: UInt64, _ flag: Int32) -> UInt { features & feature != 0 ? UInt(flag) : 0 }
    if has(Feature.guestChecksum, 1) == 0 { return 0 }
    return UInt(TUN_F_CSUM) | has(Feature.guestTSO4, Int32(TUN_F_TSO4))
      | has(Feature.guestTSO6, Int32(TUN_F_TSO6)) | has(Feature.guestECN, Int32(TUN_F_TSO_ECN))
      | has(Feature.guestUSO4, Int32(TUN_USO))
  }

  /// What stands for a configuration: no address, the link, the queue pairs (virtio 1.4, 5.1.4).
  static let configLength = 10

  func readConfig(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) {
    var fields = InlineArray<10, UInt8>(repeating: 0)
    fields[ConfigLayout.status] = pairs[0].tap.isUp ? UInt8(LinkStatus.up) : 0
    fields[ConfigLayout.pairs] = UInt8(truncatingIfNeeded: pairs.count)
    for place in 0..<count where offset + place < VhostNetTransport.configLength {
      unsafe target.storeBytes(of: fields[offset + place], toByteOffset: place, as: UInt8.self)
    }
  }

  /// Our addresses serve on both sides: vhost reads them in this process.
  @inline(never)
  func share(_ regions: SharedRegions) throws(Failure) {
    guard let table = Table<UInt64>.make(count: 1 + 4 * SharedRegions.room) else {
      throw Failure(ENOMEM, "no memory for a table of regions")
    }
    defer { table.destroy() }
    table[0] = UInt64(regions.count)
    for index in 0..<regions.count {
      let row = 1 + index * 4
      table[row] = regions[index].address
      table[row + 1] = regions[index].length
      table[row + 2] = regions[index].address
    }
    for pair in 0..<pairs.count {
      try unsafe pairs[pair].device.write(
        VhostCall(VhostRequest.setMemoryTable), UnsafeMutableRawPointer(table.base), UInt64(regions.count))
    }
  }

  mutating func connectSignals(_ calls: Table<Int32>, largestRing: UInt16) throws(Failure) {
    if !errors.isOpen { errors = try Descriptor.event() }
    _ = sys_eventfd_drain(errors.number)
  }

  /// Its backend, which starts it, comes when it is enabled.
  func setUp(_ ring: RingSetUp) throws(Failure) -> Notifier {
    try pairs[ring.index / 2].device.setUp(ring, as: UInt32(ring.index & 1), errors: errors)
    return .event(ring.kick)
  }

  /// Of a pair, the queue of the tap goes with the receive ring; the first one stays, or the interface would lose us.
  @inline(never)
  func enable(_ index: UInt16, _ on: Bool) throws(Failure) {
    let pair = index / 2
    if pair > 0 && index & 1 == 0 { try pairs[pair].tap.attach(on) }
    try pairs[pair].device.tellFile(VhostNetTransport.setBackend, UInt32(index & 1), on ? pairs[pair].tap.file.number : -1)
  }

  func resetQueue(_ index: UInt16, isPacked: Bool) throws(Failure) { try enable(index, false) }

  /// If vhost does not do as it is told, closing its files makes it let go.
  mutating func quiesce(_ rings: UInt16, control: UInt16?) -> Bool {
    let letGo: Void? = Failure.quietly { () throws(Failure) in
      try setStatus(0)
      try share(SharedRegions())
    }
    if letGo == nil { close() }
    return true
  }

  func descriptors(pair: Int) -> BusDescriptors { BusDescriptors(change: news.number, ringError: errors.number) }

  func takeSignals() -> BusSignals {
    BusSignals(
      configurationChanged: sys_link_news_drain(news.number) != 0,
      ringFailed: errors.isOpen && sys_eventfd_drain(errors.number) != 0)
  }
}
