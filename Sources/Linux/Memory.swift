// SPDX-License-Identifier: BSD-2-Clause
//
// Private memory and views of memory. Whoever makes a view sees to it that the memory is there and stays: a Cell points
// at one live value, a Table at `count` of them, Shared at memory that another thread or process writes too. Debug builds
// check the indices of a Table. Release builds do not: ring code masks its indices, other code counts up to `count`.

import CLinux

/// One value on the heap.
// Safety: the maker gives a pointer to a live value, which is not used after destroy().
@safe
package struct Cell<Value: ~Copyable>: @unchecked Sendable {
  package let pointer: UnsafeMutablePointer<Value>

  @inline(__always)
  package init(_ pointer: UnsafeMutablePointer<Value>) { unsafe self.pointer = pointer }

  @inline(__always)
  package init(raw: UnsafeMutableRawPointer) { unsafe pointer = raw.assumingMemoryBound(to: Value.self) }

  @inline(__always)
  package var raw: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(pointer) }

  @inline(__always)
  package var value: Value {
    unsafeAddress { unsafe UnsafePointer(pointer) }
    nonmutating unsafeMutableAddress { unsafe pointer }
  }
}

// Safety: make() initialises the room it got before anybody has the pointer; destroy() is the last call.
extension Cell where Value: ~Copyable {
  /// Room for one value, on its own cache lines, zeroed and then initialised; nil when there is no memory.
  package static func make(_ value: consuming Value) -> Cell? {
    guard let raw = unsafe Heap.zeroed(MemoryLayout<Value>.stride) else { return nil }
    let pointer = unsafe raw.assumingMemoryBound(to: Value.self)
    unsafe pointer.initialize(to: value)
    return unsafe Cell(pointer)
  }

  /// Ends the value's life and gives its memory back.
  package func destroy() {
    unsafe pointer.deinitialize(count: 1)
    unsafe free(pointer)
  }
}

/// `count` trivial values in a row.
// Safety: the maker gives `count` initialised values; indices stay below that, which debug builds check.
@safe
package struct Table<Element>: @unchecked Sendable {
  package let base: UnsafeMutablePointer<Element>
  package let count: Int

  @inline(__always)
  package init(base: UnsafeMutablePointer<Element>, count: Int) {
    unsafe self.base = base
    self.count = count
  }

  @inline(__always)
  package subscript(index: Int) -> Element {
    unsafeAddress {
      assert(index >= 0 && index < count)
      return unsafe UnsafePointer(base + index)
    }
    nonmutating unsafeMutableAddress {
      assert(index >= 0 && index < count)
      return unsafe base + index
    }
  }

  @inline(__always)
  package subscript(index: UInt16) -> Element {
    unsafeAddress {
      assert(Int(index) < count)
      return unsafe UnsafePointer(base + Int(index))
    }
    nonmutating unsafeMutableAddress {
      assert(Int(index) < count)
      return unsafe base + Int(index)
    }
  }

  /// All bytes zero; nil when there is no memory.
  package static func make(count: Int) -> Table? {
    guard let raw = unsafe Heap.zeroed(MemoryLayout<Element>.stride * count) else { return nil }
    return unsafe Table(base: raw.assumingMemoryBound(to: Element.self), count: count)
  }

  package func destroy() { unsafe free(base) }
}

// Safety: the kernel gives zeroed pages, at least as long as the table; giveBackPages() is the last call.
extension Table {
  private static func pageBytes(_ count: Int) -> Int {
    let page = sys_page_size()
    return (max(MemoryLayout<Element>.stride * count, 1) + page - 1) / page * page
  }

  /// All bytes zero, on pages of their own that take memory when they are first written, for a table that may never be; nil
  /// when there is none. Ends with giveBackPages().
  package static func onPages(count: Int) -> Table? {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS
    guard let raw = unsafe sys_map(nil, pageBytes(count), PROT_READ | PROT_WRITE, flags, -1, 0) else { return nil }
    return unsafe Table(base: raw.assumingMemoryBound(to: Element.self), count: count)
  }

  package func giveBackPages() { unsafe _ = sys_unmap(base, Table.pageBytes(count)) }
}

// Safety: memset() writes the bytes that aligned_alloc() has just given.
package enum Heap {
  /// Whole cache lines of zeroes; nil when there is no memory. Ends with free().
  package static func zeroed(_ bytes: Int) -> UnsafeMutableRawPointer? {
    let rounded = (max(bytes, 1) + 63) & ~63
    guard let raw = unsafe aligned_alloc(64, rounded) else { return nil }
    unsafe memset(raw, 0, rounded)
    return unsafe raw
  }
}

/// Memory that another thread, a device or another process writes too. Every load and store is one access, in the order
/// its name says, and the compiler neither repeats nor omits it.
// Safety: the maker gives the memory's start; offsets are those of a layout that fits it, or are masked.
@safe
package struct Shared: @unchecked Sendable {
  package let base: UnsafeMutableRawPointer

  @inline(__always)
  package init(_ base: UnsafeMutableRawPointer) { unsafe self.base = base }

  @inline(__always) package func advanced(_ bytes: Int) -> Shared { unsafe Shared(base + bytes) }
  @inline(__always) package var address: UInt64 { unsafe UInt64(UInt(bitPattern: base)) }
  @inline(__always) package func load8(_ at: Int) -> UInt8 { unsafe shared_load8(base + at) }
  @inline(__always) package func load16(_ at: Int) -> UInt16 { unsafe shared_load16(base + at) }
  @inline(__always) package func load32(_ at: Int) -> UInt32 { unsafe shared_load32(base + at) }
  @inline(__always) package func load64(_ at: Int) -> UInt64 { unsafe shared_load64(base + at) }
  @inline(__always) package func load16Acquire(_ at: Int) -> UInt16 { unsafe device_load16_acquire(base + at) }
  @inline(__always) package func load64Acquire(_ at: Int) -> UInt64 { unsafe device_load64_acquire(base + at) }
  @inline(__always) package func store8(_ at: Int, _ v: UInt8) { unsafe shared_store8(base + at, v) }
  @inline(__always) package func store16(_ at: Int, _ v: UInt16) { unsafe shared_store16(base + at, v) }
  @inline(__always) package func store32(_ at: Int, _ v: UInt32) { unsafe shared_store32(base + at, v) }
  @inline(__always) package func store64(_ at: Int, _ v: UInt64) { unsafe shared_store64(base + at, v) }
  @inline(__always) package func store16Release(_ at: Int, _ v: UInt16) { unsafe device_store16_release(base + at, v) }
  @inline(__always) package func store64Release(_ at: Int, _ v: UInt64) { unsafe device_store64_release(base + at, v) }
  @inline(__always) package func store32Release(_ at: Int, _ v: UInt32) { unsafe device_store32_release(base + at, v) }
  @inline(__always) package func exchange32Acquire(_ at: Int, _ v: UInt32) -> UInt32 {
    unsafe shared_exchange32_acquire(base + at, v)
  }
  /// Stores `v` if there is `old`; true if it did.
  @inline(__always) package func replace64(_ at: Int, _ old: UInt64, _ v: UInt64) -> Bool {
    unsafe shared_replace64(base + at, old, v)
  }
  @inline(__always) package func add64(_ at: Int, _ v: UInt64) { unsafe shared_add64(base + at, v) }
  @inline(__always) package func prefetch(_ at: Int) { unsafe cpu_prefetch(base + at) }
  @inline(__always) package func prefetchForWriting(_ at: Int) { unsafe cpu_prefetch_write(base + at) }
}
