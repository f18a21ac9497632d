// SPDX-License-Identifier: BSD-2-Clause
//
// The virtio-net header's first ten bytes (virtio 1.4, 5.1.9), and a tunnel's offsets: what is left to do on a frame. A
// header is read once into this, checked against the frame, and fitted to what the driver that will get it has agreed to.

import CLinux
import Linux
import Virtio

struct NetHeader {
  /// Flags, kind of segmentation, header length, segment size, checksum start; little-endian as they stand.
  var first: UInt64 = 0
  /// Checksum offset.
  var second: UInt16 = 0
  /// Where the headers of a tunnel lie; of a header that names one.
  var tunnel = TunnelOffsets()

  /// A header that leaves nothing to do.
  @inline(__always) init() {}

  /// The header of a packet that the driver sends. That a checksum was found right is not the driver's to say (5.1.9.2.1);
  /// a packet in a tunnel of which it does is refused (5.1.9.2.2), so that the flag stays there.
  @inline(__always)
  init(ofDriver bytes: Bytes, hasTunnel: Bool) {
    self.init(bytes, hasTunnel: hasTunnel)
    if segmentation & Segmentation.tunnels == 0 { first &= ~UInt64(NetHeaderFlag.dataValid) }
  }

  /// What stands at the beginning of `bytes`, with a tunnel's offsets if a header has them.
  @inline(__always)
  init(_ bytes: Bytes, hasTunnel: Bool = false) {
    first = UInt64(littleEndian: bytes.load(0, as: UInt64.self))
    second = UInt16(littleEndian: bytes.load(8, as: UInt16.self))
    if hasTunnel {
      tunnel.outerTransport = UInt16(littleEndian: bytes.load(NetHeaderLayout.outerTransport, as: UInt16.self))
      tunnel.innerNetwork = UInt16(littleEndian: bytes.load(NetHeaderLayout.innerNetwork, as: UInt16.self))
    }
  }

  /// The checksum from `start` to the end belongs `offset` behind `start`.
  init(checksumFrom start: Int, at offset: Int) {
    first = UInt64(NetHeaderFlag.needsChecksum) | UInt64(start) << 48
    second = UInt16(offset)
  }

  /// The checksum was found right.
  init(isValid: Bool) { first = isValid ? UInt64(NetHeaderFlag.dataValid) : 0 }

  @inline(__always) var isPlain: Bool { first & 0xffff == 0 }
  var flags: UInt8 { UInt8(truncatingIfNeeded: first) }
  var segmentation: UInt8 { UInt8(truncatingIfNeeded: first >> 8) }
  var segmentSize: Int { Int(first >> 32 & 0xffff) }
  var checksumStart: Int { Int(first >> 48) }
  var checksumEnd: Int { checksumStart &+ Int(second) &+ 2 }
  var isSegmented: Bool { segmentation != Segmentation.none }

  @inline(__always)
  func store(to bytes: Bytes) {
    bytes.store(0, first.littleEndian)
    bytes.store(8, second.littleEndian)
  }

  /// Stores a header of that many bytes; num_buffers is the caller's.
  @inline(__always)
  func store(to bytes: Bytes, bytes count: Int) {
    store(to: bytes)
    if count > NetHeaderLayout.bytes { storeRest(to: bytes, bytes: count) }
  }

  /// Stores what only longer headers have: no hash, and with tunnels their offsets.
  @inline(never)
  private func storeRest(to bytes: Bytes, bytes count: Int) {
    bytes.store(NetHeaderLayout.hash, UInt64(0))
    if count < NetHeaderLayout.bytesWithTunnel { return }
    bytes.store(NetHeaderLayout.outerTransport, tunnel.outerTransport.littleEndian)
    bytes.store(NetHeaderLayout.innerNetwork, tunnel.innerNetwork.littleEndian)
  }

  /// The feature that a driver must have agreed to, to be given frames of this kind; nil if there is no such kind.
  private var guestFeature: UInt64? {
    switch segmentation & ~(Segmentation.ecn | Segmentation.tunnels) {
    case Segmentation.tcp4: Feature.guestTSO4
    case Segmentation.tcp6: Feature.guestTSO6
    case Segmentation.udp: Feature.guestUSO4 | Feature.guestUSO6
    default: nil
    }
  }

  /// True if the driver takes packets in such a tunnel, and the places of its headers can be right (5.1.9.4.1).
  private func fitsTunnel(_ above: UInt64, _ length: Int) -> Bool {
    // tested by OffloadTests
    if above & HigherFeature.guestTunnel == 0 || !TunnelOffsets.isSound(segmentation) { return false }
    if flags & NetHeaderFlag.tunnelChecksum != 0 && above & HigherFeature.guestTunnelChecksum == 0 { return false }
    if flags & NetHeaderFlag.dataValid != 0 { return false }
    return tunnel.fit(segmentation, transport: UInt16(checksumStart), total: UInt32(length))
  }

  enum Fit {
    case asIs
    /// The checksum has to be put in here, since the driver would not; what was asked for.
    case completed(NetHeader)
    case impossible
  }

  /// Leaves in the header of a frame of `length` bytes only what a driver with these features may see (5.1.9.4.1).
  mutating func fit(_ features: UInt64, _ above: UInt64, length: Int) -> Fit {
    if segmentation & Segmentation.tunnels != 0 && !fitsTunnel(above, length) { return .impossible }
    let isTunnelled = segmentation & Segmentation.tunnels != 0
    let wantsChecksum = flags & NetHeaderFlag.needsChecksum != 0
    if wantsChecksum && checksumEnd > length { return .impossible }  // tested by OffloadTests
    if isSegmented {
      // tested by OffloadTests
      guard let needed = guestFeature, features & needed == needed else { return .impossible }
      if segmentation & Segmentation.ecn != 0 && features & Feature.guestECN == 0 { return .impossible }
      if !wantsChecksum || segmentSize == 0 { return .impossible }  // tested by OffloadTests
    }
    let knowsChecksums = features & Feature.guestChecksum != 0
    if !knowsChecksums {
      let asked = self
      self = NetHeader()
      return wantsChecksum ? .completed(asked) : .asIs
    }
    if wantsChecksum {
      let kept = NetHeaderFlag.needsChecksum | (isTunnelled ? flags & NetHeaderFlag.tunnelChecksum : 0)
      first = first & ~0xff | UInt64(kept)
    } else {
      first = UInt64(flags & NetHeaderFlag.dataValid)
      second = 0
    }
    return .asIs
  }
}
