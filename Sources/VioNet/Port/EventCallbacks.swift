// SPDX-License-Identifier: BSD-2-Clause
//
// Events of all ports, delivered on the thread that caused or noticed them.

import CLinux
import CVionet
import Linux

@safe
struct EventEntry {
  var callback: UInt
  var user: UInt
}

/// The callbacks that programs added, in static storage.
struct EventCallbackTable {
  /// Held while entries are added, removed or copied.
  var lock: SpinLock
  var events: InlineArray<8, EventEntry>

  // Safety: the block is static and holds nothing else.
  static var shared: Cell<EventCallbackTable> { unsafe Cell(raw: storage_events()) }
}

package enum Events {
  typealias Callback = @convention(c) (UInt16, Int32, UnsafeMutableRawPointer?) -> Void

  package static func add(_ callback: vionet_event_callback?, _ user: UnsafeMutableRawPointer?) throws(Failure) {
    guard let callback = unsafe callback else { throw Failure(EINVAL, "the event callback is NULL") }
    let entry = unsafe EventEntry(callback: unsafeBitCast(callback, to: UInt.self), user: UInt(bitPattern: user))
    if !replace(EventEntry(callback: 0, user: 0), with: entry, comparingUser: false) {
      throw Failure(ENOSPC, "there are 8 event callbacks already, which is the limit")
    }
  }

  package static func remove(_ callback: vionet_event_callback?, _ user: UnsafeMutableRawPointer?) throws(Failure) {
    let entry = unsafe EventEntry(
      callback: callback.map { unsafe unsafeBitCast($0, to: UInt.self) } ?? 0, user: UInt(bitPattern: user))
    if entry.callback == 0 || !replace(entry, with: EventEntry(callback: 0, user: 0), comparingUser: true) {
      throw Failure(ENOENT, "no such event callback was added")
    }
  }

  private static func replace(_ old: EventEntry, with new: EventEntry, comparingUser: Bool) -> Bool {
    EventCallbackTable.shared.value.lock.lock()
    defer { EventCallbackTable.shared.value.lock.unlock() }
    for place in 0..<8 {
      let entry = EventCallbackTable.shared.value.events[place]
      if entry.callback == old.callback && (!comparingUser || entry.user == old.user) {
        EventCallbackTable.shared.value.events[place] = new
        return true
      }
    }
    return false
  }

  /// Calls every callback. No lock is held, so that they may read the port; a callback that is being removed meanwhile
  /// may still be called once. The thread's error sentence is what it was, whatever they do.
  static func raise(_ port: UInt16, _ event: vionet_event) {
    EventCallbackTable.shared.value.lock.lock()
    let entries = EventCallbackTable.shared.value.events
    EventCallbackTable.shared.value.lock.unlock()
    Failure.keepingSentence {
      for place in 0..<8 where entries[place].callback != 0 {
        let callback = unsafe unsafeBitCast(entries[place].callback, to: Callback.self)
        unsafe callback(port, Int32(event.rawValue), UnsafeMutableRawPointer(bitPattern: entries[place].user))
      }
    }
  }
}
