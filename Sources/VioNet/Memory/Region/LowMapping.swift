// SPDX-License-Identifier: BSD-2-Clause
//
// Where shared memory is mapped. An IOMMU may be only 39 bits wide, and the driver's addresses serve as the device's, so
// that a file is mapped below 256 GiB if there is room; between two addresses if these leave something of that out;
// anywhere if there is no room.

import CLinux
import Linux

enum LowMapping {
  private static let bottom: UInt = 64 << 30
  private static let top: UInt = 256 << 30
  /// Below are a program that does not move and its heap, above is the kernel.
  private static let lowest: UInt = 1 << 20
  private static let highest: UInt = (1 << 47) - (2 << 20)
  private static let mostTries = 64

  /// Where the last mapping ended: places below are seldom free.
  // Safety: a hint only. A torn or stale value costs a longer search.
  private nonisolated(unsafe) static var next: UInt64 = 0

  /// Maps `length` bytes of a file, at a multiple of `alignment`; nil if they cannot be mapped at all. `place`: where to
  /// try first, where such a mapping was before; 0 for none.
  // Safety: nothing is mapped over: sys_map() without MAP_FIXED finds free addresses.
  static func map(_ length: Int, alignment: Int, _ file: Int32, from first: UInt64, to last: UInt64, at place: UInt)
    -> UnsafeMutableRawPointer?
  {
    let (size, step) = (UInt(length), UInt(alignment))
    if place != 0, place % step == 0, let mapped = unsafe mapAt(place, size, file) { return unsafe mapped }
    let mapped =
      unsafe first <= bottom && last >= top - 1
      ? mapUsually(size, step, file) : mapBetween(UInt(first), UInt(last), size, step, file)
    return unsafe mapped ?? sys_map(nil, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
  }

  /// Maps the file at this place, or nil if anything is there.
  // Safety: MAP_FIXED_NOREPLACE replaces no other mapping. A kernel that does not know it takes the address for a hint;
  // then the mapping is elsewhere and is removed.
  private static func mapAt(_ place: UInt, _ length: UInt, _ file: Int32) -> UnsafeMutableRawPointer? {
    let wanted = unsafe UnsafeMutableRawPointer(bitPattern: place)
    let flags = MAP_SHARED | MAP_FIXED_NOREPLACE
    guard let mapped = unsafe sys_map(wanted, Int(length), PROT_READ | PROT_WRITE, flags, file, 0) else { return nil }
    if unsafe mapped == wanted { return unsafe mapped }
    unsafe _ = sys_unmap(mapped, Int(length))
    return nil
  }

  private static func roundUp(_ number: UInt, _ step: UInt) -> UInt { (number + step - 1) / step * step }

  // Safety: `next` is read and written as one word each; a place that another thread took meanwhile is not free, and the
  // one behind it is tried.
  private static func mapUsually(_ length: UInt, _ alignment: UInt, _ file: Int32) -> UnsafeMutableRawPointer? {
    if length > top - bottom { return nil }
    let step = roundUp(length, max(alignment, 2 << 20))
    var place = unsafe UInt(shared_load64(&next))
    for _ in 0..<mostTries {
      if place < bottom || place > top - length { place = bottom }
      if let mapped = unsafe mapAt(place, length, file) {
        unsafe shared_store64(&next, UInt64(place + step))
        return unsafe mapped
      }
      place += step
    }
    return nil
  }

  /// Tries places from the end down, since a heap grows from below. The steps lead through all of the range, since what
  /// is in the way may be much larger than the mapping.
  // Safety: a fresh anonymous mapping, which nobody else has yet.
  private static func mapBetween(
    _ first: UInt, _ last: UInt, _ length: UInt, _ alignment: UInt, _ file: Int32
  ) -> UnsafeMutableRawPointer? {
    let (first, last) = (max(first, lowest), min(last, highest))
    if last < first || last - first < length - 1 { return nil }
    let step = roundUp(max((last - first) / UInt(mostTries), length), alignment)
    var place = (last - (length - 1)) / alignment * alignment
    for _ in 0..<mostTries where place >= first {
      if let mapped = unsafe mapAt(place, length, file) { return unsafe mapped }
      if place < step { return nil }
      place -= step
    }
    return nil
  }
}
