// SPDX-License-Identifier: BSD-2-Clause
//
// A chain of descriptors as the device works with it: an id to give back and the memory it names, already translated
// and checked. Nearly every chain has one segment, which stays in `only`; the others are listed in `segments`. Nothing
// is assumed about how a header and a frame are spread over them (virtio 1.4, 2.7.4.1).

import Linux

struct Chain {
  /// Longest chain that is served; frames of 64 segments need far less.
  static let limit = 1024

  var id: UInt16 = 0
  /// Descriptors of the ring that it takes: what a packed ring steps by.
  var slots: UInt16 = 1
  var count = 0
  /// Bytes of all segments.
  var total = 0
  var only: Bytes
  let segments: Table<Bytes>

  init(_ segments: Table<Bytes>) {
    self.segments = segments
    only = segments[0]
  }

  @inline(__always)
  mutating func set(_ id: UInt16, _ bytes: Bytes) {
    self.id = id
    only = bytes
    total = bytes.count
    count = 1
  }

  mutating func begin(_ id: UInt16) {
    self.id = id
    count = 0
    total = 0
  }

  /// One more segment; false if there are too many. Empty ones leave no trace.
  mutating func append(_ bytes: Bytes) -> Bool {
    if bytes.count == 0 { return true }
    if count >= Self.limit { return false }
    if count == 0 { only = bytes }
    segments[count] = bytes
    count += 1
    total &+= bytes.count
    return true
  }

  /// Writes `source` at `offset`.
  @inline(__always)
  func write(_ source: Bytes, at offset: Int) {
    if count == 1 {
      source.copy(to: only.dropping(offset))
    } else {
      scatter(source, at: offset)
    }
  }

  @inline(never)
  private func scatter(_ source: Bytes, at offset: Int) {
    var rest = source
    var skip = offset
    var index = 0
    while index < count, rest.count > 0 {
      let segment = segments[index].dropping(skip)
      skip = max(skip &- segments[index].count, 0)
      rest = rest.dropping(rest.copy(to: segment))
      index += 1
    }
  }

  /// Copies what stands from `offset` on to `target`, and returns how much that was.
  @inline(__always) @discardableResult
  func read(from offset: Int, to target: Bytes) -> Int {
    if count == 1 { return only.dropping(offset).copy(to: target) }
    return gather(from: offset, to: target)
  }

  @inline(never)
  private func gather(from offset: Int, to target: Bytes) -> Int {
    var rest = target
    var skip = offset
    var index = 0
    while index < count, rest.count > 0 {
      let segment = segments[index].dropping(skip)
      skip = max(skip &- segments[index].count, 0)
      rest = rest.dropping(segment.copy(to: rest))
      index += 1
    }
    return target.count &- rest.count
  }

  /// Copies what stands from `offset` on to `target`, at `start`.
  @inline(__always)
  func copy(from offset: Int, to target: borrowing Chain, at start: Int) {
    if count == 1 {
      target.write(only.dropping(offset), at: start)
    } else {
      transfer(from: offset, to: target, at: start)
    }
  }

  @inline(never)
  private func transfer(from offset: Int, to target: borrowing Chain, at start: Int) {
    var skip = offset
    var position = start
    var index = 0
    while index < count {
      let segment = segments[index].dropping(skip)
      skip = max(skip &- segments[index].count, 0)
      target.write(segment, at: position)
      position &+= segment.count
      index += 1
    }
  }
}
