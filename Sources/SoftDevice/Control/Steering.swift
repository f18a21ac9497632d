// SPDX-License-Identifier: BSD-2-Clause
//
// Which packets are hashed and with which key, and with RSS the table that leads from the hash to a receive queue (virtio
// 1.4, 5.1.9.5.6.4 and 5.1.9.5.7). After a reset nothing is hashed, and the device spreads packets as it likes.

import CLinux
import Linux
import Virtio

struct Steering {
  /// rss_max_key_size, rss_max_indirection_table_length and supported_hash_types.
  static let longestKey = 40
  static let longestTable = 512
  static let knownTypes: UInt32 = 0x1ff
  /// Bytes of the longest command: class and number, the fields before the table, the table, those behind it, the key.
  static let commandRoom = 2 + 8 + 2 * longestTable + 3 + longestKey

  private static let tableAt = (4 * Toeplitz.tableEntries + 63) & ~63
  private static let commandAt = tableAt + 2 * longestTable
  static let room = commandAt + (commandRoom + 63) & ~63

  /// What each half of a byte of the input adds to the hash.
  let sums: Table<UInt32>
  /// Receive queues, by number of their pair.
  private let table: Table<UInt16>
  /// The device's own copy of a command, which the driver cannot change any more.
  let command: Bytes
  private(set) var types: UInt32 = 0
  /// The table says where packets go.
  private(set) var isActive = false
  private var mask: UInt32 = 0
  private var unclassified = 0

  init(_ block: borrowing Block, at: Int) {
    sums = block.table(UInt32.self, at: at, count: Toeplitz.tableEntries)
    table = block.table(UInt16.self, at: at + Self.tableAt, count: Self.longestTable)
    command = block.part(at: at + Self.commandAt, count: Self.commandRoom)
  }

  /// Ends all of it, as a reset does.
  mutating func reset() {
    types = 0
    isActive = false
  }

  /// Leaves the choice of queues to the device.
  mutating func end() { isActive = false }

  /// Takes the kinds of packets, and `length` bytes of key that lie at `place` of the command. A short key goes on with
  /// zeroes.
  // Safety: the room has as many bytes as a key that fill() reads.
  mutating func setHash(_ types: UInt32, keyAt place: Int, _ length: Int) {
    self.types = types
    var key = InlineArray<40, UInt8>(repeating: 0)
    for index in 0..<min(length, Self.longestKey) { key[index] = command[place + index] }
    unsafe withUnsafeBytes(of: key) { bytes in
      if let base = bytes.baseAddress { unsafe Toeplitz.fill(sums, base) }
    }
  }

  /// Takes the table of `entries` that lies at `place` of the command.
  mutating func setTable(at place: Int, entries: Int, unclassified: Int) {
    for index in 0..<min(entries, Self.longestTable) {
      table[index] = UInt16(littleEndian: command.load(place + 2 * index, as: UInt16.self))
    }
    mask = UInt32(truncatingIfNeeded: entries - 1)
    self.unclassified = unclassified
    isActive = true
  }

  /// The pair whose receive queue a frame goes to (5.1.9.5.7.3).
  func pair(of frame: Frame, scratch: Bytes) -> Int {
    guard let hash = hash(of: frame, scratch: scratch) else { return unclassified }
    return Int(table[Int(hash.value & mask)])
  }
}

extension Device {
  /// RSS_CONFIG: kinds of packets, table, pairs that send, key.
  mutating func setRSS(_ request: ControlRequest) -> Bool {
    if !session.has(Feature.rss) { return false }  // tested by SteeringTests
    let command = copy(request)
    let entries = Int(UInt16(littleEndian: command.load(6, as: UInt16.self))) + 1
    // tested by SteeringTests
    if entries & (entries - 1) != 0 || entries > Steering.longestTable { return false }
    let end = 10 + 2 * entries
    let pairs = Int(UInt16(littleEndian: command.load(end, as: UInt16.self)))
    let key = Int(command[end + 2])
    if request.count != end + 3 + key || key > Steering.longestKey { return false }  // tested by SteeringTests
    let types = UInt32(littleEndian: command.load(2, as: UInt32.self))
    if types & ~Steering.knownTypes != 0 { return false }  // tested by SteeringTests
    if pairs < 1 || pairs > config.pairs { return false }  // tested by SteeringTests
    for place in 0...entries where !isReceiveQueue(command, 8 + 2 * place) { return false }
    steering.setHash(types, keyAt: end + 3, key)
    let unclassified = Int(UInt16(littleEndian: command.load(8, as: UInt16.self)))
    steering.setTable(at: 10, entries: entries, unclassified: unclassified)
    usePairs(pairs)
    refresh()
    return true
  }

  /// HASH_CONFIG: kinds of packets and key, for reports alone. With RSS its own command says both.
  mutating func setHash(_ request: ControlRequest) -> Bool {
    // tested by SteeringTests
    if !session.has(Feature.hashReport) || steering.isActive { return false }
    let command = copy(request)
    let types = UInt32(littleEndian: command.load(2, as: UInt32.self))
    // The reserved words must be zero (5.1.9.5.6.4).
    // tested by SteeringTests
    if types & ~Steering.knownTypes != 0 || command.load(6, as: UInt64.self) != 0 { return false }
    let key = Int(command[14])
    if request.count != 15 + key || key > Steering.longestKey { return false }  // tested by SteeringTests
    steering.setHash(types, keyAt: 15, key)
    refresh()
    return true
  }

  /// A command as it is now, cut to the longest there can be, with zeroes behind its end.
  private func copy(_ request: ControlRequest) -> Bytes {
    steering.command.clear()
    request.frame.copy(to: steering.command)
    return steering.command
  }

  /// Whether a receive queue that runs is named there; the upper bit is reserved and zero.
  private func isReceiveQueue(_ command: Bytes, _ place: Int) -> Bool {
    let pair = Int(UInt16(littleEndian: command.load(place, as: UInt16.self)))
    return pair < config.pairs && queues[Queue.receive(pair)].running  // tested by SteeringTests
  }
}
