// SPDX-License-Identifier: BSD-2-Clause
//
// The hash over a received packet's addresses and ports: which packets have one, its key, and with RSS the table that leads
// from the hash to a queue (virtio 1.4, 5.1.9.5.6.4 and 5.1.9.5.7).

import CLinux
import CVionet
import Linux
import Virtio

/// What a user asks for with vionet_rss_set().
// Safety: key and table are the caller's arrays, as long as the lengths beside them say, until the call returns.
@safe
package struct HashRequest {
  fileprivate let types: UInt32
  fileprivate let unclassified: UInt16
  fileprivate let keyLength: UInt8
  fileprivate let tableLength: UInt16
  fileprivate let key: UnsafeMutablePointer<UInt8>?
  fileprivate let table: UnsafeMutablePointer<UInt16>?

  package init(_ request: vionet_rss) {
    types = unsafe request.hash_types
    unclassified = unsafe request.unclassified_queue
    keyLength = unsafe request.key_length
    tableLength = unsafe request.table_length
    unsafe key = request.key
    unsafe table = request.table
  }
}

struct Hashing {
  var types: UInt32 = 0
  /// The queue of packets that have no hash.
  var unclassified: UInt16 = 0
  /// Bytes of the key; 0: none was chosen yet.
  var keyLength: UInt8 = 0
  var key = InlineArray<256, UInt8>(repeating: 0)
  /// The user's table; nil: all queues in use take turns.
  var table: Table<UInt16>?
  /// vionet_rss_set() was called.
  var isChosen = false

  /// Entries of the table in which all queues take turns.
  static let defaultEntries = 128
  /// Bytes of the key that is made at random, as many as an IPv6 packet's addresses and ports take. It is random so that no
  /// sender can aim at one queue.
  static let randomKeyLength: UInt8 = 40
  /// What is hashed here: IPv4 and IPv6, with TCP, UDP and without, as VIONET_HASH_IPV4 to VIONET_HASH_UDP6.
  static let softwareTypes: UInt32 = 0x3f

  var entries: Int { table?.count ?? Hashing.defaultEntries }
  func entry(_ index: Int, _ pairs: UInt16) -> UInt16 { table?[index] ?? UInt16(index) % pairs }

  /// Throws if a queue is named that is not among the first `pairs`.
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

  // Safety: keyLength bytes are there, and the limit is at most the 256 of `key`.
  fileprivate mutating func setKey(_ request: HashRequest, _ limits: HashLimits) throws(Failure) {
    if request.keyLength == 0 { return }
    guard let source = unsafe request.key else { throw Failure(EINVAL, "rss: key is NULL") }
    if request.keyLength > limits.key {
      throw Failure(EINVAL, "rss: key_length is ").number(request.keyLength).text(", the device takes ")
        .number(limits.key)
    }
    keyLength = request.keyLength
    unsafe memcpy(&key, source, Int(keyLength))
  }

  // Safety: tableLength entries are there, and `copy` was made for as many.
  fileprivate mutating func setTable(_ request: HashRequest, _ limits: HashLimits) throws(Failure) {
    table = nil
    let count = request.tableLength
    if count == 0 { return }
    guard let source = unsafe request.table else { throw Failure(EINVAL, "rss: table is NULL") }
    if count > limits.table || count & (count - 1) != 0 {
      throw Failure(EINVAL, "rss: table_length is ").number(count).text(", not a power of two up to the device's ")
        .number(limits.table)
    }
    guard let copy = Table<UInt16>.make(count: Int(count)) else { throw Failure(ENOMEM, "no memory for a table") }
    unsafe memcpy(copy.base, source, Int(count) * 2)
    table = copy
  }

  /// The data of RSS_CONFIG, or without a table of HASH_CONFIG.
  // Safety: `key` has 256 bytes, and keyLength is a byte.
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
  var hashes: Bool { agreed.features.has(Feature.rss) || agreed.features.has(Feature.hashReport) }

