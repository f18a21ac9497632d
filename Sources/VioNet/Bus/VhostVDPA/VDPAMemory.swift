// SPDX-License-Identifier: BSD-2-Clause
//
// The memory that a vDPA device may use, at our own addresses. IOTLB messages tell the kernel, which pins the pages. Rings
// and the default pool are made at addresses that the device can be given. All memory is taken back after each reset,
// because the device's driver in the kernel may forget then what vhost-vdpa remembers.

import CLinux
import Linux

struct VDPAMemory {
  // The address space of packets, which all queues use at first, and that of a control queue.
  private static let ofPackets: UInt32 = 0
  static let ofControl: UInt32 = 1

  private let file: Int32
  /// The kernel can take several messages as one change.
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
      try checkRange(regions[index])
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

  private func checkRange(_ region: SharedRegion) throws(Failure) {
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
    wasClosed()
  }

  /// The device was closed, and its memory went with it.
  mutating func wasClosed() {
    shared = SharedRegions()
    control = SharedRegion()
  }

  // MARK: Messages

  private func begin(_ space: UInt32) { if isBatched { _ = tell(VHOST_IOTLB_BATCH_BEGIN, space, SharedRegion()) } }

  private func end(_ space: UInt32) { if isBatched { _ = tell(VHOST_IOTLB_BATCH_END, space, SharedRegion()) } }

  /// Maps a region. The kernel gives no reason for a failure. Two are known: the limit of locked memory, of which `total`
  /// bytes are needed, and the number of pieces in physical memory, of which it can note 2048.
  private func map(_ space: UInt32, _ region: SharedRegion, of total: UInt64) throws(Failure) {
    if tell(VHOST_IOTLB_UPDATE, space, region) >= 0 { return }
    let failure = Failure(ENOMEM, "vhost-vdpa: the kernel does not give the device ").number(region.length)
      .text(" bytes at ").hex(region.address)
    if sys_limit(Int32(LIMIT_LOCKED)) < total { throw failure.lockedMemory() }
    throw failure.text("; memory in too many pieces is mended by hugepages: ").text(
      "echo 64 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
  }

  @inline(never)
  private func tell(_ type: Int32, _ space: UInt32, _ region: SharedRegion) -> Int32 {
    if Log.wanted(.debug) {
      Log.line("vhost-vdpa write IOTLB").number(type).number(space).hex(region.address).hex(region.length).send(.debug)
    }
    return vdpa_tell_memory(file, UInt8(type), space, region.address, region.length)
  }
}
