// SPDX-License-Identifier: BSD-2-Clause
//
// The guard of a served device's thread. A front-end may shorten a file that the device has mapped, or give one for whose
// pages there is no room: touching that would end the process, with all of its devices. Instead the device finds zeroes
// there from then on, and ends the session.

import CLinux
import Linux

// Safety: the maker gives zeroed room for a guard, which only the device's thread uses and which outlives it.
@safe
struct MemoryGuard {
  static let bytes = MemoryLayout<memory_guard>.stride

  private let state: UnsafeMutablePointer<memory_guard>
  /// Only files are taken that are sealed against shrinking.
  private let wantsSeals: Bool

  init(_ room: Bytes, wantsSeals: Bool) {
    unsafe state = room.base.assumingMemoryBound(to: memory_guard.self)
    self.wantsSeals = wantsSeals
  }

  /// False if a file of that kind is not taken.
  func accepts(_ file: Int32) -> Bool { !wantsSeals || sys_is_sealed(file) }

  /// Watches a mapping of a file, unless nobody can take its memory away; false if it cannot be watched.
  func watch(_ mapping: Bytes, of file: Int32) -> Bool {
    if sys_is_lasting(file) { return true }
    let result = unsafe memory_guard_watch(state, mapping.base, mapping.count)
    if result < 0, Log.wanted(.error) {
      Log.line("soft device: memory of a front-end cannot be watched:").reason(0 &- result).send(.error)
    }
    return result >= 0
  }

  func forget(_ mapping: Bytes) { unsafe memory_guard_forget(state, mapping.base) }

  /// Memory was touched that is gone.
  var isHit: Bool {
    get { unsafe shared_load32(&state.pointee.hit) != 0 }
    nonmutating set { unsafe shared_store32(&state.pointee.hit, newValue ? 1 : 0) }
  }

  /// The last call of the device's thread.
  func end() { unsafe memory_guard_end(state) }
}
