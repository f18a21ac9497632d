// SPDX-License-Identifier: BSD-2-Clause
//
// Putting one frame into the driver's receive buffers: one chain, or with MRG_RXBUF as many as it takes, of which all
// but the last are filled to their end (virtio 1.4, 5.1.9.4.1).

import CLinux
import Linux
import Virtio

/// What was agreed with the connected driver, worked out when anything of it changes.
struct Terms {
  /// Bytes of net header before each frame: 12, 24 with tunnels, 10 without VERSION_1 and MRG_RXBUF (5.1.9).
  var header = NetHeaderLayout.bytes
  /// Longest frame that is no segmentation offload (5.1.4.1: MTU).
  var longest = Frame.longest
  var isMergeable = false
  /// The driver's own headers may ask for something.
  var readsHeaders = false
  /// Features whose offloads the driver takes at the moment.
  var guest: UInt64 = 0
  /// Those of bits 64 to 127.
  var tunnels: UInt64 = 0
  /// The driver's own packets may lie in tunnels.
  var hasTunnels = false
  /// The driver filters frames.
  var filters = false
  /// The driver may ask what each queue has done.
  var counts = false
  /// The driver's table says which queue a frame goes to.
  var steers = false
  /// Frames come with their hash.
  var reports = false
}

enum Delivery {
  case placed
  /// There are not enough buffers yet.
  case waits
  /// It is shorter than an Ethernet header, longer than the driver takes or than a frame may be, or leaves work that the
  /// driver has not agreed to do.
  case short, long, unfit
  /// Buffers will never be large enough.
  case noRoom
  /// The driver does not want it.
  case unwanted

  /// What counts a frame that is not delivered; nil for one that is, or may be yet.
  var count: DeviceCount? {
    switch self {
    case .placed, .waits: nil
    case .short: .toDriverShort
    case .long: .toDriverLong
    case .unfit: .toDriverOffload
    case .noRoom: .toDriverNoBuffer
    case .unwanted: .toDriverFiltered
    }
  }
}

extension Device {
  /// Puts a frame into the next of the batch's chains, taking more from the ring if need be.
  @inline(__always)
  mutating func deliver(_ frame: Frame, to index: Int, _ batch: inout Batch) -> Delivery {
    // tested by abi-filtered-frames
    if terms.filters, !filter.accepts(frame, session.mac, scratch: scratch) { return .unwanted }
    if frame.count > terms.longest || frame.count < Frame.shortest || !frame.header.isPlain {
      return deliver(judging: frame, to: index, &batch)
    }
    return place(frame, to: index, &batch)
  }

  /// Into one buffer, which nearly always is there.
  @inline(__always)
  private mutating func place(_ frame: Frame, to index: Int, _ batch: inout Batch) -> Delivery {
    if batch.done < batch.count, frame.isWhole {
      let chain = batch.chains[batch.done]
      if chain.count == 1, Int(chain.total) >= terms.header &+ frame.count {
        frame.head.copy(to: chain.only.dropping(terms.header))
        store(frame, to: chain.only, buffers: 1)
        batch.chains[batch.done].written = UInt32(truncatingIfNeeded: terms.header &+ frame.count)
        batch.done &+= 1
        return .placed
      }
    }
    return spread(frame, to: index, &batch)
  }

  @inline(__always)
  func store(_ frame: Frame, to bytes: Bytes, buffers: Int) {
    if terms.reports { return store(hashing: frame, to: bytes, buffers: buffers) }
    store(frame.header, to: bytes, buffers: buffers)
  }

  @inline(__always)
  private func store(_ header: NetHeader, to bytes: Bytes, buffers: Int) {
    header.store(to: bytes, bytes: terms.header)
    if terms.header > NetHeaderLayout.legacyBytes {
      bytes.store(NetHeaderLayout.bufferCount, UInt16(truncatingIfNeeded: buffers).littleEndian)
    }
  }

  /// The hash is computed first: `bytes` may be where a frame in pieces is read.
  @inline(never)
  private func store(hashing frame: Frame, to bytes: Bytes, buffers: Int) {
    let hash = steering.hash(of: frame, scratch: scratch)
    store(frame.header, to: bytes, buffers: buffers)
    guard let hash else { return }
    bytes.store(NetHeaderLayout.hash, hash.value.littleEndian)
    bytes.store(NetHeaderLayout.hashReport, UInt16(truncatingIfNeeded: hash.report).littleEndian)
  }

