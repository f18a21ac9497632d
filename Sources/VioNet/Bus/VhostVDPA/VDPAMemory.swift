// SPDX-License-Identifier: BSD-2-Clause
//
// What a vDPA device may touch, told in messages to the kernel (IOTLB), which pins the pages: our own addresses. Rings,
// and the pool that is shared by default, are made where the device can be given them. All is taken back after each
// reset, since a parent driver may forget then what the kernel remembers.

import CLinux
import Linux

struct VDPAMemory {
  /// The address space of packets, in which all queues begin, and that of a control queue.
  private static let ofPackets: UInt32 = 0
  static let ofControl: UInt32 = 1

  private let file: Int32
  /// Several messages count as one change.
  var isBatched = false
  /// The addresses that the device can be given.
  var range = AddressRange()
  private var shared = SharedRegions()
  private var control = SharedRegion()

  init(_ file: Int32) { self.file = file }

  mutating func share(_ regions: SharedRegions) throws(Failure) {
    forget()
    var total: UInt64 = 0
    for index in 0..<regions.count {
      try checkReach(regions[index])
      total += regions[index].length
    }
    begin(VDPAMemory.ofPackets)
    do throws(Failure) {
      for index in 0..<regions.count {
        try map(VDPAMemory.ofPackets, regions[index], of: total)
        _ = shared.add(regions[index])
      }
    } catch {
      end(VDPAMemory.ofPackets)
      forget()
      throw error
    }
    end(VDPAMemory.ofPackets)
  }

  private func checkReach(_ region: SharedRegion) throws(Failure) {
    if range.has(region) { return }
    throw Failure(ERANGE, "memory at ").hex(region.address).text(" is out of reach of this device, which can be given ")
      .hex(range.first).text(" to ").hex(range.last).text(": mmap() a pool's memory there")
  }

  mutating func confine(to region: SharedRegion) throws(Failure) {
    try map(VDPAMemory.ofControl, region, of: 0)
    control = region
  }

  mutating func forget() {
    if shared.count > 0 { begin(VDPAMemory.ofPackets) }
    for index in 0..<shared.count { _ = tell(VHOST_IOTLB_INVALIDATE, VDPAMemory.ofPackets, shared[index]) }
    if shared.count > 0 { end(VDPAMemory.ofPackets) }
    if control.length > 0 { _ = tell(VHOST_IOTLB_INVALIDATE, VDPAMemory.ofControl, control) }
    isLost()
  }

  /// The device was let go, and all with it.
  mutating func isLost() {
    shared = SharedRegions()
    control = SharedRegion()
  }

  // MARK: Messages

  private func begin(_ space: UInt32) { if isBatched { _ = tell(VHOST_IOTLB_BATCH_BEGIN, space, SharedRegion()) } }

  private func end(_ space: UInt32) { if isBatched { _ = tell(VHOST_IOTLB_BATCH_END, space, SharedRegion()) } }

  /// The kernel gives no reason. The two that there are by experience: the limit of locked memory, of which `total` bytes are
  /// wanted, and the pieces that lie together in physical memory, of which it notes 2048.
  private func map(_ space: UInt32, _ region: SharedRegion, of total: UInt64) throws(Failure) {
    if tell(VHOST_IOTLB_UPDATE, space, region) >= 0 { return }
    let failure = Failure(ENOMEM, "vhost-vdpa: the kernel does not give the device ").number(region.length)
      .text(" bytes at ").hex(region.address)
    if sys_lock_limit() < total { throw failure.lockedMemory() }
    throw failure.text("; memory in too many pieces is mended by hugepages: echo 64 > /proc/sys/vm/nr_hugepages")
  }

  @inline(never)
  private func tell(_ type: Int32, _ space: UInt32, _ region: SharedRegion) -> Int32 {
    if Log.wanted(.debug) {
      Log.line("vhost-vdpa write IOTLB").number(type).number(space).hex(region.address).hex(region.length).send(.debug)
    }
    return vdpa_tell_memory(file, UInt8(type), space, region.address, region.length)
  }
}
