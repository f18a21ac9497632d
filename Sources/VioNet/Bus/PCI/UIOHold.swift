// SPDX-License-Identifier: BSD-2-Clause
//
// A PCI function bound to uio_pci_generic: configuration space and BARs through sysfs files, interrupts (INTx) through
// the uio device. There is no IOMMU: what the device is told are physical addresses.

import CLinux
import Linux

struct UIOHold {
  let address: PCIAddress
  private let configuration: Int32
  /// /dev/uioN: claimed, so that no other process takes the device, and readable when it interrupts.
  let interrupt: Int32

  init(_ address: PCIAddress) throws(Failure) {
    self.address = address
    configuration = try UIOHold.open(address.file("config"))
    do throws(Failure) {
      try UIOHold.checkPower(configuration, address)
      interrupt = try UIOHold.claim(try UIOHold.device(address))
    } catch {
      _ = sys_close(configuration)
      throw error
    }
  }

  /// Others are shown the first 64 bytes of a configuration space, and no physical address.
  private static func checkPower(_ configuration: Int32, _ address: PCIAddress) throws(Failure) {
    var byte: UInt8 = 0
    if unsafe sys_pread(configuration, &byte, 1, 64) == 1 { return }
    throw needsPower(Failure(EPERM, "cannot read all of ").plain(address.file("config")))
  }

  @inline(never)
  private static func needsPower(_ failure: Failure) -> Failure {
    failure.text("; a function bound to uio_pci_generic wants CAP_SYS_ADMIN: run as root, or bind it to vfio-pci")
  }

  /// The kernel stops the function's access to memory with the last one of these.
  func close() {
    _ = sys_close(configuration)
    _ = sys_close(interrupt)
  }

  /// The way of the PCI bus, whatever the virtio registers do; false if the function has none.
  func reset() -> Bool {
    let file = address.file("reset").open(O_WRONLY)
    if file < 0 { return false }
    defer { _ = sys_close(file) }
    return unsafe sys_write(file, "1", 1) == 1
  }

  /// Two masters would ruin each other, and the kernel lets anybody open it.
  private static func claim(_ path: Path) throws(Failure) -> Int32 {
    let file = try open(path)
    if sys_claim(file) == 0 { return file }
    _ = sys_close(file)
    throw Failure(EBUSY, "").plain(path).text(" is another port's, of this process or another")
  }

  private static func open(_ path: Path) throws(Failure) -> Int32 {
    try check(path.open(O_RDWR)) { cannotOpen(path, $0) }
  }

  private static func cannotOpen(_ path: Path, _ code: Int32) -> Failure {
    let failure = Failure(code, "cannot open ").plain(path).text(": ").reason(code)
    return code == EACCES || code == EPERM ? needsPower(failure) : failure
  }

  /// Fails as init would for want of a file or a permission, and opens nothing.
  static func checkAccess(_ address: PCIAddress) throws(Failure) {
    try checkAccess(address.file("config"))
    try checkAccess(try device(address))
  }

  private static func checkAccess(_ path: Path) throws(Failure) {
    _ = try check(path.mayUse()) { cannotOpen(path, $0) }
  }

  /// The only entry of the function's uio folder is the device's name.
  private static func device(_ address: PCIAddress) throws(Failure) -> Path {
    guard let name = Folder.first(address.file("uio"), { _ in true }) else {
      throw Failure(ENODEV, "PCI function ").plain(address.name).text(" has no uio device")
    }
    return Path("/dev/").adding(name)
  }

  /// Length of a BAR and whether it is of I/O ports, from the table in sysfs; nil if it is not there.
  func bar(_ index: Int) -> (length: UInt64, isPorts: Bool)? {
    let table = address.file("resource").open(O_RDONLY)
    if table < 0 { return nil }
    defer { _ = sys_close(table) }
    // Each line is "0x%016llx 0x%016llx 0x%016llx\\n": start, end, flags.
    var line = InlineArray<57, CChar>(repeating: 0)
    return unsafe withUnsafeMutableBytes(of: &line) { room in
      let base = unsafe room.baseAddress.unsafelyUnwrapped
      guard unsafe sys_pread(table, base, 57, UInt64(index * 57)) == 57 else { return nil }
      let text = unsafe Text(start: base.assumingMemoryBound(to: CChar.self), count: 57)
      let start = UIOHold.number(text, 2)
      let end = UIOHold.number(text, 21)
      // IORESOURCE_IO
      return end <= start ? nil : (end - start &+ 1, UIOHold.number(text, 40) & 0x100 != 0)
    }
  }

  private static func number(_ text: Text, _ from: Int) -> UInt64 {
    text.slice(from, from + 16).hexNumber ?? 0
  }

  /// The file of a BAR, for mapping or, if it is of ports, for reading and writing.
  func open(bar index: Int) throws(Failure) -> Int32 {
    try UIOHold.open(address.file("resource").adding(number: UInt32(index)))
  }

  /// The kernel has taken the function away, for which it does not wait: the uio device is in error, as it is without an
  /// interrupt too, and there is no configuration space any more.
  var isRevoked: Bool {
    var file = pollfd(fd: interrupt, events: 0, revents: 0)
    if unsafe sys_poll(&file, 1, 0) <= 0 { return false }
    var vendor: UInt16 = 0
    return unsafe !read(0, &vendor, 2)
  }

  func read(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) -> Bool {
    unsafe sys_pread(configuration, target, count, UInt64(offset)) == count
  }

  func write(_ offset: Int, _ source: UnsafeRawPointer, _ count: Int) -> Bool {
    unsafe sys_pwrite(configuration, source, count, UInt64(offset)) == count
  }
}
