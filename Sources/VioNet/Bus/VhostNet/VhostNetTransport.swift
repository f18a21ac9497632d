// SPDX-License-Identifier: BSD-2-Clause
//
// The kernel's vhost on a TAP interface: one /dev/vhost-net and one queue of the interface for each queue pair. A kernel
// thread copies frames between our rings and the interface. vhost decides about features of rings, the interface about
// features of frames. The device status and the short configuration are kept here.

import CLinux
import Linux
import Virtio

// Safety: vhost's requests get local values or a table of the size that the request implies; configuration is written byte by
// byte into the caller's buffer.
struct VhostNetTransport: Transport, ~Copyable {
  private static let device: StaticString = "/dev/vhost-net"
  private static let setBackend = VhostCall(SYS_VHOST_NET_SET_BACKEND, "NET_SET_BACKEND")
  private static let getFeatureWords = VhostCall(SYS_VHOST_GET_FEATURES_ARRAY, "GET_FEATURES_ARRAY")
  private static let setFeatureWords = VhostCall(SYS_VHOST_SET_FEATURES_ARRAY, "SET_FEATURES_ARRAY")

  /// The files of one queue pair. The device is closed first, so that vhost lets go of the rings and of the tap's queue.
  private struct Pair: ~Copyable {
    var device: VhostDevice
    var tap: TapQueue

    mutating func close() {
      device.close()
      tap.close()
    }
  }

  /// The queue pairs of a port.
  private struct Pairs: ~Copyable {
    private let cells: Table<Cell<Pair>>
    private(set) var count = 0
    /// What the interface was set to before; it may live on without us.
    private var kept: tap_settings?

    init(room: Int) throws(Failure) {
      guard let cells = Table<Cell<Pair>>.make(count: room) else { throw Failure(ENOMEM, "no memory for queue pairs") }
      self.cells = cells
    }

    deinit {
      for pair in 0..<count { cells[pair].destroy() }
      cells.destroy()
    }

    func close() {
      if count > 0, let kept { cells[0].value.tap.giveBack(kept) }
      for pair in 0..<count { cells[pair].value.close() }
    }

    subscript(pair: Int) -> Cell<Pair> { cells[pair] }

    mutating func add(_ name: Text, isMany: Bool) throws(Failure) {
      let device = try VhostDevice(Text(VhostNetTransport.device), kind: "vhost-net")
      let tap = try TapQueue()
      try tap.take(name, isMany: isMany, &kept)
      guard let cell = Cell.make(Pair(device: device, tap: tap)) else {
        throw Failure(ENOMEM, "no memory for a queue pair")
      }
      cells[count] = cell
      count += 1
    }
  }

  private var pairs: Pairs
  private(set) var traits = BusTraits()
  var deadline = Deadline.never
  private var localStatus: UInt8 = 0
  /// The interface had its carrier before: it belongs to the program that gives it one.
  private var leavesCarrier = false
  /// Readable when interfaces came, went or changed.
  private var linkChanges = File.none
  /// Readable when the kernel cannot use a ring.
  private var errors = File.none

  /// Bits passed to vhost. VHOST_NET_F_VIRTIO_NET_HDR (27) is left out: the tap adds the header.
  private static let ofRings: UInt64 =
    Feature.version1 | Feature.mergeable | Feature.indirect | Feature.eventIndex | Feature.inOrder

  /// Offloads that every tap has.
  private static let ofFrames: UInt64 =
    Feature.checksum | Feature.hostTSO4 | Feature.hostTSO6 | Feature.hostECN | Feature.guestChecksum | Feature.guestTSO4
    | Feature.guestTSO6 | Feature.guestECN
  /// Offloads of a tap that can segment UDP.
  private static let ofDatagrams: UInt64 =
    Feature.hostUSO | Feature.guestUSO4 | Feature.guestUSO6

  static func open(_ request: inout OpenRequest) throws(Failure) -> Bus {
    try TapQueue.checkName(request.address.target)
    var transport = VhostNetTransport(try Pairs(room: Int(request.queuePairs)))
    try transport.open(request.address.target, Int(request.queuePairs), request.hardwareAddress)
    return try Bus(transport)
  }

