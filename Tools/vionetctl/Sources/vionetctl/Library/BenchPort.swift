// SPDX-License-Identifier: BSD-2-Clause
//
// A started port whose rates are measured, with a pool of its own, and bursts on its first queue.

import CVionet
import Glibc

// Safety: both arrays have `burst` entries until deinit; the packets from `sent` to `made` are this port's.
@safe
final class BenchPort {
  typealias Packet = UnsafeMutablePointer<vionet_packet>

  let address: String
  let information: PortInformation
  private let port: UInt16
  private let pool: UInt16
  let burst: Int
  private let length: Int
  private let frame: [UInt8]
  private let packets: UnsafeMutablePointer<Packet?>
  private let arrived: UnsafeMutablePointer<Packet?>
  /// Packets of the array from `sent` to `made` wait to be sent.
  private var sent = 0
  private var made = 0

  static let lengths = 64...9000

  init(_ address: String, burst: Int, length: Int) throws {
    var settings = unsafe vionet_pool_config()
    unsafe settings.size = MemoryLayout<vionet_pool_config>.size
    unsafe settings.data_size = UInt32(max(length, 1984))
    unsafe settings.memory_fd = -1
    var pool: UInt16 = 0
    var port: UInt16 = 0
    try Library.check(unsafe vionet_pool_create(&settings, &pool))
    do {
      information = try BenchPort.open(address, pool, &port)
    } catch {
      vionet_pool_destroy(pool)
      throw error
    }
    self.address = address
    self.port = port
    self.pool = pool
    self.burst = burst
    self.length = length
    frame = BenchPort.frame(from: information.mac, length: length)
    unsafe packets = UnsafeMutablePointer<Packet?>.allocate(capacity: burst)
    unsafe packets.initialize(repeating: nil, count: burst)
    unsafe arrived = UnsafeMutablePointer<Packet?>.allocate(capacity: burst)
    unsafe arrived.initialize(repeating: nil, count: burst)
  }

  deinit {
    dropUnsent()
    vionet_close(port)
    vionet_pool_destroy(pool)
    unsafe packets.deallocate()
    unsafe arrived.deallocate()
  }

  private static func open(_ address: String, _ pool: UInt16, _ port: inout UInt16) throws -> PortInformation {
    var config = vionet_config()
    config.size = MemoryLayout<vionet_config>.size
    config.pool = pool
    let result = try Library.check(unsafe vionet_open_config(address, &config, &port))
    if result == VIONET_SKIPPED { throw Library.sentence }
    do { return try Port.information(port) } catch {
      vionet_close(port)
      throw error
    }
  }

  /// A UDP datagram between addresses that are set aside for measuring (RFC 2544), without a UDP checksum.
  private static func frame(from mac: String?, length: Int) -> [UInt8] {
    let source = (mac ?? "").split(separator: ":").compactMap { UInt8($0, radix: 16) }
    var frame = [UInt8](repeating: 0, count: length)
    let ethernet: [UInt8] = [2, 0, 0, 0, 0, 2] + (source.count == 6 ? source : [2, 0, 0, 0, 0, 1]) + [8, 0]
    let (packet, datagram) = (length - 14, length - 34)
    var header: [UInt8] = [0x45, 0, UInt8(packet >> 8), UInt8(packet & 255), 0, 0, 0x40, 0, 64, 17, 0, 0]
    header += [198, 18, 0, 1, 198, 18, 0, 2]
    var sum = stride(from: 0, to: 20, by: 2).reduce(0) { $0 + Int(header[$1]) << 8 + Int(header[$1 + 1]) }
    sum = (sum & 0xffff) + sum >> 16
    (header[10], header[11]) = (UInt8(~sum >> 8 & 255), UInt8(~sum & 255))
    let udp: [UInt8] = [4, 0, 0, 9, UInt8(datagram >> 8), UInt8(datagram & 255), 0, 0]
    for (place, byte) in (ethernet + header + udp).enumerated() { frame[place] = byte }
    return frame
  }
}

// MARK: Bursts

