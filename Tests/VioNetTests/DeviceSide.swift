// SPDX-License-Identifier: BSD-2-Clause
//
// A ring as its device sees it, in single steps, valid or not. Written from the specification (virtio 1.4, 2.7 and
// 2.8) and not from the driver: both share only the addresses of a ring's parts.

import CLinux
import Linux

@testable import VioNet

/// The four kinds of rings that can be negotiated.
enum RingKind: String, CaseIterable, Sendable {
  case split, splitInOrder, packed, packedInOrder

  var isPacked: Bool { self == .packed || self == .packedInOrder }
  var isInOrder: Bool { self == .splitInOrder || self == .packedInOrder }

  static let inOrder = [RingKind.splitInOrder, .packedInOrder]
  static let anyOrder = [RingKind.split, .packed]
  static let splitKinds = [RingKind.split, .splitInOrder]
  static let packedKinds = [RingKind.packed, .packedInOrder]
}

/// One descriptor, as it lies in a ring or in an indirect table.
struct Element {
  let address: UInt64
  let length: UInt32
  let flags: UInt16
  /// Split: the next descriptor. Packed: the buffer's id.
  let nextOrID: UInt16

  init(_ table: Shared, _ place: Int, isPacked: Bool) {
    let at = place * 16
    address = table.load64(at)
    length = table.load32(at + 8)
    let halves = (table.load16(at + 12), table.load16(at + 14))
    flags = isPacked ? halves.1 : halves.0
    nextOrID = isPacked ? halves.0 : halves.1
  }

  static let next: UInt16 = 1
  static let write: UInt16 = 2
  static let indirect: UInt16 = 4
  /// A packed descriptor's flags without AVAIL and USED.
  var kind: UInt16 { flags & 7 }

  /// The buffer, for writing and reading by the test.
  var memory: Shared { unsafe Shared(UnsafeMutableRawPointer(bitPattern: UInt(address)).unsafelyUnwrapped) }
}

/// A buffer that the driver made available.
struct Offer {
  /// What names it in a used entry.
  let id: UInt32
  /// Its descriptors in the ring, and the table of the one that is indirect.
  let elements: [Element]
  let table: [Element]

  /// The pieces of memory in order.
  var pieces: [Element] { table.isEmpty ? elements : table }
}

struct DeviceSide {
  let ring: RingState
  let size: Int
  /// Counted from the first on. Split: entries; packed: descriptors.
  var taken: Int
  var used: Int

  private var isPacked: Bool { ring.shape.isPacked }

  /// `start`: entries that were made available and used before.
  init(_ ring: RingState, start: Int = 0) {
    self.ring = ring
    size = Int(ring.size)
    taken = start
    used = start
  }

  /// Flags of a packed descriptor that mean available, and used, in the lap of that count (2.8.1).
  private func lapFlags(_ counter: Int) -> (available: UInt16, used: UInt16) {
    counter / size % 2 == 0 ? (1 << 7, 1 << 7 | 1 << 15) : (1 << 15, 0)
  }

  // MARK: Taking

  /// Buffers made available and not taken, of a split ring.
  var waiting: Int { Int(ring.available.load16(2) &- UInt16(truncatingIfNeeded: taken)) }

  mutating func take() -> Offer? { isPacked ? takePacked() : takeSplit() }

  mutating func take(_ count: Int) throws -> [Offer] {
    var offers: [Offer] = []
    while offers.count < count {
      guard let offer = take() else { throw Failure(EIO, "only ").number(offers.count).text(" buffers are available") }
      offers.append(offer)
    }
    return offers
  }

  private mutating func takeSplit() -> Offer? {
    if ring.available.load16Acquire(2) == UInt16(truncatingIfNeeded: taken) { return nil }
    let head = Int(ring.available.load16(4 + taken % size * 2))
    taken += 1
    var elements = [Element(ring.descriptors, head, isPacked: false)]
    while let last = elements.last, last.flags & Element.next != 0, elements.count < size {
      elements.append(Element(ring.descriptors, Int(last.nextOrID), isPacked: false))
    }
    return Offer(id: UInt32(head), elements: elements, table: DeviceSide.table(elements, isPacked: false))
  }

