// SPDX-License-Identifier: BSD-2-Clause
//
// A lock for what one thread uses nearly all the time. It is lent to that thread, which takes it with two loads and a
// store, no atomic operation and no fence. Whoever else wants it takes the loan back, which costs a system call; after
// some such visits nobody is lent it any more, and it is a spin lock. All-zero is a lock that nobody has.

import CLinux

package struct BiasedLock {
  private var word = SpinLock()
  /// The borrower is inside: a byte for each loan, so that a late step of an earlier borrower meets nobody's.
  private var inside: (UInt64, UInt64) = (0, 0)
  /// The borrower's thread, with the number of the loan in the low four bits; while there is none, the next number alone.
  private var loan: UInt64 = 0

  /// Numbers fit beside a thread's address, which is a multiple of 16. The last of them is never lent.
  private static let numbers: UInt64 = 16

  package init() {}

  /// How it was taken, which unlock must be told: the loan, or `shared`.
  package typealias Hold = UInt64
  package static var shared: Hold { 0 }

  @inline(__always)
  package mutating func lock() -> Hold {
    let held = unsafe shared_load64(&loan)
    // Of the same thread only the number differs.
    if held ^ thread_address() < BiasedLock.numbers {
      unsafe shared_mark(&inside, held & 15, 1)
      compiler_barrier()
      // Still? Whoever takes the loan back makes sure that either we see that here, or they our mark.
      if unsafe shared_load64_acquire(&loan) == held { return held }
      unsafe shared_mark(&inside, held & 15, 0)
    }
    return lockSlowly()
  }

  @inline(__always)
  package mutating func unlock(_ hold: Hold) {
    if hold == BiasedLock.shared { return word.unlock() }
    unsafe shared_mark(&inside, hold & 15, 0)
  }

  @inline(never)
  private mutating func lockSlowly() -> Hold {
    word.lock()
    let held = unsafe shared_load64(&loan)
    if held >= BiasedLock.numbers {
      takeBack(held)
    } else if held != BiasedLock.numbers - 1 && Barrier.isCheap {
      let mine = thread_address() | held
      unsafe shared_mark(&inside, held, 1)
      unsafe shared_store64_release(&loan, mine)
      word.unlock()
      return mine
    }
    return BiasedLock.shared
  }

  /// With the lock's word: nobody has it on loan afterwards, and the borrower is outside.
  private mutating func takeBack(_ held: UInt64) {
    let number = held & 15
    unsafe shared_store64(&loan, number &+ 1)
    Barrier.reachAll()
    var tries = 0
    while unsafe shared_marked(&inside, number) {
      SpinLock.pause(&tries)
    }
  }
}
