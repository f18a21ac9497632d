// SPDX-License-Identifier: BSD-2-Clause
//
// A vDPA device behind /dev/vhost-vdpa-*: a whole virtio device with a status, a configuration and a control queue, to which
// the kernel passes our requests. It sees memory at our own addresses, which must lie in the range that it can be given. If
// it has address spaces, its control queue gets one of its own.

import CLinux
import Linux
import Virtio

// Safety: requests get local values of the size that they imply; configuration goes to the caller's buffer of `count` bytes.
struct VhostVDPATransport: Transport, ~Copyable {
  private enum Call {
    static let deviceID = VhostCall(SYS_VDPA_GET_DEVICE_ID, "GET_DEVICE_ID")
    static let backendFeatures = VhostCall(SYS_VHOST_GET_BACKEND_FEATURES, "GET_BACKEND_FEATURES")
    static let setBackendFeatures = VhostCall(SYS_VHOST_SET_BACKEND_FEATURES, "SET_BACKEND_FEATURES")
    static let configSize = VhostCall(SYS_VDPA_GET_CONFIG_SIZE, "GET_CONFIG_SIZE")
    static let config = VhostCall(SYS_VDPA_GET_CONFIG, "GET_CONFIG")
    static let configCall = VhostCall(SYS_VDPA_SET_CONFIG_CALL, "SET_CONFIG_CALL")
    static let largestRing = VhostCall(SYS_VDPA_GET_VRING_NUM, "GET_VRING_NUM")
    static let range = VhostCall(SYS_VDPA_GET_IOVA_RANGE, "GET_IOVA_RANGE")
    static let queues = VhostCall(SYS_VDPA_GET_VQS_COUNT, "GET_VQS_COUNT")
    static let spaces = VhostCall(SYS_VDPA_GET_AS_NUM, "GET_AS_NUM")
    static let group = VhostCall(SYS_VDPA_GET_VRING_GROUP, "GET_VRING_GROUP")
    static let setSpace = VhostCall(SYS_VDPA_SET_GROUP_ASID, "SET_GROUP_ASID")
    static let suspend = VhostCall(SYS_VDPA_SUSPEND, "SUSPEND")
  }

  // Features of the kernel's side (VHOST_BACKEND_F_*).
  private static let messages: UInt64 = 1 << UInt64(VHOST_BACKEND_F_IOTLB_MSG_V2)
  private static let batches: UInt64 = 1 << UInt64(VHOST_BACKEND_F_IOTLB_BATCH)
  private static let spaces: UInt64 = 1 << UInt64(VHOST_BACKEND_F_IOTLB_ASID)
  private static let suspends: UInt64 = 1 << UInt64(VHOST_BACKEND_F_SUSPEND)
  /// Features that vhost cannot carry.
  private static let notCarriedByVhost: UInt64 =
    Feature.ringReset | Feature.notificationData | Feature.suspend

  private var device: VhostDevice
  private var agreed: UInt64 = 0
  private(set) var traits = BusTraits()
  var deadline = Deadline.never
  private var memory: VDPAMemory
  /// Readable when the configuration changes, as long as the device is open.
  private var changes = File.none

  static func open(_ request: inout OpenRequest) throws(Failure) -> Bus {
    let path = request.address.target
    var transport = VhostVDPATransport(try VhostDevice(path, kind: "vhost-vdpa"))
    try transport.agree(path)
    return try Bus(transport)
  }

  private init(_ device: consuming VhostDevice) {
    memory = VDPAMemory(device.file.number)
    self.device = device
  }

  /// Checks the kind of the device, and agrees with the kernel on how it is controlled.
  private mutating func agree(_ path: Text) throws(Failure) {
    let kind = try word(Call.deviceID)
    if kind != UInt32(VIRTIO_ID_NET) {
      throw Failure(ENODEV, "").quoting(path).text(" is a virtio device of kind ").number(kind)
        .text(", not a network device (1)")
    }
    let wanted =
      VhostVDPATransport.messages | VhostVDPATransport.batches | VhostVDPATransport.spaces | VhostVDPATransport.suspends
    agreed = try device.number(Call.backendFeatures) & wanted
    if agreed & VhostVDPATransport.messages == 0 {
      throw Failure(ENOTSUP, "").quoting(path).text(" takes no messages of the form IOTLB_MSG_V2")
    }
    try device.tell(Call.setBackendFeatures, number: agreed)
    traits.isWholeDevice = true
    traits.configLength = Int(clamping: try word(Call.configSize))
    memory.isBatched = agreed & VhostVDPATransport.batches != 0
    try unsafe device.tell(Call.range, &memory.range)
    traits.addressRange = memory.range
    readOffered()
    changes = try File.event()
    var file = changes.number
    try unsafe device.write(Call.configCall, &file, 0)
  }