  mutating func setHashing(_ request: HashRequest) throws(Failure) {
    if !hashes || request.tableLength != 0 || request.unclassified != 0 { try require(Feature.rss) }
    if request.types & ~agreed.config.hashing.types != 0 {
      throw Failure(EINVAL, "rss: the device does not hash for hash_types ")
        .hex(UInt64(request.types & ~agreed.config.hashing.types))
    }
    var next = settings.hashing
    next.isChosen = true
    next.types = request.types == 0 ? agreed.config.hashing.types : request.types
    next.unclassified = request.unclassified
    try next.setKey(request, agreed.config.hashing)
    try next.setTable(request, agreed.config.hashing)
    do throws(Failure) {
      try next.check(pairsInUse)
      try sendHashing(next, pairsInUse)
    } catch {
      next.table?.destroy()
      throw error
    }
    settings.hashing.table?.destroy()
    settings.hashing = next
  }

  /// Sends key, types and table. A table says how many pairs are in use, too.
  mutating func sendHashing(_ hashing: Hashing, _ pairs: UInt16) throws(Failure) {
    let hasTable = agreed.features.has(Feature.rss)
    let data = try hashing.data(pairs, hasTable: hasTable)
    defer { data.destroy() }
    try send(hasTable ? ControlCommand.setRSS : ControlCommand.setHash, data)
  }

  /// The hash is computed here, because the device reports none.
  var hashesInSoftware: Bool { options.hashesInSoftware && !agreed.features.has(Feature.hashReport) }

  /// The table with which a queue hashes packets here; nil if it does not.
  // Safety: the key has more bytes than the table's key.
  mutating func makeHashTable() throws(Failure) -> Table<UInt32>? {
    if !hashesInSoftware { return nil }
    try drawHashKey()
    guard let table = Table<UInt32>.make(count: Toeplitz.tableEntries) else {
      throw Failure(ENOMEM, "no memory for the hash of received packets")
    }
    unsafe withUnsafeBytes(of: settings.hashing.key) { bytes in
      if let base = bytes.baseAddress { unsafe Toeplitz.fill(table, base) }
    }
    return table
  }

  // Safety: the key has more bytes than the random one takes.
  private mutating func drawHashKey() throws(Failure) {
    if settings.hashing.keyLength != 0 { return }
    let drawn = unsafe sys_random(&settings.hashing.key, Int(Hashing.randomKeyLength))
    _ = try check(drawn) { Failure($0, "no random key for the hash: ").reason($0) }
    settings.hashing.keyLength = Hashing.randomKeyLength
  }

  mutating func restoreHashing() throws(Failure) {
    if !hashes {
      if settings.hashing.isChosen { try require(Feature.rss) }
      return
    }
    let isNew = settings.hashing.keyLength == 0
    try drawHashKey()
    if isNew { settings.hashing.types = agreed.config.hashing.types }
    try sendHashing(settings.hashing, pairsInUse)
  }

  /// Fills in what is in use and what the device could do, with as much of key and table as there is room for.
  // Safety: the caller's arrays are as long as the lengths beside them say.
  package func getHashing(_ out: inout vionet_rss) throws(Failure) {
    try mustBeInitialised()
    if !hashes && !hashesInSoftware { try require(Feature.rss) }
    let hashing = settings.hashing
    for index in 0..<min(unsafe Int(out.key_length), Int(hashing.keyLength)) {
      unsafe out.key?[index] = hashing.key[index]
    }
    let hasTable = agreed.features.has(Feature.rss)
    let entries = hasTable ? hashing.entries : 0
    for index in 0..<min(unsafe Int(out.table_length), entries) {
      unsafe out.table?[index] = hashing.entry(index, pairsInUse)
    }
    unsafe out.key_length = hashing.keyLength
    unsafe out.table_length = UInt16(entries)
    unsafe out.hash_types = hashesInSoftware ? Hashing.softwareTypes : hashing.types
    unsafe out.unclassified_queue = hashing.unclassified
    unsafe out.max_key_length = agreed.config.hashing.key
    unsafe out.max_table_length = hasTable ? agreed.config.hashing.table : 0
    unsafe out.supported_hash_types = hashesInSoftware ? Hashing.softwareTypes : agreed.config.hashing.types
  }
}
