// SPDX-License-Identifier: BSD-2-Clause
//
// What the device asks of a ring, whatever its layout. A ring is a view that lives for one batch: it copies the queue's
// cursors, moves them, and is put back by Queue.commit. All of it is dispatched statically.

import Linux

enum Taken {
  case nothing
  case ready
  /// The driver broke a rule: its memory or its indices are not what they must be.
  case broken
}

protocol Ring: ~Copyable {
  /// No chain is available.
  var isEmpty: Bool { get }

  /// Takes the next available chain.
  mutating func take(_ chain: inout Chain, _ memory: inout Translation) -> Taken

  /// Undoes the last take.
  mutating func putBack(_ chain: borrowing Chain)

  /// Gives a chain back to the driver, `written` bytes of it filled; seen by it after publish.
  mutating func complete(_ chain: borrowing Chain, written: Int)

  /// Starts to load the memory of a chain that will be taken later.
  func prefetch(ahead: UInt16, _ memory: borrowing Translation)
}
