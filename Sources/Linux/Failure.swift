// SPDX-License-Identifier: BSD-2-Clause
//
// Errors: an errno that travels by typed throws, and a sentence for people that is written at once into the calling
// thread's buffer (vionet_error()). The sentence names the thing at fault; nothing is allocated for it.

import CLinux

package struct Failure: Error, Sendable {
  /// Positive, as in errno.h.
  package let code: Int32

  /// Begins a new sentence.
  @inline(never)
  package init(_ code: Int32, _ text: StaticString) {
    self.code = code
    sentence_begin(Sentence.error)
    Sentence.append(Sentence.error, text)
  }

  @inline(never)
  package func text(_ text: StaticString) -> Failure {
    Sentence.append(Sentence.error, text)
    return self
  }

  /// Puts text in quotation marks: a name, a path, an option.
  @inline(never)
  package func quoting(_ text: Text) -> Failure {
    Sentence.append(Sentence.error, "\"")
    Sentence.append(Sentence.error, text)
    Sentence.append(Sentence.error, "\"")
    return self
  }

  @inline(never)
  package func plain(_ text: Text) -> Failure {
    Sentence.append(Sentence.error, text)
    return self
  }

  @inline(never)
  package func number(_ number: Int) -> Failure {
    sentence_signed(Sentence.error, Int64(number))
    return self
  }

  @inline(__always)
  package func number(_ value: some FixedWidthInteger) -> Failure { number(Int(truncatingIfNeeded: value)) }

  @inline(never)
  package func hex(_ number: UInt64) -> Failure {
    sentence_hex(Sentence.error, number)
    return self
  }

  /// Adds the system's words for an errno value: "No such file or directory".
  @inline(never)
  package func reason(_ code: Int32) -> Failure {
    sentence_errno(Sentence.error, code)
    return self
  }
}

extension Failure {
  /// What a call in a forked child says of a thing that is its parent's.
  package static func isOfParent(_ thing: StaticString, _ number: UInt16) -> Failure {
    Failure(EPERM, thing).text(" ").number(number)
      .text(" is of the process from which this one was forked: open it anew here, after fork() or daemon()")
  }

  /// Runs code of the program's, whose own failures must not replace this thread's sentence.
  // Safety: the sentence is saved to and restored from a variable that lives as long as both calls.
  package static func keepingSentence(_ body: () -> Void) {
    var kept = saved_sentence()
    unsafe sentence_save(&kept)
    body()
    unsafe sentence_restore(&kept)
  }

  /// Does what may fail without a new sentence: an attempt, or the cleaning up after a failure whose sentence must stay.
  @discardableResult
  package static func quietly<Result>(_ body: () throws(Failure) -> Result) -> Result? {
    sentence_hold(1)
    defer { sentence_hold(0) }
    return try? body()
  }
}

/// Turns the result of a sys_ wrapper, which is negative on failure, into a value or a Failure made by `explain`.
@inline(__always)
package func check<Result: FixedWidthInteger & SignedInteger>(
  _ result: Result, _ explain: (Int32) -> Failure
) throws(Failure) -> Result {
  if result < 0 { throw explain(Int32(truncatingIfNeeded: 0 &- result)) }
  return result
}

/// The two per-thread texts of sentence.c.
enum Sentence {
  static let error = Int32(SENTENCE_ERROR)
  static let log = Int32(SENTENCE_LOG)

  static func append(_ which: Int32, _ text: StaticString) {
    append(which, Text(text))
  }

  // Safety: a text has `count` bytes.
  static func append(_ which: Int32, _ text: Text) {
    unsafe sentence_text(which, text.start, text.count)
  }
}
