// SPDX-License-Identifier: BSD-2-Clause
//
// The control queue (virtio 1.4, 5.1.9.5): requests of class, command and data, each answered with one byte. QEMU and
// DPDK serve it themselves; this library's own driver passes it on to the back-end, as the queue behind the last pair.
//
// A request that is unknown, not negotiated, of the wrong length or out of range is answered with ERR and changes nothing.

import CLinux
import Linux
import Virtio

/// The readable part of a request.
struct ControlRequest {
  let frame: Frame
  let scratch: Bytes

  var count: Int { frame.count }

  /// `bytes` bytes from `at` on as a little-endian number.
  func number(_ at: Int, _ bytes: Int) -> UInt64 {
    let word = frame.word(at, scratch: scratch).byteSwapped
    return bytes == 8 ? word : word & (1 << UInt64(8 * bytes) &- 1)
  }

  /// The address at `at`, in the order of the network.
  func address(_ at: Int) -> UInt64 { frame.word(at, scratch: scratch) >> 16 }
}

/// The writable part of a request: a byte for the answer, and what was asked for behind it, as far as there is room.
struct ControlResult {
  private let pieces: Table<Bytes>
  private var piece = 0
  private var offset = 1
  /// Bytes behind the first.
  private(set) var written = 0

  init(_ pieces: Table<Bytes>) { self.pieces = pieces }

  mutating func add(_ bytes: Bytes) {
    var rest = bytes
    while rest.count > 0, piece < pieces.count {
      let copied = rest.copy(to: pieces[piece].dropping(offset))
      rest = rest.dropping(copied)
      offset &+= copied
      written &+= copied
      if rest.count > 0 {
        piece &+= 1
        offset = 0
      }
    }
  }

  func answer(_ isGood: Bool) { pieces[0][0] = isGood ? ControlAnswer.ok : ControlAnswer.error }
}

extension Device {
  /// The control queue's index with these features; -1 if there is none. Without MQ and RSS it stands behind the
  /// first pair.
  func controlIndex(_ features: UInt64) -> Int {
    if features & Feature.controlQueue == 0 { return -1 }
    return features & Feature.manyPairs != 0 ? 2 * config.pairs : 2
  }

  /// Serves the requests that wait, and returns how many those were.
  @inline(never)
  mutating func control() -> Int {
    let index = controlIndex(session.features)
    var served = 0
    while served < 64, index >= 0, queues[index].hasBuffers {
      var batch = outgoing
      batch.clear()
      take(index, &batch, limit: 1, .none)
      if batch.count == 0 { break }
      serve(&batch, index)
      give(index, batch)
      if fault >= 0 { break }
      served += 1
    }
    return served
  }

  private mutating func serve(_ batch: inout Batch, _ index: Int) {
    let chain = batch.chains[0]
    let pieces = Table(from: batch.segments, at: Int(chain.first), count: Int(chain.count))
    // Without a place for the answer it is no request.
    if batch.readable == pieces.count || batch.readable == 0 {  // tested by ControlTests
      fault = index
      return
    }
    let request = ControlRequest(
      frame: Frame(Table(from: pieces, at: 0, count: batch.readable)), scratch: scratch)
    var result = ControlResult(Table(from: pieces, at: batch.readable, count: pieces.count &- batch.readable))
    session.commands &+= 1
    let isGood = request.count >= 2 && obey(request, &result)
    if isGood { session.commandsDone &+= 1 }
    // The answer is given only when what was asked for has been done.
    result.answer(isGood)
    batch.chains[0].written = UInt32(truncatingIfNeeded: isGood ? 1 &+ result.written : 1)
    batch.done = 1
    if Log.wanted(.debug) {
      Log.line("soft device: control").number(request.number(0, 1)).number(request.number(1, 1))
        .text(isGood ? "done" : "refused").send(.debug)
    }
  }

