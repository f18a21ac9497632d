// SPDX-License-Identifier: BSD-2-Clause
//
// What a pool has beside its packets: where the data of external packets lies, and the headers of packets in tunnels, the
// program's own bytes of each packet, and which addresses are the pool's memory.

import CLinux
import CVionet
import Linux
import Virtio

// Safety: both arrays have an entry for each packet, and `place` of a packet of the pool is below their count.
extension PacketPool {
  private func place(_ packet: Packet) -> UInt { (packet.address &- packetBase) / UInt(Packet.byteCount) }

  private func record(_ packet: Packet) -> UnsafeMutablePointer<PacketOrigin>? {
    unsafe UnsafeMutablePointer(
      bitPattern: originBase &+ place(packet) &* UInt(MemoryLayout<PacketOrigin>.stride))
  }

  /// Where the data of an external packet of this pool lies; nil for one with data of its own.
  func origin(_ packet: Packet) -> PacketOrigin? {
    packet.isExternal ? unsafe record(packet)?.pointee : nil
  }

  /// Notes where the data of a packet that is about to be external lies.
  func setOrigin(_ packet: Packet, _ origin: PacketOrigin) { unsafe record(packet)?.pointee = origin }

  /// Where the headers of a packet of this pool lie whose flags say that it is in a tunnel.
  func tunnel(_ packet: Packet) -> TunnelOffsets { unsafe record(packet)?.pointee.tunnel ?? TunnelOffsets() }

  func setTunnel(_ packet: Packet, _ tunnel: TunnelOffsets) { unsafe record(packet)?.pointee.tunnel = tunnel }

  /// The program's bytes of a packet of this pool; nil if the pool has none.
  package func privateBytes(_ address: UInt) -> UnsafeMutableRawPointer? {
    guard privateBase != 0, let packet = PoolView(self).packet(at: address) else { return nil }
    return unsafe UnsafeMutableRawPointer(
      bitPattern: privateBase &+ place(packet) &* UInt(truncatingIfNeeded: privateSize))
  }

  /// Counts one more packet whose data is attached memory of this pool. False if the pool is gone.
  mutating func attach() -> Bool {
    let hold = lock.lock()
    defer { lock.unlock(hold) }
    if !isOpen { return false }
    attached &+= 1
    return true
  }

  mutating func detach() {
    let hold = lock.lock()
    attached &-= 1
    lock.unlock(hold)
  }

  /// True if `length` bytes at `address` lie in the pool's memory.
  func hasMemory(at address: UInt, _ length: UInt32) -> Bool {
    let offset = address &- memoryBase
    return offset < memoryLength && UInt(length) <= memoryLength &- offset
  }

  /// Address for devices of `length` bytes at `address`. 0 unless they lie in the pool's memory, and in one piece for a
  /// device without an IOMMU.
  func deviceAddress(of address: UInt, _ length: UInt32) -> UInt64 {
    if length == 0 || !hasMemory(at: address, length) { return 0 }
    guard let table = unsafe UnsafePointer<UInt64>(bitPattern: physicalTable) else { return UInt64(address) }
    let size = max(UInt(truncatingIfNeeded: stride), 1)
    let offset = address &- memoryBase
    let buffer = offset / size
    // The table has an entry for each whole buffer.
    if buffer >= memoryLength / size || (offset &+ UInt(length) &- 1) / size != buffer { return 0 }
    let start = unsafe table[Int(truncatingIfNeeded: buffer)]
    return start == 0 ? 0 : start &+ UInt64(offset % size)
  }
}