  private init(_ pairs: consuming Pairs) { self.pairs = pairs }

  /// Opens all queues. An interface that is made here gets `address`.
  private mutating func open(_ name: Text, _ count: Int, _ address: UInt64?) throws(Failure) {
    let isOurs = !TapQueue.exists(name)
    leavesCarrier = !isOurs && TapQueue.hasCarrier(name)
    for _ in 0..<count { try pairs.add(name, isMany: count > 1) }
    if let address, isOurs { try pairs[0].value.tap.setAddress(address) }
    let offered = try pairs[0].value.device.number(VhostCall(VhostRequest.getFeatures)) & VhostNetTransport.ofRings
    let knowsDatagrams = pairs[0].value.tap.setOffloads(UInt(TUN_F_CSUM) | UInt(TUN_USO))
    traits.offeredAbove = offeredAbove()
    _ = pairs[0].value.tap.setOffloads(0)
    setCarrier(false)
    for pair in 1..<max(count, 1) { try pairs[pair].value.tap.attach(false) }
    linkChanges = File(
      owning: try check(InterfaceEvents.open()) { Failure($0, "cannot watch interfaces: ").reason($0) })
    traits.offered = offered | VhostNetTransport.ofFrames | (knowsDatagrams ? VhostNetTransport.ofDatagrams : 0)
    traits.offered |= Feature.status | (count > 1 ? Feature.multiqueue : 0)
    traits.maximumQueuePairs = UInt16(count)
    traits.configLength = VhostNetTransport.configLength
  }

  /// Tunnels, if the tap and vhost both know them. A kernel before 6.17 takes the request for one about a ring, so that any
  /// error means that there are none.
  private func offeredAbove() -> UInt64 {
    let tunnels = UInt(TUN_TUNNEL) | UInt(TUN_TUNNEL_CHECKSUM)
    let segments = UInt(TUN_F_CSUM) | UInt(TUN_F_TSO4) | UInt(TUN_F_TSO6) | UInt(TUN_USO)
    if !pairs[0].value.tap.setOffloads(segments | tunnels) { return 0 }
    var words: InlineArray<3, UInt64> = [2, 0, 0]
    if unsafe pairs[0].value.device.ask(VhostNetTransport.getFeatureWords, &words) < 0 { return 0 }
    return words[2] & (HigherFeature.guest | HigherFeature.host)
  }

  private func setCarrier(_ on: Bool) { if !leavesCarrier { pairs[0].value.tap.setCarrier(on) } }

  mutating func close() {
    pairs.close()
    linkChanges.close()
    errors.close()
  }

  // MARK: Verbs

  func status() -> UInt8 { localStatus }

  var isGone: Bool { !pairs[0].value.device.isOpen || pairs[0].value.tap.isGone }

  /// vhost-net has no status. Writing 0 detaches every ring, and DRIVER_OK raises the carrier.
  mutating func setStatus(_ new: UInt8) throws(Failure) {
    RegisterLog.write("vhost-net", Text("device_status"), UInt64(new))
    if new == 0 && localStatus != 0 {
      for index in 0..<UInt16(pairs.count * 2) { try enable(index, false) }
      setCarrier(false)
    }
    if new & ~localStatus & DeviceStatus.driverOK != 0 { setCarrier(true) }
    localStatus = new
  }

  func accept(_ features: UInt64, above: UInt64) throws(Failure) {
    for pair in 0..<pairs.count {
      try accept(features & VhostNetTransport.ofRings, above: above, of: pairs[pair].value.device)
      try pairs[pair].value.tap.setHeader(
        above == 0 ? NetHeaderLayout.bytes : NetHeaderLayout.bytesWithTunnel)
    }
    let offloads = VhostNetTransport.offloads(features, above: above)
    RegisterLog.write("vhost-net", Text("TUNSETOFFLOAD"), UInt64(offloads))
    if !pairs[0].value.tap.setOffloads(offloads) {
      throw Failure(EINVAL, "the tap does not take offloads ").hex(UInt64(offloads))
    }
  }

