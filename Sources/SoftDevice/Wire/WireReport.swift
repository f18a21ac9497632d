// SPDX-License-Identifier: BSD-2-Clause
//
// What a wire tells of itself: the frames that it lost, and why it carries no more.

import CLinux
import Linux

/// Whether there is something at a wire's other end. What is gone does not come back.
enum WireState { case up, down, gone }

/// What became of a frame that a wire was given.
enum Taking {
  case taken
  /// It is longer than the wire can carry.
  case long
  /// The wire is down or full.
  case refused

  /// What counts a frame that was not taken.
  @inline(__always) var count: DeviceCount? {
    switch self {
    case .taken: nil
    case .long: .fromDriverLong
    case .refused: .fromDriverWire
    }
  }
}

/// Why a device's wire carries no more frames, in one sentence: written by the device's thread, read by any.
// Safety: the cell is the device's block's, and lives as long as the device; the lock is held while the text is used.
struct Reason {
  struct State {
    var lock = SpinLock()
    var sentence = saved_sentence()
  }

  private let state: Cell<State>

  init(_ state: Cell<State>) { self.state = state }

  /// Keeps the sentence that the calling thread has just made, and logs it.
  @inline(never)
  func keep(_ failure: Failure, _ level: Log.Level = .error) {
    state.value.lock.lock()
    unsafe sentence_save(&state.value.sentence)
    state.value.lock.unlock()
    if Log.wanted(level) {
      let sentence = unsafe Text(sentence_get(Int32(SENTENCE_ERROR)), limit: Self.room) ?? Text("")
      Log.line("soft device:").text(sentence).send(level)
    }
  }

  @inline(never)
  func clear() {
    state.value.lock.lock()
    state.value.sentence.text.0 = 0
    state.value.lock.unlock()
  }

  static let room = MemoryLayout<saved_sentence>.size

  /// Copies the sentence, cut to fit; nothing but a zero if there is none.
  func copy(to target: UnsafeMutablePointer<CChar>, room: Int) {
    state.value.lock.lock()
    unsafe withUnsafeBytes(of: &state.value.sentence) { bytes in
      let text = unsafe Text(bytes.baseAddress?.assumingMemoryBound(to: CChar.self), limit: bytes.count)
      unsafe (text ?? Text("")).copy(to: target, room: room)
    }
    state.value.lock.unlock()
  }
}

/// What a wire gets to tell with.
struct WireReport {
  let counters: Counters
  let reason: Reason
}
