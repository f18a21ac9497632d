// SPDX-License-Identifier: BSD-2-Clause
//
// What a port's watcher writes for one client. Bursts of several queues share the ring and its lock. A burst that does not get
// the lock soon goes on, and its packets count as lost: the program never waits for a capture.

import CLinux
import CVionetControl
import Linux

struct CaptureOptions {
  /// Most bytes of a packet that are kept.
  var snapLength: UInt32 = 262_144
  var receives = true
  var transmits = true
  /// Nil for all ports.
  var port: UInt16?
  /// Bytes of the ring.
  var ring = 8 << 20
}

/// What threads share besides the ring, each word in single accesses.
struct CaptureLock {
  /// 1 while a thread writes.
  var word: UInt32 = 0
  /// The transmit queue whose thread has the lock from before its burst to behind it, plus 1.
  var holder: UInt32 = 0
  var lost: UInt64 = 0

  /// Looks at the lock that often before the packets are given up.
  private static let patience = 2000

  // Safety: the words are this struct's, which lies on the heap.
  @inline(never)
  mutating func take() -> Bool {
    for _ in 0..<CaptureLock.patience {
      if unsafe shared_load32(&word) == 0 && shared_exchange32_acquire(&word, 1) == 0 { return true }
      cpu_pause()
    }
    return false
  }

  // Safety: as take().
  mutating func give() {
    unsafe shared_store32(&holder, 0)
    unsafe shared_store32_release(&word, 0)
  }

  // Safety: as take().
  mutating func hold(_ queue: UInt32) { unsafe shared_store32(&holder, queue) }
  // Safety: as take().
  mutating func belongs(to queue: UInt32) -> Bool { unsafe shared_load32(&holder) == queue }
  // Safety: as take().
  mutating func lose(_ count: UInt64) { unsafe shared_add64(&lost, count) }
  // Safety: as take().
  mutating func allLost() -> UInt64 { unsafe shared_load64(&lost) }
}

/// What becomes of a packet that is offered to a burst.
private enum Offered {
  case unwanted, written, lost
}

// Safety: `scratch` is memory of this struct's own, from init to deinit, of scratchBytes.
@safe
struct Capture: ~Copyable {
  static let scratchBytes: UInt32 = 65536

  let options: CaptureOptions
  let filter: Filter
  var ring: CaptureRing
  let lock: Cell<CaptureLock>
  private let scratch: Table<UInt8>
  /// The ring's position before each packet on offer, where its record is, and what became of it.
  private var starts = InlineArray<64, UInt64>(repeating: 0)
  private var records = InlineArray<64, UInt64>(repeating: 0)
  private var count = 0
  private var offered = InlineArray<64, Offered>(repeating: .unwanted)

  init(_ options: CaptureOptions, _ filter: consuming Filter) throws(Failure) {
    let ring = try CaptureRing(bytes: options.ring)
    guard let lock = Cell.make(CaptureLock()) else { throw Failure(ENOMEM, "no memory for a capture") }
    guard let scratch = Table<UInt8>.make(count: Int(Capture.scratchBytes)) else {
      lock.destroy()
      throw Failure(ENOMEM, "no memory for a capture")
    }
    self.options = options
    self.filter = filter
    self.ring = ring
    self.lock = lock
    self.scratch = scratch
  }

  deinit {
    lock.destroy()
    scratch.destroy()
  }
}

// MARK: Told by bursts

// Safety: libvionet passes a report that it has filled, and the capture that is freed only when no burst is inside.
func captureWatched(_ watched: UnsafePointer<vionet_watched>, _ user: UnsafeMutableRawPointer?) {
  guard let user = unsafe user else { return }
  let capture = unsafe Cell<Capture>(raw: user)
  let report = unsafe watched.pointee
  let lock = capture.value.lock
  let queue = unsafe UInt32(report.port) << 16 | UInt32(report.queue) &+ 1
  switch unsafe vionet_watch(UInt32(report.what)) {
  case VIONET_WATCH_RECEIVED, VIONET_WATCH_RX_DROPPED:
    if !capture.value.options.receives { return }
    if !lock.value.take() { return unsafe lock.value.lose(UInt64(report.count)) }
    unsafe capture.value.received(report)
    lock.value.give()
  case VIONET_WATCH_OFFERED:
    if !capture.value.options.transmits || !lock.value.take() { return }
    lock.value.hold(queue)
    unsafe capture.value.offer(report)
  case VIONET_WATCH_TAKEN:
    if !capture.value.options.transmits { return }
    if !lock.value.belongs(to: queue) { return unsafe lock.value.lose(UInt64(report.count)) }
    unsafe capture.value.take(report)
    lock.value.give()
  default: break
  }
}

extension Capture {
  // Safety: the report has `count` packets, or none if frames were dropped.
  @inline(never)
  fileprivate mutating func received(_ report: vionet_watched) {
    var record = unsafe Capture.record(report)
    if let packets = unsafe report.packets {
      for place in 0..<Int(unsafe report.count) {
        guard let packet = unsafe packets[place] else { continue }
        if unsafe write(packet, record) == .lost { lock.value.lose(1) }
      }
    } else {
      record.length = unsafe report.count
      record.reason = unsafe UInt8(truncatingIfNeeded: report.reason)
      record.facts = CaptureRecord.unseen
      if unsafe ring.add(record) == nil { lock.value.lose(UInt64(record.length)) }
    }
    ring.publish(lost: lock.value.allLost())
  }

