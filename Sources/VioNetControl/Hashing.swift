// SPDX-License-Identifier: BSD-2-Clause
//
// How a port chooses receive queues: key, table and types of its hash, read, shown, changed and set again.

import CLinux
import CVionetControl
import Linux

struct Hashing: ~Copyable {
  private static let typeCount = 9

  private let key: Table<UInt8>
  private let table: Table<UInt16>
  private var keyLength: UInt8
  private var tableLength: UInt16
  private var types: UInt32
  private var unclassifiedQueue: UInt16

  /// The hashing of a port as it is in use.
  // Safety: the struct points at tables of ours and says how long they are.
  init(of port: UInt16) throws(Failure) {
    guard let key = Table<UInt8>.make(count: Int(UInt8.max)) else { throw Hashing.noMemory }
    guard let table = Table<UInt16>.make(count: Int(UInt16.max)) else {
      key.destroy()
      throw Hashing.noMemory
    }
    var rss = unsafe Hashing.request(key, UInt8.max, table, UInt16.max)
    let result = unsafe vionet_rss_get(port, &rss)
    if result < 0 {
      key.destroy()
      table.destroy()
    }
    try Library.check(result)
    self.key = key
    self.table = table
    keyLength = unsafe rss.key_length
    tableLength = unsafe rss.table_length
    types = unsafe rss.hash_types
    unclassifiedQueue = unsafe rss.unclassified_queue
  }

  deinit {
    key.destroy()
    table.destroy()
  }

  private static var noMemory: Failure { Failure(ENOMEM, "no memory for an RSS table") }

  // Safety: as in init.
  func apply(to port: UInt16) throws(Failure) {
    var rss = unsafe Hashing.request(key, keyLength, table, tableLength)
    unsafe rss.hash_types = types
    unsafe rss.unclassified_queue = unclassifiedQueue
    try Library.check(unsafe vionet_rss_set(port, &rss))
  }

  // Safety: the tables live as long as their Hashing, which outlives the call.
  private static func request(
    _ key: Table<UInt8>, _ keyLength: UInt8, _ table: Table<UInt16>, _ tableLength: UInt16
  ) -> vionet_rss {
    var rss = unsafe vionet_rss()
    unsafe rss.size = MemoryLayout<vionet_rss>.size
    unsafe rss.key = key.base
    unsafe rss.key_length = keyLength
    unsafe rss.table = table.base
    unsafe rss.table_length = tableLength
    return unsafe rss
  }

  /// The name of the hash type with that bit of hash_types.
  private static func typeName(_ bit: Int) -> StaticString {
    switch bit {
    case 0: "ipv4"
    case 1: "tcp4"
    case 2: "udp4"
    case 3: "ipv6"
    case 4: "tcp6"
    case 5: "udp6"
    case 6: "ipv6_ex"
    case 7: "tcp6_ex"
    default: "udp6_ex"
    }
  }

  private static func typeBit(_ name: Text) -> Int? {
    for bit in 0..<typeCount where name.equals(typeName(bit)) { return bit }
    return nil
  }
}

// MARK: Showing

extension Hashing {
  /// Adds lines of info.
  func write(to answer: inout Answer) {
    answer.add("rss_key ")
    for place in 0..<Int(keyLength) { answer.add(hex: key[place], width: 2) }
    answer.add("\nrss_table")
    for place in 0..<Int(tableLength) {
      answer.add(place == 0 ? " " : ",")
      answer.add(number: table[place])
    }
    answer.add("\nrss_types")
    var separator: StaticString = " "
    for bit in 0..<Hashing.typeCount where types >> UInt32(bit) & 1 != 0 {
      answer.add(separator)
      answer.add(Hashing.typeName(bit))
      separator = ","
    }
    answer.add("\nrss_unclassified ")
    answer.add(number: unclassifiedQueue)
    answer.add("\n")
  }
}

// MARK: Changing

extension Hashing {
  /// Takes "KEY=VALUE". False if there is no such key, or its value is another than that.
  @inline(never)
  mutating func set(_ key: Text, _ value: Text) -> Bool {
    switch key {
    case "key": return setKey(value)
    case "table": return setTable(value)
    case "types": return setTypes(value)
    case "unclassified":
      guard let queue = value.number(upTo: UInt64(UInt16.max)) else { return false }
      unclassifiedQueue = UInt16(queue)
      return true
    default: return false
    }
  }

  private mutating func setKey(_ digits: Text) -> Bool {
    if digits.isEmpty || digits.count % 2 != 0 || digits.count > 2 * key.count { return false }
    for place in 0..<digits.count / 2 {
      guard let byte = digits.slice(2 * place, 2 * place + 2).hexNumber else { return false }
      key[place] = UInt8(byte)
    }
    keyLength = UInt8(digits.count / 2)
    return true
  }

  private mutating func setTable(_ queues: Text) -> Bool {
    var length = 0
    let isValid = queues.forEachListed { word in
      guard length < table.count, let queue = word.number(upTo: UInt64(UInt16.max)) else { return false }
      table[length] = UInt16(queue)
      length += 1
      return true
    }
    if isValid { tableLength = UInt16(length) }
    return isValid
  }

  /// "all" is 0, with which the library takes all that the device knows.
  private mutating func setTypes(_ names: Text) -> Bool {
    types = 0
    if names.equals("all") { return true }
    return names.forEachListed { word in
      guard let bit = Hashing.typeBit(word) else { return false }
      types |= 1 << UInt32(bit)
      return true
    }
  }
}
