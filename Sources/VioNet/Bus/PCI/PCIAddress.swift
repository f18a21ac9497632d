// SPDX-License-Identifier: BSD-2-Clause
//
// The address of a PCI function, and where sysfs describes the function.

import CLinux
import Linux

/// An address of the form domain:bus:device.function.
struct PCIAddress {
  let domain: UInt32
  let bus: UInt32
  let device: UInt32
  let function: UInt32

  /// Parses "0000:00:05.0". The domain may be left out, and so may leading zeroes.
  init?(_ text: Text) {
    guard let (left, functionText) = text.split(at: UInt8(ascii: ".")),
      let function = PCIAddress.hex(functionText, limit: 7)
    else { return nil }
    guard let (first, rest) = left.split(at: UInt8(ascii: ":")) else { return nil }
    let parts = rest.split(at: UInt8(ascii: ":"))
    let domainText = parts == nil ? Text("0") : first
    let (busText, deviceText) = parts ?? (first, rest)
    guard let domain = PCIAddress.hex(domainText, limit: 0xffff), let bus = PCIAddress.hex(busText, limit: 0xff),
      let device = PCIAddress.hex(deviceText, limit: 0x1f)
    else { return nil }
    self.domain = domain
    self.bus = bus
    self.device = device
    self.function = function
  }

  init(parsing text: Text) throws(Failure) {
    guard let address = PCIAddress(text) else {
      throw Failure(EINVAL, "").quoting(text).text(" is not a PCI address like 0000:00:05.0")
    }
    self = address
  }

  private static func hex(_ text: Text, limit: UInt32) -> UInt32? {
    guard text.count <= 4, let value = text.hexNumber, value <= limit else { return nil }
    return UInt32(value)
  }

  /// The address as sysfs and VFIO write it.
  var name: Path {
    var path = Path("")
    path.append(number: domain, base: 16, width: 4)
    path.append(UInt8(ascii: ":"))
    path.append(number: bus, base: 16, width: 2)
    path.append(UInt8(ascii: ":"))
    path.append(number: device, base: 16, width: 2)
    path.append(UInt8(ascii: "."))
    path.append(number: function, base: 16, width: 1)
    return path
  }

  /// A file in the function's sysfs folder.
  func file(_ leaf: StaticString) -> Path {
    PCIAddress.folder.adding("/").adding(name).adding("/").adding(leaf)
  }

  /// The sysfs folder of all PCI functions.
  // Safety: in debug builds only, a test sets the variable before it asks.
  static var folder: Path {
    #if DEBUG
      if let madeUp = unsafe madeUp { return madeUp }
    #endif
    return Path("/sys/bus/pci/devices")
  }

  #if DEBUG
    /// A folder that a test uses instead.
    // Safety: only single-threaded tests write it, before they use it.
    nonisolated(unsafe) static var madeUp: Path?
  #endif
}

extension PCIAddress {
  /// A number for each address, in the same order as the addresses.
  var number: UInt32 { domain << 16 | bus << 8 | device << 3 | function }

  init(number: UInt32) {
    domain = number >> 16
    bus = number >> 8 & 0xff
    device = number >> 3 & 0x1f
    function = number & 7
  }
}
