// SPDX-License-Identifier: BSD-2-Clause
//
// Keys of a device address that only PCI functions have.

import CLinux
import Linux

package struct PCIOptions {
  /// Which addresses the device is given.
  enum Addresses {
    /// Those that the device's features ask for (virtio 1.4, 6.1).
    case asOffered
    /// Those that an IOMMU translates.
    case virtual
    case physical
  }

  var addresses = Addresses.asOffered
  /// The token of a virtual function; nil if none is given.
  var token: VFToken?

  package init() {}

  /// Takes one key of a device address; false if it is not one of these.
  package mutating func set(_ key: Text, _ value: Text) throws(Failure) -> Bool {
    if key.equals("iova") {
      if !value.equals("va") && !value.equals("pa") {
        throw Failure(EINVAL, "option \"iova\" takes va or pa, not ").quoting(value)
      }
      addresses = value.equals("va") ? .virtual : .physical
    } else if key.equals("vf_token") {
      token = try VFToken(value)
    } else {
      return false
    }
    return true
  }
}

/// The UUID that the owner of a physical function and the owner of each of its virtual functions tell the kernel, so that a
/// program does not get a virtual function of one whom it does not know (Linux, drivers/vfio/pci/vfio_pci_core.c).
struct VFToken {
  private var characters = InlineArray<36, UInt8>(repeating: 0)

  /// Takes text like "14d63f20-8445-11ea-8900-1f9ce7d5650d".
  init(_ text: Text) throws(Failure) {
    guard text.count == characters.count else { throw VFToken.noUUID(text) }
    for place in 0..<characters.count {
      let isDash = place == 8 || place == 13 || place == 18 || place == 23
      let isRight = isDash ? text[place] == UInt8(ascii: "-") : text.slice(place, place + 1).hexNumber != nil
      if !isRight { throw VFToken.noUUID(text) }
      characters[place] = text[place]
    }
  }

  private static func noUUID(_ text: Text) -> Failure {
    Failure(EINVAL, "option \"vf_token\" takes a UUID like 14d63f20-8445-11ea-8900-1f9ce7d5650d, not ").quoting(text)
  }

  /// The function's name with the token behind it, as VFIO_GROUP_GET_DEVICE_FD takes it.
  func added(to name: Path) -> Path {
    var longer = name.adding(" vf_token=")
    for place in 0..<characters.count { longer.append(characters[place]) }
    return longer
  }
}
