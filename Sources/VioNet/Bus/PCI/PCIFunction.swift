// SPDX-License-Identifier: BSD-2-Clause
//
// What sysfs says of a PCI function, and whether it is opened through VFIO, through UIO, or not at all. In the last case a
// sentence says why, and which command mends that.

import CLinux
import Linux

struct PCIFunction {
  // The vendor, and the modern and transitional number of a net device (virtio 1.4, 4.1.2).
  static let vendorVirtio: UInt32 = 0x1af4
  static let deviceModern: UInt32 = 0x1041
  static let deviceTransitional: UInt32 = 0x1000

  enum Driver {
    case none
    case vfio
    case uio
    /// Another driver in the kernel, such as virtio-pci.
    case kernel
  }

  let address: PCIAddress
  let vendor: UInt32
  let device: UInt32
  let driver: Driver

  var isTransitional: Bool { device == PCIFunction.deviceTransitional }
  var isVirtioNet: Bool {
    vendor == PCIFunction.vendorVirtio && (device == PCIFunction.deviceModern || isTransitional)
  }

  init(_ address: PCIAddress) throws(Failure) {
    self.address = address
    vendor = try PCIFunction.number(address.file("vendor"), address)
    device = try PCIFunction.number(address.file("device"), address)
    driver = PCIFunction.link(address.file("driver")) { name in
      if name.equals("vfio-pci") { return .vfio }
      if name.equals("uio_pci_generic") { return .uio }
      return name.isEmpty ? .none : .kernel
    }
  }

  /// Fails unless the function is a virtio-net device.
  func checkKind() throws(Failure) {
    if isVirtioNet { return }
    throw Failure(ENODEV, "PCI function ").plain(address.name).text(" is ").hex(UInt64(vendor)).text(":")
      .hex(UInt64(device)).text(", not a virtio-net device (0x1af4:0x1041 or 0x1af4:0x1000)")
  }

  /// Fails unless the function is bound to a driver through which we can use it.
  func check() throws(Failure) {
    try checkKind()
    switch driver {
    case .vfio, .uio: return
    case .none:
      throw mended(Failure(ENODEV, "PCI function ").plain(address.name).text(" has no driver"))
    case .kernel:
      throw mended(
        PCIFunction.link(address.file("driver")) { name in
          Failure(EBUSY, "PCI function ").plain(address.name).text(" belongs to the kernel's driver ").plain(name)
        })
    }
  }

  /// Adds the command that binds the function for our use.
  private func mended(_ failure: Failure) -> Failure {
    failure.text(IOMMUGroup(address) == nil ? ": vionetctl bind uio_pci_generic " : ": vionetctl bind vfio-pci ")
      .plain(address.name)
  }

  /// Reads the number in a file that holds one like "0x1af4".
  // Safety: at most 15 of the 16 bytes are read, and the text ends where they do.
  private static func number(_ file: Path, _ address: PCIAddress) throws(Failure) -> UInt32 {
    var bytes = InlineArray<16, CChar>(repeating: 0)
    let opened = File(
      owning: try Linux.check(file.open(O_RDONLY)) {
        Failure(ENODEV, "there is no PCI function ").plain(address.name).text(": ").reason($0)
      })
    return unsafe withUnsafeMutableBytes(of: &bytes) { room in
      guard let base = room.baseAddress else { return 0 }
      let count = unsafe sys_read(opened.number, base, 15)
      let text = unsafe Text(start: base.assumingMemoryBound(to: CChar.self), count: max(0, count))
      return UInt32(text.slice(2, 6).hexNumber ?? 0)
    }
  }

  /// Calls `body` with the last part of a symbolic link's target, which is empty if there is no link.
  // Safety: the link's target fills at most 255 of the 256 bytes, and the text does not outlive the closure.
  static func link<Result>(_ file: Path, _ body: (Text) -> Result) -> Result {
    var bytes = InlineArray<256, CChar>(repeating: 0)
    return unsafe withUnsafeMutableBytes(of: &bytes) { room in
      let base = unsafe room.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CChar.self)
      let count = unsafe file.withCString { name in unsafe sys_readlink(name, base, 255) }
      var text = unsafe Text(start: base, count: max(0, Int(count)))
      while let (_, tail) = text.split(at: UInt8(ascii: "/")) { text = tail }
      return body(text)
    }
  }
}
