// SPDX-License-Identifier: BSD-2-Clause
//
// A PCI function bound to uio_pci_generic: configuration space and BARs are sysfs files, and INTx interrupts come through the
// uio device. No IOMMU stands before the device, so that it is given physical addresses.

import CLinux
import Linux

// Safety: system calls read and write local values, or buffers whose size the caller passes with them.
struct UIOAccess: ~Copyable {
  let address: PCIAddress
  private var configuration: File
  /// The file /dev/uioN: locked, so that no other process takes the device, and readable when the device interrupts.
  private(set) var interrupt: File

  init(_ address: PCIAddress) throws(Failure) {
    let configuration = try UIOAccess.open(address.file("config"))
    try UIOAccess.checkPower(configuration.number, address)
    let interrupt = try UIOAccess.claim(try UIOAccess.device(address))
    self.address = address
    self.configuration = configuration
    self.interrupt = interrupt
  }

  /// Fails without CAP_SYS_ADMIN: others see only 64 bytes of the configuration space, and no physical address.
  private static func checkPower(_ configuration: Int32, _ address: PCIAddress) throws(Failure) {
    var byte: UInt8 = 0
    if unsafe sys_pread(configuration, &byte, 1, 64) == 1 { return }
    throw needsPower(Failure(EPERM, "cannot read all of ").plain(address.file("config")))
  }

  @inline(never)
  private static func needsPower(_ failure: Failure) -> Failure {
    failure.text("; a function bound to uio_pci_generic wants CAP_SYS_ADMIN: run as root, or bind it to vfio-pci")
  }

  /// Lets go of the function. The kernel stops its access to memory when the last of these files is closed.
  mutating func close() {
    configuration.close()
    interrupt.close()
  }

  /// Resets the function through the PCI bus; false if it cannot be reset that way.
  func reset() -> Bool {
    let file = File(owning: address.file("reset").open(O_WRONLY))
    return unsafe file.isOpen && sys_write(file.number, "1", 1) == 1
  }

  /// Opens and locks the uio device: two drivers would ruin each other's work, and the kernel lets anyone open it.
  private static func claim(_ path: Path) throws(Failure) -> File {
    let file = try open(path)
    if sys_claim(file.number) == 0 { return file }
    throw Failure(EBUSY, "").plain(path).text(" is another port's, of this process or another")
  }

  private static func open(_ path: Path) throws(Failure) -> File { try File.open(path) { cannotOpen(path, $0) } }

  private static func cannotOpen(_ path: Path, _ code: Int32) -> Failure {
    let failure = Failure(code, "cannot open ").plain(path).text(": ").reason(code)
    return code == EACCES || code == EPERM ? needsPower(failure) : failure
  }

  /// Fails as init would if a file or a permission is missing, but opens nothing.
  static func checkAccess(_ address: PCIAddress) throws(Failure) {
    try checkAccess(address.file("config"))
    try checkAccess(try device(address))
  }

  private static func checkAccess(_ path: Path) throws(Failure) {
    _ = try check(path.mayUse()) { cannotOpen(path, $0) }
  }

  /// The function's uio device, whose name is the only entry of its uio folder.
  private static func device(_ address: PCIAddress) throws(Failure) -> Path {
    guard let name = Folder.first(address.file("uio"), { _ in true }) else {
      throw Failure(ENODEV, "PCI function ").plain(address.name).text(" has no uio device")
    }
    return Path("/dev/").adding(name)
  }

  /// The length of a BAR and whether it has I/O ports, from the table in sysfs; nil if there is no such BAR.
  func bar(_ index: Int) -> (length: UInt64, isPorts: Bool)? {
    let table = File(owning: address.file("resource").open(O_RDONLY))
    if !table.isOpen { return nil }
    // Each line is "0x%016llx 0x%016llx 0x%016llx\\n": start, end, flags.
    var line = InlineArray<57, CChar>(repeating: 0)
    return unsafe withUnsafeMutableBytes(of: &line) { room in
      let base = unsafe room.baseAddress.unsafelyUnwrapped
      guard unsafe sys_pread(table.number, base, 57, UInt64(index * 57)) == 57 else { return nil }
      let text = unsafe Text(start: base.assumingMemoryBound(to: CChar.self), count: 57)
      let start = UIOAccess.number(text, 2)
      let end = UIOAccess.number(text, 21)
      // 0x100 is IORESOURCE_IO.
      return end <= start ? nil : (end - start &+ 1, UIOAccess.number(text, 40) & 0x100 != 0)
    }
  }

  private static func number(_ text: Text, _ from: Int) -> UInt64 {
    text.slice(from, from + 16).hexNumber ?? 0
  }

  /// Opens the file of a BAR: memory is mapped, ports are read and written.
  func open(bar index: Int) throws(Failure) -> File {
    try UIOAccess.open(address.file("resource").adding(number: UInt32(index)))
  }

  /// True if the kernel has taken the function away, for which it does not wait. Then the uio device is in error, as it also
  /// is for a function without an interrupt, and the configuration space cannot be read.
  var isRevoked: Bool {
    var file = pollfd(fd: interrupt.number, events: 0, revents: 0)
    if unsafe sys_poll(&file, 1, 0) <= 0 { return false }
    var vendor: UInt16 = 0
    return unsafe !read(0, &vendor, 2)
  }

  func read(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) -> Bool {
    unsafe sys_pread(configuration.number, target, count, UInt64(offset)) == count
  }

  func write(_ offset: Int, _ source: UnsafeRawPointer, _ count: Int) -> Bool {
    unsafe sys_pwrite(configuration.number, source, count, UInt64(offset)) == count
  }
}
