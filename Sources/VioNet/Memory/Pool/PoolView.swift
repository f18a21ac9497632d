// SPDX-License-Identifier: BSD-2-Clause
//
// A pool as bursts see it: which packets are its own, where their buffers are, what must be true of a packet that is
// sent. Everything follows from a packet's place in the pool's table. What the packet's fields say is compared with
// that.

import CLinux
import CVionet
import Linux

/// Which addresses devices are given: our own, known at compile time, or perhaps those of a table.
protocol Addresses {
  static var areOwn: Bool { get }
}
enum OwnAddresses: Addresses {
  @inline(__always) static var areOwn: Bool { true }
}
enum TableAddresses: Addresses {
  @inline(__always) static var areOwn: Bool { false }
}

/// What a burst needs of a pool, in registers.
// Safety: the table of physical addresses has as many entries as the pool has packets, and `place` of a packet of the
// pool is below that. No pointer is followed before it was compared.
@safe
struct PoolView {
  private let packets: UInt
  private let packetCount: UInt
  /// Where the buffer of a packet at address 0 would be.
  private let origin: UInt
  /// Cache lines of a buffer, which are as many bytes for each byte of a packet struct: that has one line.
  private let lines: UInt
  private let stride: UInt32
  let number: UInt16
  /// Address of the pool's table of physical addresses; 0 where devices are given our own.
  private let physical: UInt

  @inline(__always)
  init(_ pool: borrowing PacketPool) {
    packets = pool.packetBase
    packetCount = UInt(truncatingIfNeeded: pool.packetCount)
    lines = UInt(truncatingIfNeeded: pool.stride / Packet.byteCount)
    origin = pool.memoryBase &- packets &* lines
    stride = UInt32(truncatingIfNeeded: pool.stride)
    number = pool.number
    physical = pool.physicalTable
  }

  @inline(__always)
  init(_ pool: Cell<PacketPool>) { self.init(pool.value) }

  /// Place in the pool's table of a packet at that address; packetCount or more if there is none. The rotation makes an
  /// address between two packets a large number, so that one comparison finds that too.
  @inline(__always)
  private func place(_ address: UInt) -> UInt {
    let offset = address &- packets
    return offset >> 6 | offset << 58
  }

  /// Address of a packet's own buffer, whatever its fields say.
  @inline(__always)
  func buffer(_ packet: Packet) -> UInt { origin &+ packet.address &* lines }

  /// Address for devices of a packet's own buffer, headroom included.
  @inline(__always)
  func deviceBuffer<A: Addresses>(_ packet: Packet, _: A.Type) -> UInt64 {
    if A.areOwn || physical == 0 { return UInt64(buffer(packet)) }
    let table = unsafe UnsafePointer<UInt64>(bitPattern: physical).unsafelyUnwrapped
    return unsafe table[Int(truncatingIfNeeded: place(packet.address))]
  }

  @inline(__always)
  func deviceBuffer(_ packet: Packet) -> UInt64 { deviceBuffer(packet, TableAddresses.self) }

  /// Address of the packet's data for devices. The packet was checked by covers() or holds().
  @inline(__always)
  func deviceAddress(_ packet: Packet) -> UInt64 {
    if physical == 0 { return UInt64(packet.dataAddress) }
    return deviceBuffer(packet, TableAddresses.self) &+ UInt64(packet.dataAddress &- buffer(packet))
  }

  /// True for a packet of this pool, whatever its fields say. Nothing is read through the pointer.
  @inline(__always)
  func contains(_ packet: Packet) -> Bool { place(packet.address) < packetCount }

  /// The packet at an address, if there is one of this pool.
  @inline(__always)
  func packet(at address: UInt) -> Packet? {
    // A pool never begins at address 0.
    place(address) < packetCount ? Packet.known(address) : nil
  }

  /// True if the data, and `header` bytes before it, lie inside the packet's own buffer, whatever its headroom says.
  @inline(__always)
  func covers(_ packet: Packet, header: UInt32) -> Bool {
    let length = packet.length
    if length > stride &- header { return false }
    // The subtraction is unsigned: data before the buffer becomes a large number.
    let start = packet.dataAddress &- UInt(header) &- buffer(packet)
    return start <= UInt(stride &- header &- length)
  }

  /// Bytes before the data of a packet that covers() accepts.
  func headroom(_ packet: Packet) -> UInt16 { UInt16(clamping: packet.dataAddress &- buffer(packet)) }

  /// True if devices are given our own addresses.
  @inline(__always) var isOwn: Bool { physical == 0 }

  /// True if the data and the longest header before it lie inside the buffer of a packet of this pool. `length` is at
  /// most mostData.
  @inline(__always)
  func holds(_ packet: Packet, _ length: UInt32) -> Bool {
    // The subtraction is unsigned: data before the buffer becomes a large number.
    let start = packet.dataAddress &- (origin &+ UInt(Packet.longestHeader)) &- packet.address &* lines
    return start <= UInt(stride &- Packet.longestHeader) &- UInt(length)
  }

  /// Bytes of data that fit into a buffer behind the headroom that a packet has when it is taken.
  @inline(__always) var usualData: UInt32 { stride &- UInt32(VIONET_HEADROOM) }

  /// Most bytes of data that fit into a buffer behind the longest header.
  @inline(__always) var mostData: UInt32 { stride &- Packet.longestHeader }

  // MARK: Taking and giving

  /// What this pool's packets have in common that a port hands out.
  @inline(__always)
  func common(port: UInt16) -> CommonFields { CommonFields(pool: number, stride: stride, port: port) }

  /// Address of a packet's data when it is taken.
  @inline(__always)
  func data(_ packet: Packet) -> UInt { origin &+ UInt(VIONET_HEADROOM) &+ packet.address &* lines }

  /// Hands a received frame of one segment to the caller.
  @inline(__always)
  func deliver(_ packet: Packet, length: UInt64, flags: UInt32, _ common: CommonFields) {
    let lengths = length &* 0x1_0000_0001  // of the segment, and of all
    packet.begin(data: data(packet), lengths: SIMD2(lengths, UInt64(flags)), common)
  }

  /// Hands a received frame of one segment to the caller; the upper half of `length` is the length, the lower one zero.
  @inline(__always)
  func deliver(_ packet: Packet, upper length: UInt64, flags: UInt32, _ common: CommonFields) {
    packet.begin(data: data(packet), lengths: SIMD2(length | length >> 32, UInt64(flags)), common)
  }

  /// Hands a packet without data to the caller.
  @inline(__always)
  func makeEmpty(_ packet: Packet, _ common: CommonFields) {
    packet.begin(data: data(packet), lengths: .zero, common)
  }
}
