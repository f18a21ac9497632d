// SPDX-License-Identifier: BSD-2-Clause
//
// "set PORT KEY VALUE...": one call of vionet.h for each key, which says itself why it refuses.

import CLinux
import CVionetControl
import Linux

struct Setting {
  private let port: UInt16
  private var words: Words

  init(port: UInt16, words: Words) {
    self.port = port
    self.words = words
  }

  consuming func carryOut() throws(Failure) {
    guard let key = words.next() else { throw Failure(EINVAL, "set what: help names what there is") }
    switch key {
    case "mac": try setMAC()
    case "mtu": try setNumber("mtu", vionet_mtu_set)
    case "queue_pairs": try setNumber("queue_pairs", vionet_queue_pairs_set)
    case "promiscuous": try setSwitch("promiscuous", vionet_promiscuous_set)
    case "all_multicast": try setSwitch("all_multicast", vionet_all_multicast_set)
    case "vlan": try setVLAN()
    case "coalesce": try setCoalescing()
    case "rss": try setHashing()
    default:
      throw Failure(EINVAL, "there is no setting ").quoting(key.prefix(32)).text(": help names those there are")
    }
  }

  /// The failure of a key whose value is missing or another than `wanted`.
  @inline(never)
  private static func invalid(_ key: StaticString, _ value: Text?, _ wanted: StaticString) -> Failure {
    let failure = Failure(EINVAL, key)
    guard let value else { return failure.text(" has no value: wanted is ").text(wanted) }
    return failure.text(" ").quoting(value.prefix(64)).text(": wanted is ").text(wanted)
  }

  /// The next word as a number of at most `most`.
  @inline(never)
  private mutating func number(
    _ key: StaticString, upTo most: UInt64, _ wanted: StaticString
  ) throws(Failure) -> UInt64 {
    let word = words.next()
    guard let number = word?.number(upTo: most) else { throw Setting.invalid(key, word, wanted) }
    return number
  }

  /// The next word, which is one of two. True for the first.
  @inline(never)
  private mutating func choice(
    _ key: StaticString, _ first: StaticString, _ second: StaticString, _ wanted: StaticString
  ) throws(Failure) -> Bool {
    let word = words.next()
    guard let word, word.equals(first) || word.equals(second) else { throw Setting.invalid(key, word, wanted) }
    return word.equals(first)
  }
}

// MARK: One call each

extension Setting {
  // Safety: the call reads the six bytes of an array of ours.
  private mutating func setMAC() throws(Failure) {
    let word = words.next()
    guard let address = word?.ethernetAddress else {
      throw Setting.invalid("mac", word, "an address like 02:00:00:00:00:01")
    }
    try words.end(of: "mac")
    let port = port
    // Big-endian, the first byte is the highest of six.
    let result = unsafe withUnsafeBytes(of: (address << 16).bigEndian) { bytes in
      unsafe vionet_mac_set(port, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
    }
    try Library.check(result)
  }

  @inline(never)
  private mutating func setNumber(_ key: StaticString, _ call: (UInt16, UInt16) -> Int32) throws(Failure) {
    let number = try number(key, upTo: UInt64(UInt16.max), "a number of at most 65535")
    try words.end(of: key)
    try Library.check(call(port, UInt16(number)))
  }

  @inline(never)
  private mutating func setSwitch(_ key: StaticString, _ call: (UInt16, Int32) -> Int32) throws(Failure) {
    let isOn = try choice(key, "on", "off", "on or off")
    try words.end(of: key)
    try Library.check(call(port, isOn ? 1 : 0))
  }

  private mutating func setVLAN() throws(Failure) {
    let isAdded = try choice("vlan", "add", "remove", "add or remove, and an ID")
    let id = try number("vlan", upTo: 4095, "an ID from 0 to 4095")
    try words.end(of: "vlan")
    try Library.check(vionet_vlan_filter_set(port, UInt16(id), isAdded ? 1 : 0))
  }

  private mutating func setCoalescing() throws(Failure) {
    let isReceive = try choice("coalesce", "rx", "tx", "rx or tx")
    let queue = try coalescedQueue()
    let packets = UInt32(try number("coalesce", upTo: UInt64(UInt32.max), "a number of packets"))
    let microseconds = UInt32(try number("coalesce", upTo: UInt64(UInt32.max), "a number of microseconds"))
    try words.end(of: "coalesce")
    try Library.check(
      isReceive
        ? vionet_rx_coalesce_set(port, queue, packets, microseconds)
        : vionet_tx_coalesce_set(port, queue, packets, microseconds))
  }

  private mutating func coalescedQueue() throws(Failure) -> UInt16 {
    let word = words.next()
    if let word, word.equals("all") { return UInt16(VIONET_ALL_QUEUES) }
    guard let number = word?.number(upTo: UInt64(UInt16.max) - 1) else {
      throw Setting.invalid("coalesce", word, "all or a queue's number")
    }
    return UInt16(number)
  }

  private mutating func setHashing() throws(Failure) {
    var hashing = try Hashing(of: port)
    var isEmpty = true
    while let word = words.next() {
      let (key, value) = word.split(at: UInt8(ascii: "=")) ?? (word, nil)
      if value.map({ hashing.set(key, $0) }) != true {
        throw Failure(EINVAL, "rss ").plain(key.prefix(16)).text(
          ": wanted are key=HEX, table=QUEUE,..., types=TYPE,... or all, unclassified=QUEUE")
      }
      isEmpty = false
    }
    if isEmpty { throw Failure(EINVAL, "rss: nothing is to be set") }
    try hashing.apply(to: port)
  }
}