  @inline(never)
  private func word(_ call: VhostCall) throws(Failure) -> UInt32 {
    var value: UInt32 = 0
    try unsafe device.tell(call, &value)
    RegisterLog.read(device.kind, call.name, UInt64(value))
    return value
  }

  /// Closes the device. The kernel resets it and takes its memory away.
  mutating func close() {
    device.close()
    changes.close()
    memory.wasClosed()
  }

  // MARK: Verbs

  mutating func readOffered() {
    let bits = Failure.quietly { () throws(Failure) in try device.number(VhostCall(VhostRequest.getFeatures)) }
    traits.offered = (bits ?? 0) & ~VhostVDPATransport.notCarriedByVhost
  }

  /// True if the status cannot be read, or reads as all ones.
  var isGone: Bool {
    var value: UInt8 = 0xff
    return unsafe device.ask(VhostCall(VhostRequest.getStatus), &value) < 0 || value == 0xff
  }

  func status() throws(Failure) -> UInt8 {
    var value: UInt8 = 0
    let call = VhostCall(VhostRequest.getStatus)
    try unsafe device.tell(call, &value)
    RegisterLog.read(device.kind, call.name, UInt64(value))
    return value
  }

  func setStatus(_ status: UInt8) throws(Failure) {
    var status = status
    try unsafe device.write(VhostCall(VhostRequest.setStatus), &status, UInt64(status))
  }

  func accept(_ features: UInt64, above: UInt64) throws(Failure) {
    try device.tell(VhostCall(VhostRequest.setFeatures), number: features)
  }

  /// Reads the configuration. The kernel makes sure that fields of several bytes are consistent (virtio 1.4, 2.5.3).
  func readConfig(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) throws(Failure) {
    _ = try check(unsafe vdpa_read_config(device.file.number, UInt32(offset), target, UInt32(count))) {
      device.refused(Call.config, $0)
    }
    RegisterLog.read(device.kind, Call.config.name, UInt64(offset), UInt64(count))
  }

  func queueSize(_ index: UInt16, _ wanted: UInt16) throws(Failure) -> UInt16 {
    let count = try word(Call.queues)
    if UInt32(index) >= count {
      throw Failure(EINVAL, "the device has ").number(count).text(" queues and no queue ").number(index)
    }
    var most: UInt16 = 0
    try unsafe device.tell(Call.largestRing, &most)
    if most == 0 { throw Failure(EINVAL, "the device has no descriptors for queue ").number(index) }
    return min(wanted, most)
  }

  /// Describes and enables a ring, which runs from DRIVER_OK on.
  mutating func setUp(_ ring: RingSetUp) throws(Failure) -> Notifier {
    try device.setUp(ring, as: UInt32(ring.index), errors: -1)
    try device.tell(VhostRequest.setVringEnable, UInt32(ring.index), 1)
    return .event(ring.kick)
  }

  /// Lets the device finish what it has begun, which the reset that follows would cut short.
  private func suspend() {
    if agreed & VhostVDPATransport.suspends == 0 { return }
    Failure.quietly { () throws(Failure) in try unsafe device.write(Call.suspend, nil, 0) }
  }

  /// Resets the device. If that fails the device is closed, which makes the kernel reset it.
  mutating func quiesce(_ rings: UInt16, control: UInt16?) -> Bool {
    suspend()
    let isReset = Failure.quietly { () throws(Failure) in try reset() } != nil
    if isReset { memory.forget() } else { close() }
    return true
  }

  func descriptors(pair: Int) -> BusDescriptors { BusDescriptors(change: changes.number) }

  func takeSignals() -> BusSignals { BusSignals(configurationChanged: sys_eventfd_drain(changes.number) != 0) }

  // MARK: Memory

  mutating func share(_ regions: SharedRegions) throws(Failure) { try memory.share(regions) }

  /// Lets the control queue reach this part of the memory only, if the device has an address space to spare for it.
  mutating func confine(_ index: UInt16, to region: SharedRegion) throws(Failure) {
    if agreed & VhostVDPATransport.spaces == 0
      || (Failure.quietly { () throws(Failure) in try word(Call.spaces) } ?? 1) < 2
    {
      return
    }
    let group = try self.group(index)
    if try group == self.group(0) { return }
    try memory.confine(to: region)
    var state = (group, VDPAMemory.ofControl)
    try unsafe device.write(Call.setSpace, &state, UInt64(group), UInt64(VDPAMemory.ofControl))
  }

  private func group(_ index: UInt16) throws(Failure) -> UInt32 {
    var state = (UInt32(index), UInt32(0))
    try unsafe device.tell(Call.group, &state)
    RegisterLog.read(device.kind, Call.group.name, UInt64(index), UInt64(state.1))
    return state.1
  }
}