  /// Writes packets, which the client does not see before it is known what became of them.
  // Safety: the report has `count` packets, 64 at most.
  @inline(never)
  fileprivate mutating func offer(_ report: vionet_watched) {
    var record = unsafe Capture.record(report)
    record.direction = 1
    guard let packets = unsafe report.packets else { return }
    count = min(Int(unsafe report.count), 64)
    for place in 0..<count {
      starts[place] = ring.position
      if let packet = unsafe packets[place] {
        offered[place] = unsafe write(packet, record)
      } else {
        // No packet, or one that must not be read; the burst will drop it.
        record.facts = CaptureRecord.unseen
        record.length = 1
        offered[place] = unsafe ring.add(record) == nil ? .lost : .written
        record.facts = 0
        record.length = 0
      }
      records[place] = ring.recordStart
    }
  }

  /// Takes back what the burst gave back, and adds the reasons of drops.
  // Safety: the report has a reason for each of `count` packets.
  @inline(never)
  fileprivate mutating func take(_ report: vionet_watched) {
    let taken = min(Int(unsafe report.count), count)
    if taken < count { ring.position = starts[taken] }
    guard let drops = unsafe report.drops else { return }
    for place in 0..<taken {
      if offered[place] == .lost { lock.value.lose(1) }
      if offered[place] == .written { unsafe ring.setReason(drops[place], at: records[place]) }
    }
    ring.publish(lost: lock.value.allLost())
  }

  // Safety: the call fills a struct of ours.
  private static func record(_ report: vionet_watched) -> CaptureRecord {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    var record = CaptureRecord()
    record.time = UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    record.port = unsafe report.port
    record.queue = unsafe report.queue
    return record
  }
}

// MARK: Packets

extension Capture {
  /// Writes a packet that the filter wants.
  // Safety: the packet is one whose segments can all be read, as vionet.h says.
  private mutating func write(_ packet: UnsafePointer<vionet_packet>, _ start: CaptureRecord) -> Offered {
    var record = start
    record.length = unsafe Capture.length(packet)
    record.captured = min(record.length, options.snapLength)
    if !filter.isEmpty {
      let wanted = unsafe filter.run(bytes(packet, record.length))
      if wanted == 0 { return .unwanted }
      record.captured = min(record.captured, wanted)
    }
    let flags = unsafe packet.pointee.flags
    if flags & VIONET_PACKET_CHECKSUM_PARTIAL.rawValue != 0 { record.facts |= 1 }
    if flags & VIONET_PACKET_SEGMENTS.rawValue != 0 {
      record.facts |= 2
      record.segmentSize = unsafe packet.pointee.segment_size
    }
    if flags & VIONET_PACKET_VLAN.rawValue != 0 {
      record.facts |= 4
      record.vlan = unsafe packet.pointee.vlan
    }
    guard let place = unsafe ring.add(record) else { return .lost }
    unsafe Capture.copy(packet, to: place, Int(record.captured))
    return .written
  }

  /// The bytes for the filter: those of the packet, or a copy if they lie in several segments.
  // Safety: as write(); the view is used before the scratch memory is written again.
  private func bytes(_ packet: UnsafePointer<vionet_packet>, _ length: UInt32) -> FilteredBytes {
    if unsafe packet.pointee.next == nil {
      let data = unsafe UnsafePointer(packet.pointee.data.assumingMemoryBound(to: UInt8.self))
      return unsafe FilteredBytes(data, packet.pointee.length, of: length)
    }
    let count = min(length, Capture.scratchBytes)
    unsafe Capture.copy(packet, to: UnsafeMutableRawPointer(scratch.base), Int(count))
    return unsafe FilteredBytes(scratch.base, count, of: length)
  }

  /// The sum over the segments; a packet that is only offered may say something else.
  // Safety: as write().
  private static func length(_ packet: UnsafePointer<vionet_packet>) -> UInt32 {
    var length: UInt32 = 0
    var segment: UnsafePointer<vionet_packet>? = unsafe packet
    while let each = unsafe segment {
      unsafe length &+= each.pointee.length
      unsafe segment = UnsafePointer(each.pointee.next)
    }
    return length
  }

  // Safety: as write(); there is room for `count` bytes, and the packet has as many.
  private static func copy(
    _ packet: UnsafePointer<vionet_packet>, to target: UnsafeMutableRawPointer, _ count: Int
  ) {
    var done = 0
    var segment: UnsafePointer<vionet_packet>? = unsafe packet
    while let each = unsafe segment, done < count {
      let part = unsafe min(Int(each.pointee.length), count - done)
      unsafe (target + done).copyMemory(from: each.pointee.data, byteCount: part)
      done += part
      unsafe segment = UnsafePointer(each.pointee.next)
    }
  }
}
