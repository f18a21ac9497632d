// SPDX-License-Identifier: BSD-2-Clause
//
// The callbacks of vionet_event_add(), which get the events of all ports on the thread that caused or noticed them.

import CLinux
import CVionet
import Linux

/// Callbacks are kept as numbers, so that entries can be compared.
struct EventCallback {
  var function: UInt
  var user: UInt

  static var none: EventCallback { EventCallback(function: 0, user: 0) }
}

/// All callbacks, in static storage.
struct EventCallbackTable {
  static let limit = 8

  /// Held while entries are added, removed or copied.
  var lock: SpinLock
  var entries: InlineArray<8, EventCallback>

  // Safety: the block is static and holds nothing else.
  static var shared: Cell<EventCallbackTable> { unsafe Cell(raw: storage_events()) }

  /// Removes all, whoever holds the lock: a forked child has one thread.
  mutating func forget() {
    lock = SpinLock()
    entries = InlineArray(repeating: EventCallback.none)
  }
}

package enum EventCallbacks {
  typealias Function = @convention(c) (UInt16, Int32, UnsafeMutableRawPointer?) -> Void

  // Safety: the function pointer is kept as a number and turned back into itself by raise().
  package static func add(_ callback: vionet_event_callback?, _ user: UnsafeMutableRawPointer?) throws(Failure) {
    guard let callback = unsafe callback else { throw Failure(EINVAL, "the event callback is NULL") }
    PortSlots.leaveToParentInChild()
    let entry = unsafe EventCallback(function: unsafeBitCast(callback, to: UInt.self), user: UInt(bitPattern: user))
    if !replace(EventCallback.none, with: entry, comparingUser: false) {
      throw Failure(ENOSPC, "there are ").number(EventCallbackTable.limit)
        .text(" event callbacks already, which is the limit")
    }
  }

  // Safety: as add().
  package static func remove(_ callback: vionet_event_callback?, _ user: UnsafeMutableRawPointer?) throws(Failure) {
    let entry = unsafe EventCallback(
      function: callback.map { unsafe unsafeBitCast($0, to: UInt.self) } ?? 0, user: UInt(bitPattern: user))
    if entry.function == 0 || !replace(entry, with: EventCallback.none, comparingUser: true) {
      throw Failure(ENOENT, "no such event callback was added")
    }
  }

  private static func replace(_ old: EventCallback, with new: EventCallback, comparingUser: Bool) -> Bool {
    let table = EventCallbackTable.shared
    table.value.lock.lock()
    defer { table.value.lock.unlock() }
    for place in 0..<EventCallbackTable.limit {
      let entry = table.value.entries[place]
      if entry.function == old.function && (!comparingUser || entry.user == old.user) {
        table.value.entries[place] = new
        return true
      }
    }
    return false
  }

  /// Calls every callback. No lock is held, so that they may read the port; one that is being removed meanwhile may still be
  /// called once. The thread's error sentence stays as it was, whatever they do.
  // Safety: entries hold what add() was given.
  static func raise(_ port: UInt16, _ event: vionet_event) {
    let table = EventCallbackTable.shared
    table.value.lock.lock()
    let entries = table.value.entries
    table.value.lock.unlock()
    Failure.keepingSentence {
      for place in 0..<EventCallbackTable.limit where entries[place].function != 0 {
        let callback = unsafe unsafeBitCast(entries[place].function, to: Function.self)
        unsafe callback(port, Int32(event.rawValue), UnsafeMutableRawPointer(bitPattern: entries[place].user))
      }
    }
  }
}
