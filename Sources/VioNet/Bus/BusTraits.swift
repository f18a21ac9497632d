// SPDX-License-Identifier: BSD-2-Clause
//
// What differs from device to device and is no verb: plain values that a transport fills when it has found its device.
// A vhost-user transport fills them again with each back-end, a PCI function when its features are read again and when
// its vectors are connected.

struct BusTraits {
  enum RegisterLayout {
    case modern
    /// From before virtio 1.0: no FEATURES_OK, a shorter header, rings whose size and layout the device dictates.
    case legacy
  }

  enum Addressing {
    /// The device is given this process's own addresses.
    case virtual
    /// No IOMMU stands before the device: it is given physical addresses.
    case physical
  }

  /// Feature bits 0 to 63 and 64 to 127 that the device offers, as last read. vhost-user and vDPA do not carry the latter.
  var offered: UInt64 = 0
  var offeredAbove: UInt64 = 0
  /// A whole device has a configuration, a control queue that answers, and queues that all run from DRIVER_OK on. A
  /// back-end is told of each ring by its front-end instead.
  var isWholeDevice = false
  var registerLayout = RegisterLayout.modern
  var addressing = Addressing.virtual
  /// The addresses that the device can be given.
  var addressRange = AddressRange()
  /// The device is made by another process, which is given memory as files.
  var sharesMemoryByFile = false
  /// Pieces of memory that can be shared: the rings are one, each pool is another.
  var maximumRegions = SharedRegions.room
  /// Queue pairs of a back-end; a whole device tells them in its configuration.
  var maximumQueuePairs: UInt16 = 1
  /// Bytes of configuration that can be read.
  var configLength = 0
  /// A notification has room for the ring position that VIRTIO_F_NOTIFICATION_DATA sends along; an eventfd has not.
  var carriesNotificationData = false
  /// The device can give each queue a number to be notified by, as VIRTIO_F_NOTIF_CONFIG_DATA says.
  var givesNotificationNumbers = false
  /// A single queue can be reset, as VIRTIO_F_RING_RESET says.
  var resetsQueues = false
  /// Packed rings are worth having where they are offered: makers of hardware offer them on purpose, back-ends in
  /// software all do.
  var prefersPackedRings = false
  /// The device signals its driver.
  var hasInterrupts = true

  var isLegacy: Bool { registerLayout == .legacy }
  var usesPhysicalAddresses: Bool { addressing == .physical }
}

/// The addresses that a device can be given.
struct AddressRange {
  var first: UInt64 = 0
  var last = UInt64.max

  func has(_ region: SharedRegion) -> Bool {
    region.address >= first && region.address <= last && last - region.address >= region.length - 1
  }
}

/// Descriptors that tell of a device, to be watched and not to be read; each is -1 if there is no such thing.
struct BusDescriptors {
  /// Readable when the device goes away. Nothing else is read from it.
  var end: Int32 = -1
  /// `end` also becomes readable when an answer comes, so that only its end counts for sleepers.
  var endMayAnswer = false
  /// Readable when the device's configuration, its status included, may have changed (virtio 1.4, 3.2.1).
  var change: Int32 = -1
  /// Readable when the device cannot use a ring.
  var ringError: Int32 = -1
  /// Readable when an interrupt came that the pair's queues share with others. Before sleeping again, passInterrupts()
  /// takes it.
  var sharedInterrupt: Int32 = -1
  /// True if the device signals the call of the pair's receive queue for the transmit queue too.
  var sharesCall = false
}

/// What a device has signalled since it was last asked.
struct BusSignals {
  var configurationChanged = false
  var ringFailed = false
}