extension BenchPort {
  /// Takes what came, at most `most` packets, and frees it. Returns how many there were.
  func receive(_ most: Int) -> Int {
    let count = unsafe vionet_rx_burst(port, 0, arrived, UInt16(min(burst, most)))
    unsafe vionet_packet_free_bulk(arrived, count)
    return Int(count)
  }

  /// Sends a burst, at most `most` new packets. What the ring has no room for is offered again by the next call. Returns how
  /// many were taken.
  func transmit(_ most: Int) -> Int {
    if sent == made { make(min(burst, most)) }
    // Also with nothing to send: that is when sent packets come back to the pool.
    let count = Int(unsafe vionet_tx_burst(port, 0, packets + sent, UInt16(made - sent)))
    sent += count
    return count
  }

  private func make(_ count: Int) {
    sent = 0
    made = count == 0 ? 0 : Int(unsafe vionet_packet_alloc_bulk(pool, packets, UInt16(count)))
    for place in 0..<made {
      guard let packet = unsafe packets[place], let room = unsafe vionet_packet_append(packet, UInt32(length)) else {
        continue
      }
      unsafe frame.withUnsafeBytes { bytes in
        if let start = bytes.baseAddress { unsafe room.copyMemory(from: start, byteCount: bytes.count) }
      }
    }
  }

  /// Packets that were made and not sent go back to the pool.
  func dropUnsent() {
    unsafe vionet_packet_free_bulk(packets + sent, UInt16(made - sent))
    sent = made
  }

  /// Packets that were made and wait to be sent.
  var unsent: Int { made - sent }

  /// Takes sent packets back from the device. Returns how many descriptors they had.
  func takeBack() -> Int { Int(vionet_tx_done(port, 0)) }
}

// MARK: Sleeping

extension BenchPort {
  private static let nap: Int32 = 10

  func waitForPackets() { _ = vionet_rx_wait(port, 0, BenchPort.nap) }
  func waitForRoom() { _ = vionet_tx_wait(port, 0, BenchPort.nap) }
}

// MARK: Counters

struct QueueCounts {
  let packets: UInt64
  let bytes: UInt64
  /// By reason (enum vionet_drop).
  let drops: [UInt64]
  let ringFull: UInt64
  let kicks: UInt64

  init(_ stats: vionet_queue_stats) {
    packets = stats.packets
    bytes = stats.bytes
    drops = unsafe withUnsafeBytes(of: stats.dropped) { bytes in unsafe Array(bytes.bindMemory(to: UInt64.self)) }
    ringFull = stats.ring_full
    kicks = stats.kicks
  }

  /// What was dropped since then, by names that begin with the direction.
  func drops(since before: QueueCounts, _ way: String) -> [String: UInt64] {
    var found: [String: UInt64] = [:]
    for (reason, count) in drops.enumerated() where count != before.drops[reason] {
      let name = unsafe vionet_drop_name(UInt32(reason)).map { unsafe String(cString: $0) }
      found["\(way)_\(name ?? "\(reason)")"] = count &- before.drops[reason]
    }
    return found
  }
}

extension BenchPort {
  /// The counters of both directions; fails if the device is gone.
  func counts() throws -> (receive: QueueCounts, transmit: QueueCounts) {
    var stats = vionet_stats()
    stats.size = MemoryLayout<vionet_stats>.size
    try Library.check(unsafe vionet_stats(port, &stats))
    return (QueueCounts(stats.rx), QueueCounts(stats.tx))
  }

  /// Fails if the port cannot go on.
  func check() throws {
    var info = vionet_info()
    info.size = MemoryLayout<vionet_info>.size
    try Library.check(unsafe vionet_info(port, &info))
    if info.state != VIONET_STATE_STARTED.rawValue {
      throw Sentence("\(information.device): the device is gone or broke the rules")
    }
  }

  /// The extended counter of that name; nil if there is none.
  func counter(_ name: String) -> UInt64? {
    let id = unsafe vionet_xstat_id(port, name)
    if id < 0 { return nil }
    var values = [UInt64](repeating: 0, count: Int(id) + 1)
    return unsafe vionet_xstats(port, &values, UInt32(values.count)) < 0 ? nil : values[Int(id)]
  }
}
