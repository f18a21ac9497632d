// SPDX-License-Identifier: BSD-2-Clause
//
// Configuration spaces for tests: a valid one to start from, random flaws as devices and attackers have them, and a
// second walk, written independently of the driver's, that says what a walk must find.

import CLinux
import Linux

@testable import VioNet

/// 256 bytes and the lengths of the six BARs.
struct MadeSpace: CustomStringConvertible {
  var bytes = [UInt8](repeating: 0, count: 256)
  var bars = [UInt64](repeating: 0, count: 6)

  /// Offsets of the capabilities in `valid`.
  static let places = (msix: 0x98, common: 0x40, status: 0x50, device: 0x60, notify: 0x70, window: 0x84)

  /// A valid space, laid out as by QEMU: MSI-X, then the five capabilities of virtio, in BAR 4.
  static var valid: MadeSpace {
    var space = MadeSpace()
    space.put16(0x00, 0x1af4)
    space.put16(0x02, 0x1041)
    space.put16(0x06, 0x0010)
    space.bars[1] = 0x1000
    space.bars[4] = 0x4000
    space.bytes[0x34] = UInt8(places.msix)
    space.bytes[places.msix] = 0x11
    space.bytes[places.msix + 1] = UInt8(places.window)
    space.put16(places.msix + 2, 0x8003)
    space.put32(places.msix + 4, 1)
    space.put32(places.msix + 8, 0x801)
    space.virtio(places.window, kind: 5, next: places.notify, bar: 0, offset: 0, length: 0, size: 20)
    space.virtio(places.notify, kind: 2, next: places.device, bar: 4, offset: 0x3000, length: 0x1000, size: 20)
    space.put32(places.notify + 16, 4)
    space.virtio(places.device, kind: 4, next: places.status, bar: 4, offset: 0x2000, length: 0x1000)
    space.virtio(places.status, kind: 3, next: places.common, bar: 4, offset: 0x1000, length: 0x1000)
    space.virtio(places.common, kind: 1, next: 0, bar: 4, offset: 0, length: 0x1000)
    return space
  }

  mutating func virtio(
    _ at: Int, kind: UInt8, next: Int, bar: UInt8, offset: UInt32, length: UInt32, size: UInt8 = 16
  ) {
    for (place, byte) in [0x09, UInt8(next), size, kind, bar].enumerated() { bytes[at + place] = byte }
    put32(at + 8, offset)
    put32(at + 12, length)
  }

  func get16(_ at: Int) -> UInt16 { UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8 }
  func get32(_ at: Int) -> UInt32 { UInt32(get16(at)) | UInt32(get16(at + 2)) << 16 }
  mutating func put16(_ at: Int, _ value: UInt16) {
    bytes[at] = UInt8(truncatingIfNeeded: value)
    bytes[at + 1] = UInt8(truncatingIfNeeded: value >> 8)
  }
  mutating func put32(_ at: Int, _ value: UInt32) {
    put16(at, UInt16(truncatingIfNeeded: value))
    put16(at + 2, UInt16(truncatingIfNeeded: value >> 16))
  }

  var description: String {
    func hex(_ number: some BinaryInteger, _ width: Int) -> String {
      let digits = String(number, radix: 16)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    return bytes.map { hex($0, 2) }.joined() + ", BARs of " + bars.map { hex($0, 1) }.joined(separator: " ")
  }

  /// The space as the driver reads it.
  func asRead() throws(Failure) -> ConfigurationSpace {
    try unsafe ConfigurationSpace { room, count in
      for place in 0..<min(count, bytes.count) {
        unsafe room.storeBytes(of: bytes[place], toByteOffset: place, as: UInt8.self)
      }
      return true
    }
  }
}

/// What a walk must find in a space: the first usable structure of each kind. Remembers where it was.
struct ReferenceWalk {
  var blocks: [UInt8: RegisterBlock] = [:]
  var multiplier: UInt32 = 0
  var vectors: UInt32 = 0
  private static let least: [UInt8: (bytes: UInt64, unit: UInt64, size: Int)] = [
    1: (56, 4, 16), 2: (2, 2, 20), 3: (1, 1, 16), 4: (6, 4, 16),
  ]

  init(_ space: MadeSpace) {
    var seen: Set<Int> = []
    var at = space.bytes[0x06] & 0x10 != 0 ? Int(space.bytes[0x34]) / 4 * 4 : 0
    while at >= 0x40, seen.insert(at).inserted {
      if space.bytes[at] == 0x11 && at <= 256 - 12 && vectors == 0 { vectors = UInt32(space.get16(at + 2) % 2048) + 1 }
      if space.bytes[at] == 0x09 { look(space, at) }
      at = Int(space.bytes[at + 1]) / 4 * 4
    }
  }

