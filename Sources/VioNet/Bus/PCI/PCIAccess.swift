// SPDX-License-Identifier: BSD-2-Clause
//
// Access to a PCI function, the same through VFIO and through UIO: configuration space, BARs, I/O ports, interrupts, and the
// device's view of memory.

import CLinux
import Linux

// Safety: system calls read and write local values, or buffers whose size the caller passes with them.
enum PCIAccess: ~Copyable {
  case vfio(VFIOAccess)
  case uio(UIOAccess)

  static func open(_ function: PCIFunction, _ options: PCIOptions) throws(Failure) -> PCIAccess {
    try function.check()
    let address = function.address
    if options.token != nil && function.driver != .vfio {
      throw Failure(EINVAL, "vf_token: PCI function ").plain(address.name)
        .text(" is bound to uio_pci_generic, not to vfio-pci")
    }
    let access: PCIAccess =
      function.driver == .vfio ? .vfio(try VFIOAccess(address, options.token)) : .uio(try UIOAccess(address))
    try access.enable()
    return access
  }

  /// Lets go of the function. After that the caller unmaps the memory shared with it, and then calls leave().
  mutating func close() {
    switch consume self {
    case .vfio(var access):
      access.device.close()
      self = .vfio(access)
    case .uio(var access):
      access.close()
      self = .uio(access)
    }
  }

  /// Leaves the function's IOMMU group, if it has one.
  mutating func leave() {
    switch consume self {
    case .vfio(var access):
      access.membership.leave()
      self = .vfio(access)
    case .uio(let access): self = .uio(access)
    }
  }

  /// True if no IOMMU stands between the device and memory, so that the device is given physical addresses.
  var usesPhysicalAddresses: Bool {
    switch self {
    case .vfio(let access): !access.membership.hasIOMMU
    case .uio: true
    }
  }

  // MARK: Configuration space

  /// Copies `count` bytes from `offset`; false if they cannot be read.
  func readConfiguration(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) -> Bool {
    switch self {
    case .vfio(let access):
      guard let region = access.region(Int32(VFIO_PCI_CONFIG_REGION_INDEX)) else { return false }
      return unsafe sys_pread(access.device.number, target, count, region.offset + UInt64(offset)) == count
    case .uio(let access): return unsafe access.read(offset, target, count)
    }
  }

  private func writeConfiguration(_ offset: Int, _ source: UnsafeRawPointer, _ count: Int) -> Bool {
    switch self {
    case .vfio(let access):
      guard let region = access.region(Int32(VFIO_PCI_CONFIG_REGION_INDEX)) else { return false }
      return unsafe sys_pwrite(access.device.number, source, count, region.offset + UInt64(offset)) == count
    case .uio(let access): return unsafe access.write(offset, source, count)
    }
  }

  /// Makes the device answer, and lets it read and write memory.
  func enable() throws(Failure) {
    if !changeCommand(set: PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY | PCI_COMMAND_IO, clear: 0) {
      throw Failure(EIO, "the PCI function's command register cannot be changed")
    }
  }

  /// Forbids the device to read and write memory. False if the register does not show that.
  func stopBusMaster() -> Bool {
    var command: UInt16 = 0
    return unsafe changeCommand(set: 0, clear: PCI_COMMAND_MASTER)
      && readConfiguration(Int(PCI_COMMAND), &command, 2) && command & UInt16(PCI_COMMAND_MASTER) == 0
  }

  private func changeCommand(set: Int32, clear: Int32) -> Bool {
    var command: UInt16 = 0
    if unsafe !readConfiguration(Int(PCI_COMMAND), &command, 2) { return false }
    command = command & ~UInt16(clear) | UInt16(set)
    return unsafe writeConfiguration(Int(PCI_COMMAND), &command, 2)
  }

  /// True if something answers at the function's place on the bus.
  var isOnBus: Bool {
    var status: UInt16 = 0
    return unsafe readConfiguration(Int(PCI_STATUS), &status, 2) && !ConfigurationSpace.isAbsent(status: status)
  }

  /// True if the kernel has taken the function away, whatever its registers read as.
  var isRevoked: Bool {
    switch self {
    case .vfio: false
    case .uio(let access): access.isRevoked
    }
  }

  /// Resets the function through the PCI bus, which does not depend on its virtio registers. False if that fails.
  func reset() -> Bool {
    switch self {
    case .vfio(let access): access.reset()
    case .uio(let access): access.reset()
    }
  }

  // MARK: BARs

  /// Bytes of a memory BAR; 0 if there is none.
  func memoryLength(bar: Int) -> UInt64 {
    switch self {
    case .vfio(let access):
      guard let region = access.region(Int32(bar)), region.flags & UInt32(VFIO_REGION_INFO_FLAG_MMAP) != 0 else {
        return 0
      }
      return region.size
    case .uio(let access):
      guard let (length, isPorts) = access.bar(bar), !isPorts else { return 0 }
      return length
    }
  }