  /// A frame that is not of the ordinary length, or that leaves work to its receiver.
  @inline(never)
  private mutating func deliver(judging frame: Frame, to index: Int, _ batch: inout Batch) -> Delivery {
    if frame.count < Frame.shortest { return .short }  // tested by HostileRingTests
    if isTooLong(frame) { return .long }  // tested by abi-soft-losses
    var frame = frame
    switch frame.header.fit(terms.guest, terms.tunnels, length: frame.count) {
    case .asIs: return place(frame, to: index, &batch)
    case .completed(let asked): return complete(frame, asked, to: index, &batch)
    case .impossible: return .unfit
    }
  }

  private func isTooLong(_ frame: Frame) -> Bool {
    if frame.count > Frame.longest { return true }
    if frame.count <= terms.longest || frame.header.isSegmented { return false }
    // The second tag is not of the MTU either (IEEE 802.1Q, 9.5).
    return frame.count > terms.longest &+ 4 || !frame.hasTwoTags(scratch: scratch)
  }

  /// A frame whose checksum is put in here.
  @inline(never)
  private mutating func complete(
    _ frame: Frame, _ asked: NetHeader, to index: Int, _ batch: inout Batch
  ) -> Delivery {
    var cursor = Cursor(chain: batch.done)
    let delivery = spread(frame, to: index, &batch)
    if delivery == .placed {
      cursor.skip(terms.header &+ asked.checksumEnd &- 2, batch)
      scratch.store(0, frame.checksum(asked))
      cursor.write(scratch.first(2), &batch, counting: false)
    }
    return delivery
  }

  /// A frame or a buffer in several pieces, or a buffer that is still in the ring.
  @inline(never)
  private mutating func spread(_ frame: Frame, to index: Int, _ batch: inout Batch) -> Delivery {
    let first = batch.done
    let needed = UInt64(terms.header &+ frame.count)
    var room: UInt64 = 0
    var end = first
    while room < needed {
      if end == batch.count {
        if batch.count == first || terms.isMergeable {
          take(index, &batch, limit: min(batch.count &+ Batch.burst, Batch.room), .write)
        }
        if end == batch.count { return canGrow(index, batch, from: first) ? wait(for: index) : .noRoom }
      }
      room &+= UInt64(batch.chains[end].total)
      end &+= 1
      if room < needed && !terms.isMergeable { return .noRoom }  // tested by TrafficTests
    }
    store(frame, to: scratch, buffers: end &- first)
    var cursor = Cursor(chain: first)
    cursor.write(scratch.first(terms.header), &batch)
    cursor.write(frame.head, &batch)
    for piece in 0..<frame.rest.count { cursor.write(frame.rest[piece], &batch) }
    batch.done = end
    return .placed
  }

  /// The frame at hand needs more buffers than the ring has.
  private mutating func wait(for index: Int) -> Delivery {
    if queues[index].shortAt != queues[index].ahead {
      queues[index].shortAt = queues[index].ahead
      isShort = true
    }
    return .waits
  }

  /// Whether the buffers from `first` on may still become more: not if the whole ring was taken, or a batch is full of
  /// them alone.
  private func canGrow(_ index: Int, _ batch: Batch, from first: Int) -> Bool {
    if fault >= 0 || batch.count &- first >= Batch.room || !batch.hasRoom && first == 0 { return false }
    return first > 0 || queues[index].slotsAhead < Int(queues[index].size)
  }
}

/// A place in the chains of a batch, to write on from.
struct Cursor {
  private var chain: Int
  private var segment = 0
  private var offset = 0

  init(chain: Int) { self.chain = chain }

  mutating func write(_ source: Bytes, _ batch: inout Batch, counting: Bool = true) {
    var rest = source
    while rest.count > 0, let room = room(batch) {
      let copied = rest.copy(to: room)
      if counting { batch.chains[chain].written &+= UInt32(truncatingIfNeeded: copied) }
      offset &+= copied
      rest = rest.dropping(copied)
    }
  }

  mutating func skip(_ bytes: Int, _ batch: Batch) {
    var left = bytes
    while left > 0, let room = room(batch) {
      let step = min(room.count, left)
      offset &+= step
      left &-= step
    }
  }

  /// What is left of the segment it stands in, or of the next one; nil behind the last.
  private mutating func room(_ batch: Batch) -> Bytes? {
    while chain < batch.count {
      let here = batch.chains[chain]
      if segment < Int(here.count) {
        let room = batch.segment(here, segment).dropping(offset)
        if room.count > 0 { return room }
        segment &+= 1
      } else {
        chain &+= 1
        segment = 0
      }
      offset = 0
    }
    return nil
  }
}
