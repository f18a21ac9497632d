// SPDX-License-Identifier: BSD-2-Clause
//
// An Ethernet address.

import CLinux

package struct MACAddress {
  package var bytes: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)

  package init(_ bytes: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)) { self.bytes = bytes }

  /// An address written like "02:00:00:00:00:01"; nil if the text is none.
  package init?(_ text: Text) {
    guard let value = text.ethernetAddress else { return nil }
    self.init(bigEndian: value)
  }

  private init(bigEndian value: UInt64) {
    func byte(_ place: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: value >> (place * 8)) }
    bytes = (byte(5), byte(4), byte(3), byte(2), byte(1), byte(0))
  }

  /// A random address of the locally administered kind (virtio 1.4, 5.1.4.2).
  package static func random() throws(Failure) -> MACAddress {
    MACAddress(bigEndian: try randomNumber() & 0xfcff_ffff_ffff | 0x0200_0000_0000)
  }

  /// A random number of which addresses are made.
  // Safety: eight bytes are filled of a number of eight.
  package static func randomNumber() throws(Failure) -> UInt64 {
    var number: UInt64 = 0
    _ = try check(unsafe sys_random(&number, 8)) { Failure($0, "no random number for an address: ").reason($0) }
    return number
  }

  /// The bytes as they lie in memory, in the lower six of a number.
  // Safety: six bytes are stored into a number of eight.
  package var inMemory: UInt64 {
    var number: UInt64 = 0
    unsafe withUnsafeMutableBytes(of: &number) { room in unsafe room.storeBytes(of: bytes, as: type(of: bytes)) }
    return number
  }

  /// A station's address: not a group's, not all zero.
  package var isUsable: Bool {
    let any = bytes.0 | bytes.1 | bytes.2 | bytes.3 | bytes.4 | bytes.5
    return bytes.0 & 1 == 0 && any != 0
  }
}
