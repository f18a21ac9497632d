// SPDX-License-Identifier: BSD-2-Clause
//
// The control blocks of a port's queues. Each queue is made in the block of its pair, which outlives it, so that a burst with
// a stale port number finds a block.

import CLinux
import CVionet
import Linux
import Virtio

extension Port {
  // Safety: as block().
  func receiveQueue(_ pair: UInt16) -> Cell<ReceiveQueue> {
    unsafe Port.block(PortSlots.all[number].receiveQueues, pair)
  }

  // Safety: as block().
  func transmitQueue(_ pair: UInt16) -> Cell<TransmitQueue> {
    unsafe Port.block(PortSlots.all[number].transmitQueues, pair)
  }

  // Safety: a block is made before queues.pairs counts its pair, and is never freed.
  private static func block<Queue>(
    _ blocks: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ pair: UInt16
  ) -> Cell<Queue> {
    unsafe Cell(raw: blocks.unsafelyUnwrapped[Int(pair)].unsafelyUnwrapped)
  }

  // Safety: the region has the ring's bytes at `offset`, and makeBlock() made room for the queue.
  mutating func makeReceiveQueue(
    _ pair: UInt16, _ layout: RingLayout, _ region: Region, _ offset: Int
  ) throws(Failure) {
    let pool = try receivePool(pair)
    unsafe try Port.makeBlock(&PortSlots.all[number].receiveQueues, pair, MemoryLayout<ReceiveQueue>.stride)
    var core = try Virtqueue(
      port: number, index: pair * 2, ring: unsafe Shared(region.base + offset), layout: layout, shape: shape)
    var queue: ReceiveQueue
    do throws(Failure) {
      let scatter = try scatterTables(layout, region, offset)
      var hashTable: Table<UInt32>?
      do throws(Failure) {
        hashTable = try makeHashTable()
        queue = try ReceiveQueue(
          core: core, pool: pool, headerSize: Negotiation.headerSize(agreed.features),
          reading: HeaderReading(
            agreed.features, stripsVLAN: options.receives(VIONET_RX_VLAN_STRIP),
            trustsChecksums: options.trustsChecksums, hashes: hashTable != nil),
          scatter: scatter, hashTable: hashTable)
      } catch {
        scatter?.destroy()
        hashTable?.destroy()
        throw error
      }
    } catch {
      core.destroy()
      throw error
    }
    unsafe queue.core.countedBurst = ReceivePath.choose(shape, queue.reading, isScattered: queue.scatter != nil).burst
    unsafe Port.place(queue, &PortSlots.all[number].receiveQueues, pair)
  }

  // Safety: as makeReceiveQueue().
  func makeTransmitQueue(
    _ pair: UInt16, _ layout: RingLayout, _ region: Region, _ offset: Int
  ) throws(Failure) {
    guard let pool = pools.receive else { throw Failure(EINVAL, "the port has no pool") }
    unsafe try Port.makeBlock(&PortSlots.all[number].transmitQueues, pair, MemoryLayout<TransmitQueue>.stride)
    let base = unsafe Shared(region.base + offset)
    var core = try Virtqueue(port: number, index: pair * 2 + 1, ring: base, layout: layout, shape: shape)
    // With a negotiated MTU no longer frame may be sent (virtio 1.4, 5.1.4.2). Without one the length must fit its field.
    let longest = agreed.features.has(Feature.mtu) ? UInt32(agreed.config.mtu) + NetConfig.frameHeader : 65535
    var queue: TransmitQueue
    do throws(Failure) {
      let indirect = try indirectTables(layout, region, offset)
      do throws(Failure) {
        queue = try TransmitQueue(
          core: core, pool: pool, headerSize: Negotiation.headerSize(agreed.features), longest: longest,
          pools: pools.visible,
          offloads: TransmitOffloads(agreed.features), indirect: indirect,
          takesOver: options.sendsInSoftware)
      } catch {
        indirect?.destroy()
        throw error
      }
    } catch {
      core.destroy()
      throw error
    }
    unsafe queue.core.countedBurst = TransmitPath.choose(shape).burst
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

  /// Where the tables behind a ring lie: our view of them, and the address that the device knows.
  // Safety: the layout counts the tables among the ring's bytes.
  private func tables(
    _ layout: RingLayout, _ region: Region, _ offset: Int
  ) throws(Failure) -> (Shared, UInt64) {
    let tables = unsafe Shared(region.base + offset + layout.indirect)
    if !bus.traits.usesPhysicalAddresses { return (tables, tables.address) }
    return (tables, try physical(offset, layout.bytes, region) + UInt64(layout.indirect))
  }

  /// Puts a queue into the block of its pair. The first bytes of the block, through which bursts enter, stay as they are: a
  /// thread with a stale port number may be there.
  // Safety: makeBlock() made the block as large as a Queue.
  private static func place<Queue>(
    _ queue: Queue, _ blocks: inout UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ pair: UInt16
  ) {
    let block = unsafe blocks.unsafelyUnwrapped[Int(pair)].unsafelyUnwrapped
    unsafe withUnsafeBytes(of: queue) { bytes in
      guard let base = bytes.baseAddress else { return }
      unsafe (block + Virtqueue.entryBytes).copyMemory(
        from: base + Virtqueue.entryBytes, byteCount: bytes.count - Virtqueue.entryBytes)
    }
    unsafe Cell<Virtqueue>(raw: block).value.faultIsUnreported = false
  }

  /// Makes the block of one pair, with a burst function that moves nothing, unless it is there. Blocks are never freed.
  // Safety: `blocks` has VIONET_MAX_QUEUE_PAIRS entries, and `pair` was checked against it.
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
