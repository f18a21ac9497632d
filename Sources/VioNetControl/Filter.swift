// SPDX-License-Identifier: BSD-2-Clause
//
// A classic BSD packet filter, as libpcap's pcap_compile() writes it: checked once, then run for each packet. A client sent
// it, so nothing is believed: a program that passes the check ends, and touches its 16 words and the packet alone.

import CLinux
import Linux

/// An instruction, in the kernel's layout.
struct FilterInstruction {
  var code: UInt16
  var ifTrue: UInt8
  var ifFalse: UInt8
  var value: UInt32
}

struct Filter: ~Copyable {
  /// The kernel's limit.
  static let limit = 4096
  /// Words that a program may use.
  private static let words: UInt32 = 16

  private var instructions: Table<FilterInstruction>?
  private(set) var count = 0

  deinit { instructions?.destroy() }

  var isEmpty: Bool { count == 0 }

  /// Adds instructions of 16 hexadecimal digits each: code, the two jumps, the value. False if the text is none, there are
  /// too many, or there is no memory.
  mutating func add(_ text: Text) -> Bool {
    let more = text.count / 16
    if text.isEmpty || text.count % 16 != 0 || count + more > Filter.limit { return false }
    if !Table.reserve(more, behind: count, in: &instructions) { return false }
    guard let instructions else { return false }
    for place in 0..<more {
      guard let word = text.slice(16 * place, 16 * place + 16).hexNumber else { return false }
      instructions[count + place] = FilterInstruction(
        code: UInt16(truncatingIfNeeded: word >> 48), ifTrue: UInt8(truncatingIfNeeded: word >> 40),
        ifFalse: UInt8(truncatingIfNeeded: word >> 32), value: UInt32(truncatingIfNeeded: word))
    }
    count += more
    return true
  }
}

// MARK: The check

extension Filter {
  /// True if the program may be run: known instructions, jumps forward and inside, an end that returns, no division by a
  /// zero and no shift by 32 or more that stand in it. An empty one takes every packet.
  var isValid: Bool {
    guard let instructions, count != 0 else { return count == 0 }
    for place in 0..<count where !isValid(instructions[place], behind: count - 1 - place) { return false }
    return instructions[count - 1].code & 7 == 6
  }

  private func isValid(_ instruction: FilterInstruction, behind: Int) -> Bool {
    let value = instruction.value
    switch instruction.code {
    case 0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x80, 0x00: return true  // ld: absolute, indirect, length, value
    case 0x81, 0x01, 0xb1: return true  // ldx: length, value, length of an IPv4 header
    case 0x60, 0x61, 0x02, 0x03: return value < Filter.words  // ld, ldx, st, stx: a word
    case 0x04, 0x14, 0x24, 0x44, 0x54, 0xa4, 0x84: return true  // alu with a value; neg
    case 0x64, 0x74: return value < 32  // lsh, rsh
    case 0x0c, 0x1c, 0x2c, 0x3c, 0x4c, 0x5c, 0x6c, 0x7c, 0x9c, 0xac: return true  // alu with x
    case 0x34, 0x94: return value != 0  // div, mod
    case 0x05: return Int(value) < behind  // ja
    case 0x15, 0x25, 0x35, 0x45, 0x1d, 0x2d, 0x3d, 0x4d:  // jeq, jgt, jge, jset
      return Int(instruction.ifTrue) < behind && Int(instruction.ifFalse) < behind
    case 0x06, 0x16, 0x07, 0x87: return true  // ret, tax, txa
    default: return false
    }
  }
}

// MARK: Running

/// The bytes that a filter looks at.
// Safety: `start` is the first of `count` bytes that stay while the view is used, and at() compares each place with it.
@safe
struct FilteredBytes {
  private let start: UnsafePointer<UInt8>
  let count: UInt32
  /// Bytes of the packet, of which these are the first.
  let length: UInt32

  init(_ start: UnsafePointer<UInt8>, _ count: UInt32, of length: UInt32) {
    unsafe self.start = start
    self.count = count
    self.length = length
  }

  /// A big-endian number of 1, 2 or 4 bytes; nil if it does not lie in the packet.
  @inline(__always)
  func number(at place: UInt64, bytes: UInt64) -> UInt32? {
    if place + bytes > UInt64(count) { return nil }
    var value: UInt32 = 0
    for each in place..<place + bytes { value = value << 8 | UInt32(unsafe start[Int(each)]) }
    return value
  }
}

private struct FilterState {
  var a: UInt32 = 0
  var x: UInt32 = 0
  var words = InlineArray<16, UInt32>(repeating: 0)

  /// Nil for a division by zero.
  mutating func calculate(_ code: UInt16, _ value: UInt32) -> Bool {
    switch code & 0xf0 {
    case 0x00: a &+= value
    case 0x10: a &-= value
    case 0x20: a &*= value
    case 0x30 where value != 0: a /= value
    case 0x40: a |= value
    case 0x50: a &= value
    case 0x60: a = value < 32 ? a &<< value : 0
    case 0x70: a = value < 32 ? a &>> value : 0
    case 0x80: a = 0 &- a
    case 0x90 where value != 0: a %= value
    case 0xa0: a ^= value
    default: return false
    }
    return true
  }

  func compares(_ code: UInt16, _ value: UInt32) -> Bool {
    switch code & 0xf0 {
    case 0x10: a == value
    case 0x20: a > value
    case 0x30: a >= value
    default: a & value != 0
    }
  }
}

extension Filter {
  /// Bytes of the packet that are wanted, 0 for none. The program was checked.
  func run(_ bytes: FilteredBytes) -> UInt32 {
    guard let instructions, count != 0 else { return UInt32.max }
    var state = FilterState()
    var place = 0
    while place < count {
      let instruction = instructions[place]
      place += 1
      let operand = instruction.code & 8 != 0 ? state.x : instruction.value
      switch instruction.code & 7 {
      case 0:
        guard let value = Filter.load(instruction, state, bytes) else { return 0 }
        state.a = value
      case 1:
        guard let value = Filter.load(instruction, state, bytes) else { return 0 }
        state.x = value
      case 2: state.words[Int(instruction.value & 15)] = state.a
      case 3: state.words[Int(instruction.value & 15)] = state.x
      case 4: if !state.calculate(instruction.code, operand) { return 0 }
      case 5 where instruction.code == 0x05: place += Int(instruction.value)
      case 5: place += Int(state.compares(instruction.code, operand) ? instruction.ifTrue : instruction.ifFalse)
      case 6: return instruction.code == 0x16 ? state.a : instruction.value
      default: if instruction.code == 0x07 { state.x = state.a } else { state.a = state.x }
      }
    }
    return 0
  }

  /// What an instruction loads; nil if it lies outside of the packet, which is then not wanted.
  private static func load(
    _ instruction: FilterInstruction, _ state: FilterState, _ bytes: FilteredBytes
  ) -> UInt32? {
    let size: UInt64 = instruction.code & 0x18 == 0x10 ? 1 : instruction.code & 0x18 == 0x08 ? 2 : 4
    switch instruction.code & 0xe0 {
    case 0x20: return bytes.number(at: UInt64(instruction.value), bytes: size)
    case 0x40: return bytes.number(at: UInt64(instruction.value) + UInt64(state.x), bytes: size)
    case 0x60: return state.words[Int(instruction.value & 15)]
    case 0x80: return bytes.length
    case 0xa0: return bytes.number(at: UInt64(instruction.value), bytes: 1).map { ($0 & 15) << 2 }
    default: return instruction.value
    }
  }
}
