// SPDX-License-Identifier: BSD-2-Clause
//
// Files, folders and programs, for tests. Not Foundation, whose C headers and CLinux's do not go together.

import CLinux
import Linux

func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

func bytesOf(_ path: String) -> [UInt8] {
  let file = unsafe sys_open(path, O_RDONLY, 0)
  defer { _ = sys_close(file) }
  var all = [UInt8]()
  var chunk = [UInt8](repeating: 0, count: 65536)
  while true {
    let got = unsafe sys_read(file, &chunk, chunk.count)
    if got <= 0 { return all }
    all += chunk[..<got]
  }
}

func write(_ bytes: [UInt8], to path: String) {
  let file = unsafe sys_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
  unsafe _ = sys_write(file, bytes, bytes.count)
  _ = sys_close(file)
}

/// How many file descriptors this process has open.
func openFiles() -> Int { (0..<1024).count { sys_file_size(Int32($0)) != -Int64(EBADF) } }

/// Waits until that many are open: some are closed by a thread that may be late.
func untilOpenFiles(are count: Int) -> Bool {
  let deadline = Deadline(milliseconds: 60_000)
  while openFiles() != count {
    if deadline.hasPassed { return false }
    sys_sleep_microseconds(1000)
  }
  return true
}

/// A folder of its own for a test, of which nothing is left.
func withFolder(_ body: (String) throws -> Void) throws {
  var template = Array("/tmp/vionet-test-XXXXXX".utf8CString)
  guard let made = unsafe mkdtemp(&template) else { throw TestError("cannot make a folder") }
  let folder = unsafe String(cString: made)
  defer { run("rm -rf \(folder)") }
  try body(folder)
}

/// Runs a shell command; true if it succeeded.
@discardableResult
func run(_ command: String) -> Bool { unsafe system(command + " >/dev/null 2>&1") == 0 }

/// Copies of strings that tests look at through a Text, which is only a view: kept until the tests end.
private enum Kept {
  nonisolated(unsafe) static var lock = SpinLock()
  nonisolated(unsafe) static var copies: [UnsafeMutablePointer<CChar>] = unsafe []
}

func text(_ string: String) -> Text {
  guard let copy = unsafe strdup(string) else { return Text("") }
  unsafe Kept.lock.lock()
  unsafe Kept.copies.append(copy)
  unsafe Kept.lock.unlock()
  return unsafe Text(start: copy, count: string.utf8.count)
}
