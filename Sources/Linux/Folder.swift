// SPDX-License-Identifier: BSD-2-Clause
//
// The names in a directory, one after the other, in no order. The caller closes the folder that it has opened.

import CLinux

// Safety: `directory` is what opendir() gave, and is used until close(), which the caller calls once and last.
@safe
package struct Folder {
  private let directory: UnsafeMutableRawPointer

  package init(_ path: Path) throws(Failure) {
    var opened: UnsafeMutableRawPointer?
    _ = try check(unsafe path.withCString { name in unsafe directory_open(name, &opened) }) {
      Failure($0, "cannot read ").plain(path).text(": ").reason($0)
    }
    unsafe directory = opened.unsafelyUnwrapped
  }

  /// The next name, valid until the following call; nil after the last.
  package func next() -> Text? { unsafe Text(directory_next(directory), limit: 255) }

  package func close() { unsafe directory_close(directory) }

  /// The first name for which `isWanted` is true, as a file in the folder of this path.
  package static func first(_ path: Path, _ isWanted: (Text) -> Bool) -> Path? {
    guard let folder = Failure.quietly({ () throws(Failure) in try Folder(path) }) else { return nil }
    defer { folder.close() }
    while let name = folder.next() {
      if isWanted(name) { return Path("").adding(name) }
    }
    return nil
  }
}
