// SPDX-License-Identifier: BSD-2-Clause
//
// A piece of memory: of the front-end's, checked to lie inside one mapped region, or of the device's own. What is copied is cut to what both sides have, so that no arithmetic elsewhere can reach past the end.
//
// Frame contents are plain data: they may change while they are copied, which harms only the frame.

import CLinux
import Linux

// Safety: the maker gives `count` bytes that stay mapped; every method cuts what it does to those.
@safe
struct Bytes: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let count: Int

  @inline(__always)
  init(_ base: UnsafeMutableRawPointer, _ count: Int) {
    unsafe self.base = base
    self.count = count
  }

  @inline(__always) var shared: Shared { unsafe Shared(base) }

  /// What is behind the first `bytes`.
  @inline(__always)
  func dropping(_ bytes: Int) -> Bytes {
    let step = min(max(bytes, 0), count)
    return unsafe Bytes(base + step, count &- step)
  }

  /// The first `bytes`.
  @inline(__always)
  func first(_ bytes: Int) -> Bytes { unsafe Bytes(base, min(max(bytes, 0), count)) }

  /// Copies what fits into `target` and returns how much that was.
  @inline(__always) @discardableResult
  func copy(to target: Bytes) -> Int {
    let length = min(count, target.count)
    unsafe memcpy(target.base, base, length)
    return length
  }

  @inline(__always) func prefetchForWriting() { unsafe cpu_prefetch_write(base) }
  @inline(__always) func prefetch() { unsafe cpu_prefetch(base) }

  @inline(__always)
  func load<Word: FixedWidthInteger & BitwiseCopyable>(_ at: Int, as type: Word.Type) -> Word {
    if at < 0 || at > count &- MemoryLayout<Word>.size { return 0 }
    return unsafe base.loadUnaligned(fromByteOffset: at, as: type)
  }

  @inline(__always)
  func store<Word: FixedWidthInteger & BitwiseCopyable>(_ at: Int, _ word: Word) {
    if at < 0 || at > count &- MemoryLayout<Word>.size { return }
    unsafe base.storeBytes(of: word, toByteOffset: at, as: Word.self)
  }

  /// A byte; 0 outside.
  subscript(at: Int) -> UInt8 {
    get { load(at, as: UInt8.self) }
    nonmutating set { store(at, newValue) }
  }

  func clear() { unsafe _ = memset(base, 0, count) }
}

/// A block of zeroed memory, of which a device's tables are parts. A large block takes memory only where it is used.
// Safety: `raw` is `count` bytes of this block's own, freed by deinit alone; parts of it are used by the device that has it.
@safe
struct Block: ~Copyable {
  private static let large = 16384

  private let raw: UnsafeMutableRawPointer
  let count: Int

  init(_ count: Int) throws(Failure) {
    guard let raw = unsafe Self.allocate(count) else {
      throw Failure(ENOMEM, "no memory for ").number(count).text(" bytes of a soft device")
    }
    unsafe self.raw = raw
    self.count = count
  }

  deinit {
    if count < Self.large { unsafe free(raw) } else { unsafe _ = sys_unmap(raw, count) }
  }

  private static func allocate(_ count: Int) -> UnsafeMutableRawPointer? {
    if count < large { return unsafe Heap.zeroed(count) }
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    return unsafe sys_map(nil, count, PROT_READ | PROT_WRITE, flags, -1, 0)
  }

  var bytes: Bytes { unsafe Bytes(raw, count) }

  /// `count` values that start `at` bytes into the block, which has them.
  func table<Element>(_ type: Element.Type, at: Int, count: Int) -> Table<Element> {
    assert(at % 64 == 0 && at + MemoryLayout<Element>.stride * count <= self.count)
    return unsafe Table(base: (raw + at).assumingMemoryBound(to: type), count: count)
  }

  /// One value that lies `at` bytes into the block, which has room for it.
  func cell<Value>(_ type: Value.Type, at: Int) -> Cell<Value> {
    unsafe Cell(table(type, at: at, count: 1).base)
  }

  func part(at: Int, count: Int) -> Bytes { bytes.dropping(at).first(count) }
}
