// SPDX-License-Identifier: BSD-2-Clause
//
// What only a person at a terminal sees: colours, and a line that says what is waited for.

import Glibc

/// Colours of standard output: none if it is no terminal, or the user wants none (no-color.org).
enum Style: String {
  case bold = "1"
  case red = "31"
  case green = "32"
  case yellow = "33"

  static let isWanted = isatty(STDOUT_FILENO) == 1 && !isSet("NO_COLOR") && value("TERM") != "dumb"

  func on(_ text: String) -> String { Style.isWanted ? "\u{1b}[\(rawValue)m\(text)\u{1b}[0m" : text }

  private static func value(_ name: String) -> String? {
    unsafe getenv(name).map { unsafe String(cString: $0) }
  }
  private static func isSet(_ name: String) -> Bool { !(value(name) ?? "").isEmpty }
}

/// A line on standard error, if that is a terminal, from the first second of a wait on. It disappears with the wait.
// Safety: the lock guards `text` and `isOver`; both are destroyed with the object, which the thread keeps until it ends.
@safe
final class Progress: @unchecked Sendable {
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let bell = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var text: String
  private var isOver = false
  private var thread = pthread_t()
  private let isShown: Bool

  /// Does `body`, which may change the text meanwhile.
  static func during<Result>(_ text: String, _ body: (Progress) throws -> Result) rethrows -> Result {
    let progress = Progress(text)
    defer { progress.end() }
    return try body(progress)
  }

  private init(_ text: String) {
    self.text = text
    unsafe pthread_mutex_init(lock, nil)
    unsafe pthread_cond_init(bell, nil)
    guard isatty(STDERR_FILENO) == 1 else {
      isShown = false
      return
    }
    isShown = true
    let me = unsafe Unmanaged.passRetained(self).toOpaque()
    let result = unsafe pthread_create(
      &thread, nil,
      { argument in
        if let argument = unsafe argument { unsafe Unmanaged<Progress>.fromOpaque(argument).takeRetainedValue().show() }
        return nil
      }, me)
    if result != 0 {
      unsafe Unmanaged<Progress>.fromOpaque(me).release()
      isOver = true
    }
  }

  deinit {
    unsafe pthread_cond_destroy(bell)
    unsafe pthread_mutex_destroy(lock)
    unsafe lock.deallocate()
    unsafe bell.deallocate()
  }

  func say(_ text: String) {
    unsafe pthread_mutex_lock(lock)
    self.text = text
    unsafe pthread_mutex_unlock(lock)
  }

  private func end() {
    if !isShown || isOver { return }
    unsafe pthread_mutex_lock(lock)
    isOver = true
    unsafe pthread_cond_signal(bell)
    unsafe pthread_mutex_unlock(lock)
    pthread_join(thread, nil)
  }

  private func show() {
    let start = Clock.now
    var isVisible = false
    unsafe pthread_mutex_lock(lock)
    while !isOver {
      var time = timespec()
      unsafe clock_gettime(CLOCK_REALTIME, &time)
      time.tv_sec += 1
      _ = unsafe pthread_cond_timedwait(bell, lock, &time)
      if isOver { break }
      isVisible = true
      Progress.write("\r\u{1b}[K\(text) (\(Int(Clock.now - start)) s)")
    }
    unsafe pthread_mutex_unlock(lock)
    if isVisible { Progress.write("\r\u{1b}[K") }
  }

  private static func write(_ text: String) {
    let bytes = Array(text.utf8)
    _ = unsafe Glibc.write(STDERR_FILENO, bytes, bytes.count)
  }
}
