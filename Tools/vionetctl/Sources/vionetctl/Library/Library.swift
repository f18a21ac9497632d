// SPDX-License-Identifier: BSD-2-Clause
//
// libvionet as Swift sees it: results that throw, character arrays that are strings.

import CVionet

/// An error that is told in one sentence.
struct Sentence: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

enum Library {
  static var version: String { unsafe String(cString: vionet_version()) }

  /// The sentence of this thread's last failed call.
  static var sentence: Sentence { unsafe Sentence(String(cString: vionet_error())) }

  /// Returns the result of a call, or throws the sentence of its failure.
  @discardableResult
  static func check(_ result: Int32) throws -> Int32 {
    if result < 0 { throw sentence }
    return result
  }

  /// The name of enum vionet_drop; its number if it has none.
  static func dropName(_ drop: Int) -> String {
    guard let name = unsafe vionet_drop_name(UInt32(drop)) else { return "reason \(drop)" }
    return unsafe String(cString: name)
  }

  /// A C string in an array of `char`, which is imported as a tuple.
  static func text<Room>(_ room: Room) -> String {
    unsafe withUnsafeBytes(of: room) { bytes in
      unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }

  /// A C string in an array of `char`; nil if it is empty.
  static func name<Room>(_ room: Room) -> String? {
    let text = text(room)
    return text.isEmpty ? nil : text
  }
}
