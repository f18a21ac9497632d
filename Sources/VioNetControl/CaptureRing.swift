// SPDX-License-Identifier: BSD-2-Clause
//
// The ring through which a client reads captured packets: two files. The client can only read the one with the records. In
// the other it writes how far it has read, which is compared and never believed. Positions count bytes from the beginning;
// where they are written is this process's own record.

import CLinux
import Linux

/// A record's head, with the packet's bytes behind it. vionet-control.h describes it.
struct CaptureRecord {
  /// Bytes of the record, a multiple of 8, and of the packet in it.
  var bytes: UInt32 = 0
  var captured: UInt32 = 0
  /// Nanoseconds since 1970.
  var time: UInt64 = 0
  /// Bytes of the packet or, if none is left to see, the number of packets.
  var length: UInt32 = 0
  var port: UInt16 = 0
  var queue: UInt16 = 0
  /// 0 for a received packet, 1 for one to send.
  var direction: UInt8 = 0
  var reason: UInt8 = 0xff
  var facts: UInt8 = 0
  var unused: UInt8 = 0
  var vlan: UInt16 = 0
  var segmentSize: UInt16 = 0

  static let size = 32
  static let unseen: UInt8 = 8
}

// Safety: both mappings are made by init and stay until deinit; places are below `bytes`, which is a power of two.
@safe
struct CaptureRing: ~Copyable {
  /// Bytes before the records: how far they are written, and how many packets were lost.
  static let head = 4096

  let records: File
  let reader: File
  let bytes: Int
  private let base: UnsafeMutableRawPointer
  private let read: UnsafeMutableRawPointer
  /// Where the next record begins; the client knows of those before the last publish().
  var position: UInt64 = 0
  /// Where the last record begins: behind the ring's end, if that was skipped.
  private(set) var recordStart: UInt64 = 0

  init(bytes: Int) throws(Failure) {
    let records = try CaptureRing.file(CaptureRing.head + bytes)
    let reader = try CaptureRing.file(CaptureRing.head)
    guard let base = unsafe CaptureRing.map(records, CaptureRing.head + bytes) else {
      throw Failure(ENOMEM, "no memory for a capture of ").number(bytes).text(" bytes")
    }
    guard let read = unsafe CaptureRing.map(reader, CaptureRing.head) else {
      unsafe _ = sys_unmap(base, CaptureRing.head + bytes)
      throw Failure(ENOMEM, "no memory for a capture")
    }
    // From here on nobody maps the records to write them. A kernel before 5.1 has no such seal.
    _ = sys_seal_future_writes(records.number)
    _ = sys_seal(records.number)
    _ = sys_seal(reader.number)
    self.records = records
    self.reader = reader
    self.bytes = bytes
    unsafe self.base = base
    unsafe self.read = read
  }

  deinit {
    unsafe _ = sys_unmap(base, CaptureRing.head + bytes)
    unsafe _ = sys_unmap(read, CaptureRing.head)
  }

  /// A memfd that has all of its memory.
  // Safety: the name is a C string.
  private static func file(_ bytes: Int) throws(Failure) -> File {
    func reason(_ code: Int32) -> Failure { Failure(code, "memory for a capture: ").reason(code) }
    // MFD_CLOEXEC and MFD_ALLOW_SEALING
    let file = File(owning: try check(unsafe sys_memfd("vionet-capture", 3), reason))
    _ = try check(sys_ftruncate(file.number, Int64(bytes)), reason)
    if !MemoryRoom().holds(bytes) { throw reason(ENOMEM) }
    _ = try check(sys_allocate(file.number, 0, Int64(bytes)), reason)
    return file
  }

  private static func map(_ file: borrowing File, _ bytes: Int) -> UnsafeMutableRawPointer? {
    unsafe sys_map(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.number, 0)
  }
}

extension CaptureRing {
  /// Writes a record with room for its packet. Returns where the packet's bytes go, or nil if the ring is full.
  // Safety: as for the struct; `size` bytes are free at the place.
  mutating func add(_ record: CaptureRecord) -> UnsafeMutableRawPointer? {
    var record = record
    let size = (CaptureRecord.size + Int(record.captured) + 7) & ~7
    // The client's own number: any value gives a place inside the ring, and a wrong one harms the client.
    let used = unsafe position &- shared_load64_acquire(read)
    if used > UInt64(bytes) { return nil }  // tested by abi-capture
    var free = bytes - Int(used)
    let end = bytes - Int(position & UInt64(bytes - 1))
    if size > end {
      if end + size > free { return nil }
      unsafe place.storeBytes(of: UInt32(end), as: UInt32.self)
      unsafe place.storeBytes(of: UInt32.max, toByteOffset: 4, as: UInt32.self)
      position &+= UInt64(end)
      free -= end
    }
    if size > free { return nil }
    record.bytes = UInt32(size)
    recordStart = position
    let start = unsafe place
    unsafe start.storeBytes(of: record, as: CaptureRecord.self)
    position &+= UInt64(size)
    return unsafe start + CaptureRecord.size
  }

  // Safety: as for the struct.
  private var place: UnsafeMutableRawPointer {
    unsafe base + CaptureRing.head + Int(position & UInt64(bytes - 1))
  }

  /// Completes the record at that position, `recordStart` behind add(), with the reason of its drop.
  // Safety: as for the struct; a whole record was written there.
  func setReason(_ reason: UInt8, at position: UInt64) {
    let record = unsafe base + CaptureRing.head + Int(position & UInt64(bytes - 1))
    unsafe record.storeBytes(of: reason, toByteOffset: 25, as: UInt8.self)
  }

  /// Shows the client all that was written.
  // Safety: as for the struct.
  func publish(lost: UInt64) {
    unsafe shared_store64(base + 8, lost)
    unsafe shared_store64_release(base, position)
  }
}