  private func accept(_ features: UInt64, above: UInt64, of device: borrowing VhostDevice) throws(Failure) {
    if above == 0 { return try device.tell(VhostCall(VhostRequest.setFeatures), number: features) }
    RegisterLog.write("vhost-net", Text("SET_FEATURES_ARRAY"), above)
    var words: InlineArray<3, UInt64> = [2, features, above]
    try unsafe device.tell(VhostNetTransport.setFeatureWords, &words)
  }

  private static func offloads(_ features: UInt64, above: UInt64) -> UInt {
    func has(_ feature: UInt64, _ flag: Int32) -> UInt { features & feature != 0 ? UInt(flag) : 0 }
    if features & Feature.guestChecksum == 0 { return 0 }
    return UInt(TUN_F_CSUM) | has(Feature.guestTSO4, Int32(TUN_F_TSO4))
      | has(Feature.guestTSO6, Int32(TUN_F_TSO6)) | has(Feature.guestECN, Int32(TUN_F_TSO_ECN))
      | has(Feature.guestUSO4, Int32(TUN_USO))
      | (above & HigherFeature.guestTunnel != 0 ? UInt(TUN_TUNNEL) : 0)
      | (above & HigherFeature.guestTunnelChecksum != 0 ? UInt(TUN_TUNNEL_CHECKSUM) : 0)
  }

  /// Bytes of the configuration, which has no address, but the link's state and the queue pairs (virtio 1.4, 5.1.4).
  static let configLength = 10

  func readConfig(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) {
    var fields = InlineArray<10, UInt8>(repeating: 0)
    fields[ConfigLayout.status] = pairs[0].value.tap.isUp ? UInt8(LinkStatus.up) : 0
    fields[ConfigLayout.pairs] = UInt8(truncatingIfNeeded: pairs.count)
    for place in 0..<count where offset + place < VhostNetTransport.configLength {
      unsafe target.storeBytes(of: fields[offset + place], toByteOffset: place, as: UInt8.self)
    }
  }

  /// Gives vhost the memory at our own addresses, which it uses in this process.
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
      try unsafe pairs[pair].value.device.write(
        VhostCall(VhostRequest.setMemoryTable), UnsafeMutableRawPointer(table.base), UInt64(regions.count))
    }
  }

  mutating func connectSignals(_ calls: Table<Int32>, largestRing: UInt16) throws(Failure) {
    if !errors.isOpen { errors = try File.event() }
    _ = sys_eventfd_drain(errors.number)
  }

  /// Describes a ring. enable() starts it by giving it a backend.
  func setUp(_ ring: RingSetUp) throws(Failure) -> Notifier {
    try pairs[Int(ring.index / 2)].value.device.setUp(ring, as: UInt32(ring.index & 1), errors: errors.number)
    return .event(ring.kick)
  }

  /// Attaches or detaches a ring. The tap's queue of a pair goes with the receive ring; the first queue always stays, or the
  /// interface would be deleted.
  @inline(never)
  func enable(_ index: UInt16, _ on: Bool) throws(Failure) {
    let pair = Int(index / 2)
    if pair > 0 && index & 1 == 0 { try pairs[pair].value.tap.attach(on) }
    let tap = on ? pairs[pair].value.tap.file.number : -1
    try pairs[pair].value.device.tellFile(VhostNetTransport.setBackend, UInt32(index & 1), tap)
  }

  func resetQueue(_ index: UInt16, isPacked: Bool) throws(Failure) { try enable(index, false) }

  /// Detaches all rings and takes the memory back. If vhost refuses, closing its files has the same effect.
  mutating func quiesce(_ rings: UInt16, control: UInt16?) -> Bool {
    let letGo: Void? = Failure.quietly { () throws(Failure) in
      try setStatus(0)
      try share(SharedRegions())
    }
    if letGo == nil { close() }
    return true
  }

  func descriptors(pair: Int) -> BusDescriptors { BusDescriptors(change: linkChanges.number, ringError: errors.number) }

  func takeSignals() -> BusSignals {
    BusSignals(
      configurationChanged: InterfaceEvents.drain(linkChanges.number),
      ringFailed: errors.isOpen && sys_eventfd_drain(errors.number) != 0)
  }
}
