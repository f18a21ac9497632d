// SPDX-License-Identifier: BSD-2-Clause
//
// The last sentence that a call of the program's left in vionet_error(), on the thread that serves the control socket. What
// requests leave there is told apart from it: a sentence that was there after the last round is none of the program's.

import CLinux
import CVionetControl
import Linux

struct LastError: ~Copyable {
  private static let longest = 400

  private var sentence = Answer()
  /// The hash of the sentence that was there last.
  private var seen = LastError.hash(Text(""))

  /// Takes what the program's calls have left since overlook().
  @inline(never)
  // Safety: the sentence is a C string that stays until this thread's next failing call.
  mutating func look() {
    guard let text = unsafe Text(vionet_error(), limit: LastError.longest) else { return }
    let hash = LastError.hash(text)
    if hash == seen { return }
    seen = hash
    sentence.clear()
    sentence.add(printable: text)
  }

  /// What is there now is of requests.
  @inline(never)
  // Safety: as in look().
  mutating func overlook() {
    if let text = unsafe Text(vionet_error(), limit: LastError.longest) { seen = LastError.hash(text) }
  }

  /// A line "sentence TEXT"; nothing if no call has failed.
  func write(to answer: inout Answer) {
    if sentence.isEmpty { return }
    answer.add("sentence ")
    answer.add(sentence)
    answer.add("\n")
  }

  /// FNV-1a.
  private static func hash(_ text: Text) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for place in 0..<text.count { hash = (hash ^ UInt64(text[place])) &* 0x100_0000_01b3 }
    return hash
  }
}
