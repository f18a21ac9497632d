// SPDX-License-Identifier: BSD-2-Clause
//
// Views of packets and headers for tests.

import CLinux
import CVionet
import Linux
import Virtio

@testable import VioNet

/// A virtio-net header as both sides have it on the wire (virtio 1.4, 5.1.9).
struct HeaderBytes: Equatable {
  var flags: UInt8 = 0
  var type: UInt8 = 0
  var headerLength: UInt16 = 0
  var segmentSize: UInt16 = 0
  var checksumStart: UInt16 = 0
  var checksumOffset: UInt16 = 0
  var buffers: UInt16 = 1
  var hash: UInt32 = 0
  var report: UInt16 = 0
  var padding: UInt16 = 0
  var tunnel = TunnelOffsets()

  init(
    flags: UInt8 = 0, type: UInt8 = 0, headerLength: UInt16 = 0, segmentSize: UInt16 = 0, checksumStart: UInt16 = 0,
    checksumOffset: UInt16 = 0, buffers: UInt16 = 1
  ) {
    self.flags = flags
    self.type = type
    self.headerLength = headerLength
    self.segmentSize = segmentSize
    self.checksumStart = checksumStart
    self.checksumOffset = checksumOffset
    self.buffers = buffers
  }

  /// Its first 10, 12, 20 or 24 bytes.
  func bytes(_ size: UInt32) -> [UInt8] {
    var bytes = [flags, type]
    for field in [headerLength, segmentSize, checksumStart, checksumOffset, buffers] { bytes.append(little: field) }
    bytes.append(little: UInt16(truncatingIfNeeded: hash))
    bytes.append(little: UInt16(truncatingIfNeeded: hash >> 16))
    bytes.append(little: report)
    bytes.append(little: padding)
    bytes.append(little: tunnel.outerTransport)
    bytes.append(little: tunnel.innerNetwork)
    return Array(bytes.prefix(Int(size)))
  }
}

extension [UInt8] {
  mutating func append(little field: UInt16) {
    append(UInt8(truncatingIfNeeded: field))
    append(UInt8(truncatingIfNeeded: field >> 8))
  }

  mutating func append(big field: UInt16) {
    append(UInt8(truncatingIfNeeded: field >> 8))
    append(UInt8(truncatingIfNeeded: field))
  }

  /// A frame whose bytes follow from `first`, as RingBench makes them.
  static func counting(_ length: Int, from first: UInt8 = 0) -> [UInt8] {
    (0..<length).map { first &+ UInt8(truncatingIfNeeded: $0) }
  }
}

extension Packet {
  /// The data of all segments.
  var bytes: [UInt8] {
    var bytes: [UInt8] = []
    var segment: Packet? = self
    while let packet = segment {
      for place in 0..<Int(packet.length) {
        bytes.append(unsafe packet.pointer.pointee.data.load(fromByteOffset: place, as: UInt8.self))
      }
      segment = packet.next
    }
    return bytes
  }

  /// Lengths of the segments.
  var lengths: [UInt32] {
    var lengths: [UInt32] = []
    var segment: Packet? = self
    while let packet = segment {
      lengths.append(packet.length)
      segment = packet.next
    }
    return lengths
  }

  /// Puts other data into a packet of one segment.
  func fill(_ bytes: [UInt8]) {
    for (place, byte) in bytes.enumerated() {
      unsafe pointer.pointee.data.storeBytes(of: byte, toByteOffset: place, as: UInt8.self)
    }
    unsafe pointer.pointee.length = UInt32(bytes.count)
    unsafe pointer.pointee.total_length = UInt32(bytes.count)
  }

  /// The byte that many places before the data.
  func before(_ distance: Int) -> UInt8 { unsafe (pointer.pointee.data - distance).load(as: UInt8.self) }
  func setBefore(_ distance: Int, _ byte: UInt8) {
    unsafe (pointer.pointee.data - distance).storeBytes(of: byte, as: UInt8.self)
  }

  var vlan: UInt16 { unsafe pointer.pointee.vlan }
  var hash: UInt32 { unsafe pointer.pointee.hash }
  var port: UInt16 { unsafe pointer.pointee.port }

  func set(_ change: (inout vionet_packet) -> Void) { unsafe change(&pointer.pointee) }
}
