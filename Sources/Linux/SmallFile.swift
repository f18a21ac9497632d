// SPDX-License-Identifier: BSD-2-Clause
//
// A short file of the kernel's, of lines with a name and a number: /proc/meminfo, memory.stat, or one with a number alone.

import CLinux

// Safety: `bytes` has `count` bytes of the file, and outlives the texts that point into it: body() has returned by then.
@safe
struct SmallFile {
  private static let room = 4096
  private var bytes = InlineArray<4096, CChar>(repeating: 0)
  private var count = 0

  /// Nil if there is no such file, or it cannot be read. Of a longer one only the first 4096 bytes are looked at.
  init?(_ path: Path) {
    let file = File(owning: path.open(O_RDONLY))
    if !file.isOpen { return nil }
    let number = file.number
    let got = unsafe withUnsafeMutableBytes(of: &bytes) { room in
      unsafe room.baseAddress.map { unsafe sys_read(number, $0, SmallFile.room) } ?? -1
    }
    if got < 0 { return nil }
    count = got
  }

  /// Calls `body` with each line until it returns something.
  func first<Result>(_ body: (Text) -> Result?) -> Result? {
    unsafe withUnsafeBytes(of: bytes) { raw in
      guard let base = raw.baseAddress else { return nil }
      var rest: Text? = unsafe Text(start: base.assumingMemoryBound(to: CChar.self), count: count)
      while let text = rest {
        let parts = text.split(at: 0x0a)
        if let found = body(parts?.head ?? text) { return found }
        rest = parts?.tail
      }
      return nil
    }
  }

  /// The number that the file is; nil if it is none, as "max".
  var number: UInt64? { first { $0.isEmpty ? nil : $0.unsignedNumber } }

  /// The number in the line of that name, behind blanks.
  @inline(never)
  func number(_ name: StaticString) -> UInt64? {
    first { line in
      guard let (head, tail) = line.split(at: 0x20), head.equals(name) else { return nil }
      var start = 0
      while tail[start] == 0x20 { start += 1 }
      let digits = tail.slice(start, tail.count)
      return (digits.split(at: 0x20)?.head ?? digits).unsignedNumber
    }
  }
}