  private mutating func obey(_ request: ControlRequest, _ result: inout ControlResult) -> Bool {
    let command = request.number(1, 1)
    switch UInt8(request.number(0, 1)) {
    case ControlClass.receive: return setMode(UInt8(command), request)
    case ControlClass.mac:
      if command == ControlCommand.setAddresses.number { return setTable(request) }
      return command == ControlCommand.setAddress.number && setAddress(request)
    case ControlClass.vlan:
      if command == ControlCommand.addVLAN.number { return setVLAN(request, true) }
      return command == ControlCommand.deleteVLAN.number && setVLAN(request, false)
    case ControlClass.announce:
      if !session.has(Feature.announce) || command != ControlCommand.announceAcknowledge.number { return false }
      session.announces = false
      return true
    case ControlClass.pairs:
      if command == ControlCommand.setRSS.number { return setRSS(request) }
      if command == ControlCommand.setHash.number { return setHash(request) }
      return command == ControlCommand.pairs.number && setPairs(request)
    case ControlClass.offloads: return command == ControlCommand.setOffloads.number && setOffloads(request)
    case ControlClass.coalescing: return setCoalescing(command, request, &result)
    case ControlClass.statistics:
      if command == ControlCommand.queryCounters.number { return queryCounters(request, &result) }
      return command == ControlCommand.getCounters.number && getCounters(request, &result)
    default: return false
    }
  }

  private mutating func setMode(_ command: UInt8, _ request: ControlRequest) -> Bool {
    guard let mode = ReceiveMode(rawValue: command), request.count == 3 else { return false }  // tested by ControlTests
    let isExtra = mode != .promiscuous && mode != .allMulticast
    // tested by ControlTests
    if !session.has(isExtra ? Feature.controlReceiveExtra : Feature.controlReceive) { return false }
    filter.set(mode, request.number(2, 1) != 0)
    refresh()
    return true
  }

  /// Two lists, of unicast and multicast addresses, each behind its count.
  private mutating func setTable(_ request: ControlRequest) -> Bool {
    if !session.has(Feature.controlReceive) || request.count < 10 { return false }  // tested by ControlTests
    let unicast = Int(request.number(2, 4))
    let second = 6 + 6 * unicast
    if second + 4 > request.count { return false }
    let multicast = Int(request.number(second, 4))
    if second + 4 + 6 * multicast != request.count { return false }  // tested by ControlTests
    for place in 0..<min(unicast, Filter.most) { filter.put(request.address(6 + 6 * place), place, isMulticast: false) }
    for place in 0..<min(multicast, Filter.most) {
      filter.put(request.address(second + 4 + 6 * place), place, isMulticast: true)
    }
    filter.setCount(unicast, isMulticast: false)
    filter.setCount(multicast, isMulticast: true)
    return true
  }

  private mutating func setAddress(_ request: ControlRequest) -> Bool {
    if !session.has(Feature.controlAddress) || request.count != 8 { return false }  // tested by ControlTests
    session.mac = request.address(2)
    return true
  }

  private mutating func setVLAN(_ request: ControlRequest, _ on: Bool) -> Bool {
    let id = Int(request.number(2, 2))
    if !session.has(Feature.controlVLAN) || request.count != 4 || id > 0xfff { return false }  // tested by ControlTests
    filter.setVLAN(id, on)
    return true
  }

  private mutating func setPairs(_ request: ControlRequest) -> Bool {
    let pairs = Int(request.number(2, 2))
    // tested by ControlTests
    if !session.has(Feature.multiqueue) || request.count != 4 || pairs < 1 || pairs > config.pairs { return false }
    usePairs(pairs)
    steering.end()
    refresh()
    return true
  }

  /// Takes pairs into use; those that were not are as new.
  mutating func usePairs(_ pairs: Int) {
    if pairs > session.pairs { restoreLimits(ofPairs: session.pairs..<pairs) }
    session.pairs = pairs
  }

  private mutating func setOffloads(_ request: ControlRequest) -> Bool {
    let offloads = request.number(2, 8)
    if !session.has(Feature.controlOffloads) || request.count != 10 { return false }  // tested by ControlTests
    let known = session.features & Feature.guestOffloads | HigherFeature.offloads(session.above)
    if offloads & ~known != 0 { return false }  // tested by ControlTests
    session.offloads = offloads & Feature.guestOffloads
    session.tunnels = HigherFeature.above(offloads: offloads)
    refresh()
    return true
  }
}