  /// Maps a whole memory BAR. The caller unmaps it.
  func map(bar: Int, length: Int) throws(Failure) -> Shared {
    let base: UnsafeMutableRawPointer?
    switch self {
    case .vfio(let access):
      let offset = access.region(Int32(bar))?.offset ?? 0
      unsafe base = sys_map(nil, length, PROT_READ | PROT_WRITE, MAP_SHARED, access.device.number, Int64(offset))
    case .uio(let access):
      let file = try access.open(bar: bar)
      unsafe base = sys_map(nil, length, PROT_READ | PROT_WRITE, MAP_SHARED, file.number, 0)
    }
    guard let base = unsafe base else { throw Failure(ENOMEM, "BAR ").number(bar).text(" cannot be mapped") }
    return unsafe Shared(base)
  }

  /// Opens BAR 0 as I/O ports.
  func openPorts() throws(Failure) -> PCIPorts {
    switch self {
    case .vfio(let access):
      // VFIO does not say whether a BAR has memory or ports, but the BAR's register does.
      var register: UInt32 = 0
      let isRead = unsafe readConfiguration(Int(PCI_BASE_ADDRESS_0), &register, 4)
      if isRead, register & UInt32(PCI_BASE_ADDRESS_SPACE_IO) != 0, let region = access.region(0) {
        var file = try access.device.borrowed.duplicate()
        return PCIPorts(file: File(owning: file.take()), offset: region.offset, length: Int(clamping: region.size))
      }
    case .uio(let access):
      if let (length, isPorts) = access.bar(0), isPorts {
        return PCIPorts(file: try access.open(bar: 0), offset: 0, length: Int(clamping: length))
      }
    }
    throw Failure(ENOTSUP, "BAR 0 has no I/O ports, which the legacy interface needs")
  }

  // MARK: Memory and interrupts

  func share(_ address: UInt64, _ length: UInt64) throws(Failure) {
    switch self {
    case .vfio(let access): try access.membership.map(address, length)
    case .uio: break
    }
  }

  func unshare(_ address: UInt64, _ length: UInt64) {
    switch self {
    case .vfio(let access): access.membership.unmap(address, length)
    case .uio: break
    }
  }

  /// Signals the eventfd when the function is about to be unplugged, if the kernel says so.
  func watchRemoval(_ event: Int32) {
    if event < 0 { return }
    var event = event
    unsafe _ = setInterrupts(VFIO_PCI_REQ_IRQ_INDEX, &event, 1)
  }

  /// Connects INTx. Returns a descriptor that is readable after an interrupt, -1 if there is none. If a descriptor had to be
  /// made, `event` owns it.
  func openLine(_ event: inout File) -> Int32 {
    switch self {
    case .vfio(let access):
      event = File.eventIfPossible()
      var number = event.number
      let isConnected =
        unsafe event.isOpen
        && vfio_set_interrupts(access.device.number, UInt32(VFIO_PCI_INTX_IRQ_INDEX), &number, 1) == 0
      if !isConnected { event.close() }
      return event.number
    case .uio(let access): return access.interrupt.number
    }
  }

  func closeLine() {
    unsafe _ = setInterrupts(VFIO_PCI_INTX_IRQ_INDEX, nil, 0)
  }

  /// Takes the last interrupt and unmasks the line, which the kernel masks with each interrupt.
  func rearmLine(_ line: Int32) {
    switch self {
    case .vfio(let access):
      _ = sys_eventfd_drain(line)
      _ = vfio_unmask_line(access.device.number)
    case .uio: rearmLineByCommand(line)
    }
  }

  private func rearmLineByCommand(_ line: Int32) {
    var pending = pollfd(fd: line, events: Int16(POLLIN), revents: 0)
    var count: UInt32 = 0
    if unsafe sys_poll(&pending, 1, 0) > 0 { unsafe _ = sys_read(line, &count, 4) }
    var command: UInt16 = 0
    if unsafe readConfiguration(Int(PCI_COMMAND), &command, 2), command & UInt16(PCI_COMMAND_INTX_DISABLE) != 0 {
      _ = changeCommand(set: 0, clear: PCI_COMMAND_INTX_DISABLE)
    }
  }

  /// Connects eventfds to the first MSI-X vectors; without files, switches MSI-X off. Returns 0 if that worked, how many
  /// vectors could be connected if those are fewer, and a negative number if there are none.
  func connectVectors(_ files: UnsafePointer<Int32>?, _ count: UInt32) -> Int {
    unsafe Int(setInterrupts(VFIO_PCI_MSIX_IRQ_INDEX, files, count))
  }

  /// Connects eventfds to interrupts, which only VFIO does; -1 without it.
  private func setInterrupts(_ index: some BinaryInteger, _ files: UnsafePointer<Int32>?, _ count: UInt32) -> Int32 {
    switch self {
    case .vfio(let access): unsafe vfio_set_interrupts(access.device.number, UInt32(index), files, count)
    case .uio: -1
    }
  }
}

/// I/O ports: a file, where in it they start, and how many there are.
struct PCIPorts: ~Copyable {
  let file: File
  let offset: UInt64
  let length: Int
}
