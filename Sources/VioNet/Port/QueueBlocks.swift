// SPDX-License-Identifier: BSD-2-Clause
//
// One queue at a time: made in the control block of its pair, which outlives it.

import CLinux
import CVionet
import Linux

extension Port {
  func physical(_ offset: Int, _ bytes: Int, _ region: Region) throws(Failure) -> UInt64 {
    guard let start = try region.physicalAddress(offset, bytes) else {
      throw Failure(ENOMEM, "a queue finds no ").number(bytes)
        .text(" bytes of memory in one piece: echo 64 > /proc/sys/vm/nr_hugepages")
    }
    return start
  }

  func makeReceiveQueue(
    _ pair: UInt16, _ layout: RingLayout, _ region: Region, _ offset: Int
  ) throws(Failure) {
    guard let pool else { throw Failure(EINVAL, "the port has no pool") }
    unsafe try Port.makeBlock(&PortSlots.all[number].receiveQueues, pair, MemoryLayout<ReceiveQueue>.stride)
    var core = try Virtqueue(
      port: number, index: pair * 2, ring: unsafe Shared(region.base + offset), layout: layout, shape: shape)
    var queue: ReceiveQueue
    do throws(Failure) {
      let scatter = try scatterTables(layout, region, offset)
      do throws(Failure) {
        queue = try ReceiveQueue(
          core: core, pool: pool, headerSize: Negotiation.headerSize(features),
          reading: HeaderReading(features, stripsVLAN: options.receives(VIONET_RX_VLAN_STRIP)), scatter: scatter)
      } catch {
        scatter?.destroy()
        throw error
      }
    } catch {
      core.destroy()
      throw error
    }
    unsafe queue.core.counted = ReceivePath.choose(shape, queue.reading).burst
    unsafe Port.place(queue, &PortSlots.all[number].receiveQueues, pair)
  }

  func makeTransmitQueue(
    _ pair: UInt16, _ layout: RingLayout, _ region: Region, _ offset: Int
  ) throws(Failure) {
    guard let pool else { throw Failure(EINVAL, "the port has no pool") }
    unsafe try Port.makeBlock(&PortSlots.all[number].transmitQueues, pair, MemoryLayout<TransmitQueue>.stride)
    let base = unsafe Shared(region.base + offset)
    var core = try Virtqueue(port: number, index: pair * 2 + 1, ring: base, layout: layout, shape: shape)
    // 5.1.4.2 forbids longer ones if the MTU was negotiated; if not, the length must at least fit its field.
    let longest = features.has(VIRTIO_NET_F_MTU) ? UInt32(config.mtu) + NetConfig.frameHeader : 65535
    var queue: TransmitQueue
    do throws(Failure) {
      let indirect = try indirectTables(layout, region, offset)
      do throws(Failure) {
        queue = try TransmitQueue(
          core: core, pool: pool, headerSize: Negotiation.headerSize(features), longest: longest, pools: pools,
          offers: TransmitOffers(features), indirect: indirect)
      } catch {
        indirect?.destroy()
        throw error
      }
    } catch {
      core.destroy()
      throw error
    }
    unsafe queue.core.counted = TransmitPath.choose(shape).burst
    unsafe Port.place(queue, &PortSlots.all[number].transmitQueues, pair)
  }

  private func indirectTables(
    _ layout: RingLayout, _ region: Region, _ offset: Int
  ) throws(Failure) -> IndirectTables? {
    if layout.tableDescriptors == 0 { return nil }
    let (tables, address) = try tables(layout, region, offset)
    return try IndirectTables(tables, deviceAddress: address, size: layout.size)
  }

  private func scatterTables(
    _ layout: RingLayout, _ region: Region, _ offset: Int
  ) throws(Failure) -> ScatterTables? {
    if layout.tableDescriptors == 0 { return nil }
    let (tables, address) = try tables(layout, region, offset)
    return try ScatterTables(tables, deviceAddress: address, buffers: layout.tableDescriptors, size: layout.size)
  }

  /// Where the tables behind a ring lie, for us and for the device.
  private func tables(
    _ layout: RingLayout, _ region: Region, _ offset: Int
  ) throws(Failure) -> (Shared, UInt64) {
    let tables = unsafe Shared(region.base + offset + layout.indirect)
    if !bus.usesPhysicalAddresses { return (tables, tables.address) }
    return (tables, try physical(offset, layout.bytes, region) + UInt64(layout.indirect))
  }

  /// Descriptors in each table behind a ring: for packets of several segments, and for frames of several buffers that
  /// the device does not merge.
  func tableDescriptors(transmit: Bool) -> Int {
    if !features.has(VIRTIO_RING_F_INDIRECT_DESC) { return 0 }
    return transmit ? RingLayout.indirectDescriptors : config.buffers > 1 ? config.buffers : 0
  }

  /// Puts a queue into the block of its pair. Its first bytes, by which bursts come in, are left alone: a thread with a
  /// stale idea of the port may be there.
  private static func place<Queue>(
    _ queue: Queue, _ blocks: inout UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ pair: UInt16
  ) {
    let block = unsafe blocks.unsafelyUnwrapped[Int(pair)].unsafelyUnwrapped
    unsafe withUnsafeBytes(of: queue) { bytes in
      guard let base = bytes.baseAddress else { return }
      unsafe (block + Virtqueue.doorBytes).copyMemory(
        from: base + Virtqueue.doorBytes, byteCount: bytes.count - Virtqueue.doorBytes)
    }
  }

  /// Makes sure of the blocks for one pair, with a door that leads nowhere; those made once are kept for ever.
  private static func makeBlock(
    _ blocks: inout UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ pair: UInt16, _ bytes: Int
  ) throws(Failure) {
    if unsafe blocks == nil {
      unsafe blocks = storage_retain(Int(VIONET_MAX_QUEUE_PAIRS) * MemoryLayout<UInt>.stride)?
        .assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
    }
    guard let table = unsafe blocks else { throw Failure(ENOMEM, "no memory for queues") }
    if unsafe table[Int(pair)] != nil { return }
    guard let block = unsafe storage_retain(bytes) else { throw Failure(ENOMEM, "no memory for queues") }
    unsafe block.storeBytes(of: Virtqueue.idleBurst, as: Virtqueue.Burst.self)
    unsafe table[Int(pair)] = block
  }
}
