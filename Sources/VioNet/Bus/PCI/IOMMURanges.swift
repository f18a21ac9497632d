// SPDX-License-Identifier: BSD-2-Clause
//
// Addresses that an IOMMU takes: it may be as narrow as 39 bits, and it has gaps. The kernel gives them as a list of
// capabilities behind struct vfio_iommu_type1_info; each names the offset of the next (Linux, linux/vfio.h).

import CLinux
import Linux

struct IOMMURanges {
  private static let room = 2048
  private static let mostCapabilities = 16
  private static let flagsOffset = 4
  private static let capabilityOffset = 16
  // Fields of a capability: its id, the next one's offset, how many ranges, and the ranges, each a first and a last address.
  private static let nextOffset = 4
  private static let countOffset = 8
  private static let rangesOffset = 16
  private static let rangeBytes = 16

  private var info = InlineArray<256, UInt64>(repeating: 0)

  /// What the kernel says of a container; nothing if it says nothing.
  // Safety: argsz tells the kernel that `info` has `room` bytes, and it writes no more.
  init(_ container: Int32) {
    info[0] = UInt64(IOMMURanges.room)
    unsafe withUnsafeMutableBytes(of: &info) { bytes in
      if unsafe sys_ioctl(container, SYS_VFIO_IOMMU_GET_INFO, bytes.baseAddress) < 0 { unsafe bytes[4] = 0 }
    }
  }

  /// The highest address of all, if the IOMMU does not take all addresses from `first` to `last`; nil if it does, or if
  /// the kernel does not say.
  func end(ifOutside first: UInt64, _ last: UInt64) -> UInt64? {
    if word(IOMMURanges.flagsOffset) & UInt32(VFIO_IOMMU_INFO_CAPS) == 0 { return nil }
    guard let (at, count) = ranges() else { return nil }
    for range in 0..<count {
      let start = at + range * IOMMURanges.rangeBytes
      if first >= double(start) && last <= double(start + 8) { return nil }
    }
    return double(at + (count - 1) * IOMMURanges.rangeBytes + 8)
  }

  /// Where the ranges begin and how many there are; nil if there is no such capability, or one that does not fit.
  private func ranges() -> (at: Int, count: Int)? {
    var at = Int(word(IOMMURanges.capabilityOffset))
    for _ in 0..<IOMMURanges.mostCapabilities {
      if at == 0 || at > IOMMURanges.room - IOMMURanges.rangesOffset { return nil }
      if word(at) & 0xffff == UInt32(VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE) {
        let count = Int(word(at + IOMMURanges.countOffset))
        let start = at + IOMMURanges.rangesOffset
        return count > 0 && count <= (IOMMURanges.room - start) / IOMMURanges.rangeBytes ? (start, count) : nil
      }
      at = Int(word(at + IOMMURanges.nextOffset))
    }
    return nil
  }

  // Safety: offsets lie inside `room`: ranges() has checked those that the kernel gave.
  private func word(_ at: Int) -> UInt32 {
    unsafe withUnsafeBytes(of: info) { bytes in unsafe bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self) }
  }

  // Safety: as in word().
  private func double(_ at: Int) -> UInt64 {
    unsafe withUnsafeBytes(of: info) { bytes in unsafe bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self) }
  }
}