  private mutating func takePacked() -> Offer? {
    var elements: [Element] = []
    repeat {
      let counter = taken + elements.count
      let flags = UInt16(truncatingIfNeeded: ring.descriptors.load64Acquire(counter % size * 16 + 8) >> 48)
      if flags & 0x8080 != lapFlags(counter).available { return nil }
      elements.append(Element(ring.descriptors, counter % size, isPacked: true))
    } while elements[elements.count - 1].flags & Element.next != 0 && elements.count < size
    taken += elements.count
    // Only the last one's id means anything (2.8.6).
    let id = UInt32(elements[elements.count - 1].nextOrID)
    return Offer(id: id, elements: elements, table: DeviceSide.table(elements, isPacked: true))
  }

  private static func table(_ elements: [Element], isPacked: Bool) -> [Element] {
    guard elements.count == 1, elements[0].flags & Element.indirect != 0 else { return [] }
    let memory = elements[0].memory
    return (0..<Int(elements[0].length) / 16).map { Element(memory, $0, isPacked: isPacked) }
  }

  // MARK: Using

  /// Returns all of them with one entry, which names the last (2.7.9 and 2.8.8); a single one is a batch of one.
  mutating func use(_ batch: [Offer], length: UInt32) {
    guard let last = batch.last else { return }
    write(last.id, length, skipping: isPacked ? batch.reduce(0) { $0 + $1.elements.count } : batch.count)
  }

  mutating func use(_ offer: Offer, length: UInt32) { use([offer], length: length) }

  /// Writes one used entry, valid or not. A used packed descriptor's address and other flags mean nothing (2.8.4 and
  /// 2.8.6), so that they get arbitrary values.
  mutating func write(_ id: UInt32, _ length: UInt32, skipping entries: Int = 1) {
    if isPacked {
      let at = used % size * 16
      ring.descriptors.store64(at, 0xdead_dead_dead)
      ring.descriptors.store32(at + 8, length)
      ring.descriptors.store16(at + 12, UInt16(truncatingIfNeeded: id))
      ring.descriptors.store16Release(at + 14, lapFlags(used).used | Element.next | Element.write)
      used += entries
    } else {
      let at = 4 + used % size * 8
      ring.used.store32(at, id)
      ring.used.store32(at + 4, length)
      used += entries
      ring.used.store16Release(2, UInt16(truncatingIfNeeded: used))
    }
  }

  // MARK: Signals

  /// True if the driver requests a notification for what was used since `before`: by the flags alone or, with
  /// EVENT_IDX, by the entry that it named (2.7.7.1 and 2.8.10).
  func requestsNotification(since before: Int) -> Bool {
    shared_fence()
    if isPacked {
      let place = ring.available.load16(0)
      switch ring.available.load16(2) {
      case 0: return used != before
      case 1: return false
      case 2: return (before..<used).contains { DeviceSide.event($0, size) == place }
      default: return true
      }
    }
    if ring.shape.hasEventIndex {
      let event = ring.available.load16(4 + size * 2)
      return (before..<used).contains { UInt16(truncatingIfNeeded: $0) == event }
    }
    return used != before && ring.available.load16(0) & 1 == 0
  }

  /// The descriptor at that count as an event structure names it: its place, and the wrap counter above.
  static func event(_ counter: Int, _ size: Int) -> UInt16 {
    UInt16(counter % size) | (counter / size % 2 == 0 ? 0x8000 : 0)
  }

  enum NotificationRequest {
    case always, never
    /// When the entry at that count becomes available.
    case at(Int)
  }

  /// Writes when this device wants to be kicked.
  func ask(_ request: NotificationRequest) {
    let behind = 4 + size * 8
    switch (isPacked, request) {
    case (true, .always): ring.used.store16(2, 0)
    case (true, .never): ring.used.store16(2, 1)
    case (true, .at(let counter)):
      ring.used.store16(0, DeviceSide.event(counter, size))
      ring.used.store16(2, 2)
    case (false, .always): ring.used.store16(0, 0)
    case (false, .never): ring.used.store16(0, 1)
    case (false, .at(let counter)): ring.used.store16(behind, UInt16(truncatingIfNeeded: counter))
    }
  }
}
