// SPDX-License-Identifier: BSD-2-Clause
//
// vionet_watch_set(): a callback for all that bursts of a port move and drop. It comes and goes as a stop does: bursts are
// kept out, and let in again through other functions.

import CLinux
import CVionet
import Linux

extension Ports {
  /// Sets the watcher of a port; a function of 0 removes it.
  // Safety: the function pointer is kept as a number and turned back into itself by Watcher.call().
  package static func setWatcher(
    _ number: UInt16, _ callback: vionet_watch_callback?, _ user: UnsafeMutableRawPointer?
  ) throws(Failure) {
    let watcher = unsafe Watcher(
      function: callback.map { unsafe unsafeBitCast($0, to: UInt.self) } ?? 0, user: UInt(bitPattern: user))
    do throws(Failure) {
      try with(number) { (port) throws(Failure) in try port.value.setWatcher(watcher) }
    } catch {
      try checkStranded(number, watcher)
      throw error
    }
    try checkStranded(number, watcher)
  }

  /// Who removes a watcher by its user takes the user's memory back: not while a thread may still be inside.
  private static func checkStranded(_ number: UInt16, _ watcher: Watcher) throws(Failure) {
    if watcher.function != 0 || watcher.user == 0 { return }
    if Stranded.isCalled(number, user: watcher.user) { throw Port.burstStays(number) }
  }
}

extension Port {
  /// Bursts go through a watcher.
  var isWatched: Bool { PortSlots.all[number].watcher != 0 }

  fileprivate mutating func setWatcher(_ watcher: Watcher) throws(Failure) {
    if watcher.function == 0 {
      if watcher.user != 0 && isWatched && userOfWatcher != watcher.user {
        throw Failure(EBUSY, "port ").number(number).text(" has another watcher")
      }
      return try exchangeWatcher(nil)
    }
    if isWatched {
      throw Failure(EBUSY, "port ").number(number).text(" has a watcher, and can have one at a time")
    }
    guard let made = Cell.make(watcher) else { throw Failure(ENOMEM, "no memory for a watcher") }
    do throws(Failure) {
      try exchangeWatcher(made)
    } catch {
      made.destroy()
      throw error
    }
  }

  /// What the port's watcher is called with; 0 without one.
  // Safety: exchangeWatcher() has set the address, and only it and a close change it, under the lock that this has.
  private var userOfWatcher: UInt {
    guard let raw = unsafe UnsafeMutableRawPointer(bitPattern: PortSlots.all[number].watcher) else { return 0 }
    return unsafe Cell<Watcher>(raw: raw).value.user
  }

  /// Returns when no thread is inside a burst that calls the former watcher. If one stays, all is as before.
  private mutating func exchangeWatcher(_ watcher: Cell<Watcher>?) throws(Failure) {
    if watcher == nil && !isWatched { return }
    if phase.isStarted { try disableBursts() }
    forgetWatcher(isQuiet: true)
    // Safety: the address of a watcher is never 0.
    PortSlots.all[number].watcher = watcher.map { unsafe UInt(bitPattern: $0.raw) } ?? 0
    if phase.isStarted { enableBursts() }
  }

  /// Forgets the watcher. One that a thread may still call stays (strandWatcher).
  // Safety: exchangeWatcher() has set the address, and no burst is at work.
  func forgetWatcher(isQuiet: Bool) {
    guard let raw = unsafe UnsafeMutableRawPointer(bitPattern: PortSlots.all[number].watcher) else { return }
    PortSlots.all[number].watcher = 0
    if isQuiet { unsafe Cell<Watcher>(raw: raw).destroy() }
  }
}