  private mutating func look(_ space: MadeSpace, _ at: Int) {
    guard at + 3 < 256, let need = ReferenceWalk.least[space.bytes[at + 3]] else { return }
    let kind = space.bytes[at + 3]
    let size = Int(space.bytes[at + 2])
    guard size >= need.size, at + size <= 256, blocks[kind] == nil, space.bytes[at + 4] < 6 else { return }
    let (bar, offset, length) = (Int(space.bytes[at + 4]), UInt64(space.get32(at + 8)), UInt64(space.get32(at + 12)))
    // The sum of two 32-bit numbers cannot overflow 64.
    guard length >= need.bytes, offset % need.unit == 0, offset + length <= space.bars[bar] else { return }
    blocks[kind] = RegisterBlock(bar: bar, offset: UInt32(offset), length: UInt32(length))
    if kind == 2 { multiplier = space.get32(at + 16) }
  }

  var missing: String? {
    let names = ["COMMON_CFG", "NOTIFY_CFG", "ISR_CFG", "DEVICE_CFG"]
    return (0..<4).first { blocks[UInt8($0) + 1] == nil }.map { names[$0] }
  }
}

/// Numbers that follow from a seed (SplitMix64).
struct Chance: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }

  mutating func below(_ limit: Int) -> Int { Int(next() >> 33) % limit }
  mutating func of<Element>(_ list: [Element]) -> Element { list[below(list.count)] }
}

extension MadeSpace {
  private static let sizes: [UInt8] = [0, 1, 2, 3, 15, 16, 17, 19, 20, 24, 64, 128, 255]
  private static let numbers: [UInt32] = [
    0, 1, 2, 3, 4, 5, 6, 55, 56, 57, 0xff, 0x1000, 0x3ffe, 0x3fff, 0x4000, 0x7fff_ffff, 0x8000_0000, 0xffff_f000,
    0xffff_fffc, 0xffff_fffe, 0xffff_ffff,
  ]
  private static let lengths: [UInt64] = [
    0, 1, 2, 55, 56, 0x1000, 0x3fff, 0x4000, 0x10000, 1 << 31, 1 << 32, (1 << 32) - 1, 1 << 33, 1 << 63, .max,
  ]

  /// A valid space with up to eight flaws, or random bytes.
  static func spoiled(_ chance: inout Chance) -> MadeSpace {
    var space = MadeSpace.valid
    switch chance.below(64) {
    case 0: space.bytes = [UInt8](repeating: 0xff, count: 256)
    case 1: space.bytes = [UInt8](repeating: 0, count: 256)
    case 2: for at in 0..<256 { space.bytes[at] = UInt8(truncatingIfNeeded: chance.next()) }
    default: break
    }
    for _ in 0..<chance.below(9) { space.spoil(&chance) }
    return space
  }

  private mutating func spoil(_ chance: inout Chance) {
    // Mostly inside a capability, sometimes one of its own at any place, the very end included.
    let made = [0x40, 0x50, 0x60, 0x70, 0x84, 0x98]
    let at = chance.below(4) == 0 ? 0x40 + chance.below(48) * 4 : chance.of(made)
    let kind = UInt8(chance.below(7))
    switch chance.below(15) {
    case 0: bytes[at + 1] = UInt8(truncatingIfNeeded: chance.next())
    case 1: bytes[at + 1] = UInt8(chance.of(made + [at, 0, 0x3c, 0x3f, 0x41, 0x9b, 0xfc, 0xff]))
    case 2: bytes[at + 2] = chance.of(MadeSpace.sizes)
    case 3: bytes[at + 3] = kind
    case 4: bytes[min(at + 4, 255)] = UInt8(chance.below(3) == 0 ? chance.below(256) : chance.below(8))
    case 5, 6: if at + 12 <= 256 { put32(at + 8, chance.of(MadeSpace.numbers)) }
    case 7, 8: if at + 16 <= 256 { put32(at + 12, chance.of(MadeSpace.numbers)) }
    case 9: if at + 20 <= 256 { put32(at + 16, chance.of(MadeSpace.numbers)) }
    case 10: bars[chance.below(6)] = chance.of(MadeSpace.lengths)
    case 11: bytes[chance.below(256)] ^= UInt8(1) << UInt8(chance.below(8))
    case 12: bytes[0x34] = UInt8(chance.of(made + [0, at, 0x3f, 0xfc, 0xff]))
    case 13:
      bytes[at] = 0x11
      put16(at + 2, UInt16(truncatingIfNeeded: chance.next()))
    default:
      let next = chance.of(made + [at, 0, 0xfc])
      if at + 20 <= 256 {
        virtio(
          at, kind: kind, next: next, bar: UInt8(chance.below(7)), offset: UInt32(chance.below(0x4100)),
          length: chance.of(MadeSpace.numbers), size: chance.of(MadeSpace.sizes))
      }
    }
  }
}
