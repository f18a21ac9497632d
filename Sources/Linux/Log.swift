// SPDX-License-Identifier: BSD-2-Clause
//
// Log lines, built piece by piece in the calling thread's buffer:
//
//     if Log.wanted(.debug) { Log.line("status").hex(value).send(.debug) }
//
// Pieces are separated by one blank. A line that is not wanted costs one call.

import CLinux

package struct Log {
  package enum Level: Int32, Sendable {
    case error = 1
    case info = 2
    case debug = 3
  }

  package static func wanted(_ level: Level) -> Bool { log_wanted(level.rawValue) != 0 }

  package static func line(_ text: StaticString) -> Log {
    sentence_begin(Sentence.log)
    Sentence.append(Sentence.log, text)
    return Log()
  }

  package func text(_ text: StaticString) -> Log {
    Sentence.append(Sentence.log, " ")
    Sentence.append(Sentence.log, text)
    return self
  }

  package func text(_ text: Text) -> Log {
    Sentence.append(Sentence.log, " ")
    Sentence.append(Sentence.log, text)
    return self
  }

  /// Adds the system's words for an errno value.
  package func reason(_ code: Int32) -> Log {
    Sentence.append(Sentence.log, " ")
    sentence_errno(Sentence.log, code)
    return self
  }

  package func number(_ value: some FixedWidthInteger) -> Log {
    Sentence.append(Sentence.log, " ")
    sentence_signed(Sentence.log, Int64(truncatingIfNeeded: value))
    return self
  }

  package func hex(_ value: some FixedWidthInteger) -> Log {
    Sentence.append(Sentence.log, " ")
    sentence_hex(Sentence.log, UInt64(truncatingIfNeeded: value))
    return self
  }

  package func send(_ level: Level) { log_deliver(level.rawValue) }
}
