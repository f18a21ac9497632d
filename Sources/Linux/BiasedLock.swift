// SPDX-License-Identifier: BSD-2-Clause
//
// A lock for what one thread uses nearly all the time. The lock is biased towards that thread, its owner, which takes it
// with two loads and a store, without an atomic operation or a fence. Another thread that wants the lock revokes the
// bias, which costs a system call. After some revocations the lock is biased no more: it is a spin lock from then on.
// A lock whose bytes are all zero is free.

import CLinux

// Safety: every word of the lock is read and written through `self`, in one access each, for as long as the call lasts.
package struct BiasedLock {
  private var word = SpinLock()
  /// A byte for each bias, not zero while its owner holds the lock: a late step of an earlier owner changes its own byte.
  private var inside: (UInt64, UInt64) = (0, 0)
  /// The owner's thread, with the number of the bias in the low four bits. Without an owner: the next number alone.
  private var bias: UInt64 = 0

  /// Numbers of biases fit beside a thread's address, which is a multiple of 16. The last number is never given out.
  private static let numbers: UInt64 = 16

  package init() {}

  /// Token from lock() that unlock() needs: the owner's bias, or `shared`.
  package typealias Token = UInt64
  package static var shared: Token { 0 }

  @inline(__always)
  package mutating func lock() -> Token {
    let seen = unsafe shared_load64(&bias)
    // For the owner only the number differs.
    if seen ^ thread_address() < BiasedLock.numbers {
      unsafe shared_mark(&inside, seen & 15, 1)
      compiler_barrier()
      // Still the owner? Whoever revokes the bias makes sure that either this thread sees it here, or they see the byte.
      if unsafe shared_load64_acquire(&bias) == seen { return seen }
      unsafe shared_mark(&inside, seen & 15, 0)
    }
    return lockSlowly()
  }

  @inline(__always)
  package mutating func unlock(_ token: Token) {
    if token == BiasedLock.shared { return word.unlock() }
    unsafe shared_mark(&inside, token & 15, 0)
  }

  @inline(never)
  private mutating func lockSlowly() -> Token {
    word.lock()
    let seen = unsafe shared_load64(&bias)
    if seen >= BiasedLock.numbers {
      revoke(seen)
    } else if seen != BiasedLock.numbers - 1 && Barrier.isCheap {
      let mine = thread_address() | seen
      unsafe shared_mark(&inside, seen, 1)
      unsafe shared_store64_release(&bias, mine)
      word.unlock()
      return mine
    }
    return BiasedLock.shared
  }

  /// Revokes the bias and waits until its owner has left. Call with `word` held.
  private mutating func revoke(_ owned: UInt64) {
    let number = owned & 15
    unsafe shared_store64(&bias, number &+ 1)
    Barrier.reachAll()
    var tries = 0
    while unsafe shared_marked(&inside, number) {
      SpinLock.pause(&tries)
    }
  }
}
