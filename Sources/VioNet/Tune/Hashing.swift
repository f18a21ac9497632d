// SPDX-License-Identifier: BSD-2-Clause
//
// The hash over a received packet's addresses and ports: which packets have one, its key, and with RSS the table that
// makes a queue of it (virtio 1.4, 5.1.9.5.6.4 and 5.1.9.5.7).

import CLinux
import CVionet
import Linux

/// What a user asks for, as in vionet_rss. Key and table are the caller's until the call returns.
@safe
package struct HashWish {
  fileprivate let types: UInt32
  fileprivate let unclassified: UInt16
  fileprivate let keyLength: UInt8
  fileprivate let tableLength: UInt16
  fileprivate let key: UnsafeMutablePointer<UInt8>?
  fileprivate let table: UnsafeMutablePointer<UInt16>?

  package init(_ wish: vionet_rss) {
    types = unsafe wish.hash_types
    unclassified = unsafe wish.unclassified_queue
    keyLength = unsafe wish.key_length
    tableLength = unsafe wish.table_length
    unsafe key = wish.key
    unsafe table = wish.table
  }
}

struct Hashing {
  var types: UInt32 = 0
  /// For packets that have no hash.
  var unclassified: UInt16 = 0
  /// 0: nothing was chosen yet.
  var keyLength: UInt8 = 0
  var key = InlineArray<256, UInt8>(repeating: 0)
  /// Queues as the user has them; nil: all in use take turns.
  var table: Table<UInt16>?
  /// The user said something.
  var isNamed = false

  static let evenEntries = 128
  /// As long as an IPv6 packet's addresses and ports want it. Random, so that nobody can aim at one queue.
  static let ownKey: UInt8 = 40

  var entries: Int { table?.count ?? Hashing.evenEntries }
  func entry(_ index: Int, _ pairs: UInt16) -> UInt16 { table?[index] ?? UInt16(index) % pairs }

  /// That all queues named are among the first `pairs`.
  func check(_ pairs: UInt16) throws(Failure) {
    if unclassified >= pairs {
      throw Failure(EINVAL, "rss: unclassified_queue is ").number(unclassified).text(", of ").number(pairs)
        .text(" queues in use")
    }
    for index in 0..<entries where entry(index, pairs) >= pairs {
      throw Failure(EINVAL, "rss: entry ").number(index).text(" of the table is queue ").number(entry(index, pairs))
        .text(", of ").number(pairs).text(" in use")
    }
  }

  fileprivate mutating func setKey(_ wish: HashWish, _ limits: HashLimits) throws(Failure) {
    if wish.keyLength == 0 { return }
    guard let source = unsafe wish.key else { throw Failure(EINVAL, "rss: key is NULL") }
    if wish.keyLength > limits.key {
      throw Failure(EINVAL, "rss: key_length is ").number(wish.keyLength).text(", the device takes ")
        .number(limits.key)
    }
    keyLength = wish.keyLength
    unsafe memcpy(&key, source, Int(keyLength))
  }

  fileprivate mutating func setTable(_ wish: HashWish, _ limits: HashLimits) throws(Failure) {
    table = nil
    let count = wish.tableLength
    if count == 0 { return }
    guard let source = unsafe wish.table else { throw Failure(EINVAL, "rss: table is NULL") }
    if count > limits.table || count & (count - 1) != 0 {
      throw Failure(EINVAL, "rss: table_length is ").number(count).text(", not a power of two up to the device's ")
        .number(limits.table)
    }
    guard let copy = Table<UInt16>.make(count: Int(count)) else { throw Failure(ENOMEM, "no memory for a table") }
    unsafe memcpy(copy.base, source, Int(count) * 2)
    table = copy
  }

  /// The data of RSS_CONFIG; without a table that of HASH_CONFIG.
  fileprivate func data(_ pairs: UInt16, hasTable: Bool) throws(Failure) -> CommandData {
    var data = try CommandData(room: HashLimits.commandBytes(table: entries, key: Int(keyLength)))
    data.add(types)
    if hasTable {
      data.add(UInt16(entries - 1))
      data.add(unclassified)
      for index in 0..<entries { data.add(entry(index, pairs)) }
      data.add(pairs)
    } else {
      data.add(UInt64(0))
    }
    data.add(keyLength)
    unsafe withUnsafeBytes(of: key) { bytes in
      if let base = bytes.baseAddress { unsafe data.add(base, Int(keyLength)) }
    }
    return data
  }
}

extension Port {
  var hashes: Bool { features.has(VIRTIO_NET_F_RSS) || features.has(VIRTIO_NET_F_HASH_REPORT) }

  mutating func setHashing(_ wish: HashWish) throws(Failure) {
    if !hashes || wish.tableLength != 0 || wish.unclassified != 0 { try need(VIRTIO_NET_F_RSS) }
    if wish.types & ~config.hashing.types != 0 {
      throw Failure(EINVAL, "rss: the device does not hash for hash_types ")
        .hex(UInt64(wish.types & ~config.hashing.types))
    }
    var next = settings.hashing
    next.isNamed = true
    next.types = wish.types == 0 ? config.hashing.types : wish.types
    next.unclassified = wish.unclassified
    try next.setKey(wish, config.hashing)
    try next.setTable(wish, config.hashing)
    do throws(Failure) {
      try next.check(pairsInUse)
      try tellHashing(next, pairsInUse)
    } catch {
      next.table?.destroy()
      throw error
    }
    settings.hashing.table?.destroy()
    settings.hashing = next
  }

  /// With a table this also says how many pairs are in use.
  mutating func tellHashing(_ hashing: Hashing, _ pairs: UInt16) throws(Failure) {
    let hasTable = features.has(VIRTIO_NET_F_RSS)
    let data = try hashing.data(pairs, hasTable: hasTable)
    defer { data.destroy() }
    try tell(hasTable ? ControlCommand.setRSS : ControlCommand.setHash, data)
  }

  mutating func restoreHashing() throws(Failure) {
    if !hashes {
      if settings.hashing.isNamed { try need(VIRTIO_NET_F_RSS) }
      return
    }
    if settings.hashing.keyLength == 0 {
      settings.hashing.keyLength = Hashing.ownKey
      unsafe arc4random_buf(&settings.hashing.key, Int(Hashing.ownKey))
      settings.hashing.types = config.hashing.types
    }
    try tellHashing(settings.hashing, pairsInUse)
  }

  /// What is in use, and what the device could do. Of key and table as much as there is room for.
  package func getHashing(_ out: inout vionet_rss) throws(Failure) {
    try mustBeInitialised()
    if !hashes { try need(VIRTIO_NET_F_RSS) }
    let hashing = settings.hashing
    for index in 0..<min(unsafe Int(out.key_length), Int(hashing.keyLength)) {
      unsafe out.key?[index] = hashing.key[index]
    }
    let hasTable = features.has(VIRTIO_NET_F_RSS)
    let entries = hasTable ? hashing.entries : 0
    for index in 0..<min(unsafe Int(out.table_length), entries) {
      unsafe out.table?[index] = hashing.entry(index, pairsInUse)
    }
    unsafe out.key_length = hashing.keyLength
    unsafe out.table_length = UInt16(entries)
    unsafe out.hash_types = hashing.types
    unsafe out.unclassified_queue = hashing.unclassified
    unsafe out.max_key_length = config.hashing.key
    unsafe out.max_table_length = hasTable ? config.hashing.table : 0
    unsafe out.supported_hash_types = config.hashing.types
  }
}
