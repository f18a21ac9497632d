// SPDX-License-Identifier: BSD-2-Clause
//
// Byte offsets of the fields of struct vionet_packet, for stores that write several fields at once. vionet.h asserts
// the same numbers at compile time, and a unit test compares them with the imported struct.

extension Packet {
  enum Offset {
    static let data = 0
    static let next = 8
    static let length = 16
    static let totalLength = 20
    static let flags = 24
    static let hash = 28
    static let port = 32
    static let segments = 34
    static let references = 36
    static let pool = 38
    static let owner = 39
    /// header_length, segment_size, checksum_start and checksum_offset, as in a virtio-net header.
    static let offloads = 40
    static let reserved = 48
    static let size = 56
    static let vlan = 60
    static let headroom = 62
  }
}
