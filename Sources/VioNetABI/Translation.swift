// SPDX-License-Identifier: BSD-2-Clause
//
// What entry points share: a Failure becomes a negative errno, and of a size-first struct as much is read or written as both
// sides know.

import CLinux
import CVionet
import Linux

/// 0, or the negative errno of what went wrong; its sentence is in vionet_error() already.
@inline(__always)
func result(_ body: () throws(Failure) -> Void) -> Int32 {
  do throws(Failure) {
    try body()
    return 0
  } catch {
    return code(of: error)
  }
}

/// The negative errno of a failure, whose sentence names the limit of the process that it may come from.
@inline(never)
private func code(of failure: Failure) -> Int32 { 0 - failure.namingLimit().code }

/// The number that a call returns, or the negative errno of what went wrong.
@inline(__always)
func number(_ body: () throws(Failure) -> Int32) -> Int32 {
  do throws(Failure) { return try body() } catch { return code(of: error) }
}

/// The packet that a call returns, or nil; the sentence of what went wrong is in vionet_error() already.
// Safety: the pointer is passed on.
@inline(__always)
func pointer(
  _ body: () throws(Failure) -> UnsafeMutablePointer<vionet_packet>
) -> UnsafeMutablePointer<vionet_packet>? {
  do throws(Failure) {
    return try unsafe body()
  } catch {
    _ = code(of: error)
    return nil
  }
}

// Safety: the pointer is compared, not followed.
func required<Pointee>(
  _ pointer: UnsafeMutablePointer<Pointee>?, _ name: StaticString
) throws(Failure) -> UnsafeMutablePointer<Pointee> {
  guard let pointer = unsafe pointer else { throw Failure(EINVAL, name).text(" is NULL") }
  return unsafe pointer
}

/// The characters of a text, which the compiler ends with a zero.
func characters(_ text: StaticString) -> UnsafePointer<CChar> {
  // Safety: a StaticString of ours always points to its bytes, which live as long as the library.
  unsafe UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

/// Structs that begin with their size, as vionet.h describes them.
// Safety: the caller's struct has as many bytes as its size field says; nothing beyond is read or written.
enum Sized {
  /// Copies the caller's struct. What an older caller's struct lacks stays zero; what a newer one has more must be zero.
  static func read<Value>(_ pointer: UnsafePointer<Value>, _ value: inout Value) throws(Failure) {
    let raw = unsafe UnsafeRawPointer(pointer)
    let size = try check(unsafe raw.load(as: Int.self))
    let known = MemoryLayout<Value>.size
    var place = known
    while place < size {
      if unsafe raw.load(fromByteOffset: place, as: UInt8.self) != 0 {
        throw Failure(E2BIG, "the struct is ").number(size).text(" bytes long, this library knows ").number(known)
          .text(" of them, and byte ").number(place).text(" is not zero")
      }
      place += 1
    }
    unsafe withUnsafeMutableBytes(of: &value) { bytes in
      unsafe bytes.copyMemory(from: UnsafeRawBufferPointer(start: raw, count: min(size, known)))
    }
  }

  /// Writes as much of `value` as the caller's struct holds, and leaves its size as the caller set it.
  static func write<Value>(_ pointer: UnsafeMutablePointer<Value>?, _ value: Value) throws(Failure) {
    let raw = unsafe UnsafeMutableRawPointer(try required(pointer, "the struct to fill"))
    let size = min(try check(unsafe raw.load(as: Int.self)), MemoryLayout<Value>.size)
    let first = MemoryLayout<Int>.size
    unsafe withUnsafeBytes(of: value) { bytes in
      guard let base = bytes.baseAddress else { return }
      unsafe (raw + first).copyMemory(from: base + first, byteCount: size - first)
    }
  }

  /// The distance between elements of a caller's list: the size that its first element states.
  static func step<Value>(_ list: UnsafeMutablePointer<Value>?) throws(Failure) -> Int {
    let step = try check(unsafe UnsafeRawPointer(try required(list, "list")).load(as: Int.self))
    if step % MemoryLayout<Value>.alignment == 0 { return step }
    throw Failure(EINVAL, "size is ").number(step).text(", which is no distance at which elements of a list can lie")
  }

  /// Writes one element of a list and says in it how much of it there is room for.
  static func write<Value>(
    _ list: UnsafeMutablePointer<Value>?, _ step: Int, _ index: Int, _ value: Value
  ) throws(Failure) {
    let element = unsafe UnsafeMutableRawPointer(try required(list, "list")) + index * step
    unsafe element.storeBytes(of: step, as: Int.self)
    try unsafe write(element.assumingMemoryBound(to: Value.self), value)
  }

  /// Checks a size field: it counts at least itself, and at most a page.
  private static func check(_ size: Int) throws(Failure) -> Int {
    if size < MemoryLayout<Int>.size || size > 4096 {
      throw Failure(EINVAL, "size is ").number(size).text(": set it to sizeof the struct, as VIONET_SIZED does")
    }
    return size
  }
}
