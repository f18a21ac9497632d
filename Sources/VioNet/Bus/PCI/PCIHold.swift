// SPDX-License-Identifier: BSD-2-Clause
//
// Hold of a PCI function, the same whether by VFIO or by UIO: configuration space, BARs, ports, the device's view of
// memory.

import CLinux
import Linux

enum PCIHold {
  case vfio(VFIOHold)
  case uio(UIOHold)

  init(_ name: Text) throws(Failure) {
    let address = try PCIAddress(parsing: name)
    let function = try PCIFunction(address)
    try function.check()
    self = function.driver == .vfio ? .vfio(try VFIOHold(address)) : .uio(try UIOHold(address))
    do throws(Failure) {
      try enable()
    } catch {
      closeDevice()
      leave()
      throw error
    }
  }

  /// Lets go of the function. Its memory is to be unmapped after that, and then this process leaves its IOMMU group.
  func closeDevice() {
    switch self {
    case .vfio(let hold): hold.closeDevice()
    case .uio(let hold): hold.close()
    }
  }

  func leave() { if case .vfio(let hold) = self { hold.leave() } }

  /// Without an IOMMU between device and memory the device is told physical addresses.
  var usesPhysicalAddresses: Bool {
    switch self {
    case .vfio: false
    case .uio: true
    }
  }

  // MARK: Configuration space

  /// Copies `count` bytes from `offset`; false if they cannot be read.
  func readConfiguration(_ offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int) -> Bool {
    switch self {
    case .vfio(let hold):
      guard let region = hold.region(Int32(VFIO_PCI_CONFIG_REGION_INDEX)) else { return false }
      return unsafe sys_pread(hold.device, target, count, region.offset + UInt64(offset)) == count
    case .uio(let hold): return unsafe hold.read(offset, target, count)
    }
  }

  private func writeConfiguration(_ offset: Int, _ source: UnsafeRawPointer, _ count: Int) -> Bool {
    switch self {
    case .vfio(let hold):
      guard let region = hold.region(Int32(VFIO_PCI_CONFIG_REGION_INDEX)) else { return false }
      return unsafe sys_pwrite(hold.device, source, count, region.offset + UInt64(offset)) == count
    case .uio(let hold): return unsafe hold.write(offset, source, count)
    }
  }

  /// The device answers, and may read and write memory, from now on.
  func enable() throws(Failure) {
    if !changeCommand(set: PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY | PCI_COMMAND_IO, clear: 0) {
      throw Failure(EIO, "the PCI function's command register cannot be changed")
    }
  }

  /// The device may not read and write memory any more. False if the register does not show it.
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

  /// Something answers at the function's place on the bus: no vendor has the number of all ones.
  var isOnBus: Bool {
    var vendor: UInt16 = 0xffff
    return unsafe readConfiguration(0, &vendor, 2) && vendor != 0xffff
  }

  /// There is no function behind it any more, whatever its registers read as.
  var isRevoked: Bool {
    if case .uio(let hold) = self { return hold.isRevoked }
    return false
  }

  /// The way of the PCI bus, whatever the virtio registers do; false if it fails.
  func reset() -> Bool {
    switch self {
    case .vfio(let hold): hold.reset()
    case .uio(let hold): hold.reset()
    }
  }

  // MARK: BARs

  /// Bytes of a BAR of memory, 0 if there is none.
  func memoryLength(bar: Int) -> UInt64 {
    switch self {
    case .vfio(let hold):
      guard let region = hold.region(Int32(bar)), region.flags & UInt32(VFIO_REGION_INFO_FLAG_MMAP) != 0 else {
        return 0
      }
      return region.size
    case .uio(let hold):
      guard let (length, isPorts) = hold.bar(bar), !isPorts else { return 0 }
      return length
    }
  }

  /// Maps a whole BAR of memory, which the caller unmaps.
  func map(bar: Int, length: Int) throws(Failure) -> Shared {
    let base: UnsafeMutableRawPointer?
    switch self {
    case .vfio(let hold):
      let offset = hold.region(Int32(bar))?.offset ?? 0
      unsafe base = sys_map(nil, length, PROT_READ | PROT_WRITE, MAP_SHARED, hold.device, Int64(offset))
    case .uio(let hold):
      let file = try hold.open(bar: bar)
      unsafe base = sys_map(nil, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
      _ = sys_close(file)
    }
    guard let base = unsafe base else { throw Failure(ENOMEM, "BAR ").number(bar).text(" cannot be mapped") }
    return unsafe Shared(base)
  }

  /// BAR 0 as I/O ports: a file, where in it they start, and how many there are. The caller closes the file.
  func openPorts() throws(Failure) -> (file: Descriptor, offset: UInt64, length: Int) {
    switch self {
    case .vfio(let hold):
      // VFIO does not say what kind a BAR is, its register does.
      var register: UInt32 = 0
      let isRead = unsafe readConfiguration(Int(PCI_BASE_ADDRESS_0), &register, 4)
      if isRead, register & UInt32(PCI_BASE_ADDRESS_SPACE_IO) != 0, let region = hold.region(0) {
        return (try Descriptor(owning: hold.device).duplicate(), region.offset, Int(clamping: region.size))
      }
    case .uio(let hold):
      if let (length, isPorts) = hold.bar(0), isPorts {
        return (Descriptor(owning: try hold.open(bar: 0)), 0, Int(clamping: length))
      }
    }
    throw Failure(ENOTSUP, "BAR 0 has no I/O ports, which the legacy interface needs")
  }

  // MARK: Memory and interrupts

  func share(_ address: UInt64, _ length: UInt64) throws(Failure) {
    if case .vfio(let hold) = self { try hold.group.value.map(address, length) }
  }

  func unshare(_ address: UInt64, _ length: UInt64) {
    if case .vfio(let hold) = self { hold.group.value.unmap(address, length) }
  }

  /// Has the eventfd signalled when the function is about to be unplugged, where the kernel tells.
  func watchRemoval(_ event: Int32) {
    guard case .vfio(let hold) = self, event >= 0 else { return }
    var event = event
    unsafe _ = vfio_set_interrupts(hold.device, UInt32(VFIO_PCI_REQ_IRQ_INDEX), &event, 1)
  }

  /// Connects INTx: a descriptor that is readable after an interrupt, -1 if there is none to be had.
  func openLine() -> Int32 {
    switch self {
    case .vfio(let hold):
      var event = max(sys_eventfd(0), -1)
      if unsafe event < 0 || vfio_set_interrupts(hold.device, UInt32(VFIO_PCI_INTX_IRQ_INDEX), &event, 1) == 0 {
        return event
      }
      _ = sys_close(event)
      return -1
    case .uio(let hold): return hold.interrupt
    }
  }

  func closeLine(_ line: Int32) {
    guard case .vfio(let hold) = self else { return }
    _ = vfio_set_interrupts(hold.device, UInt32(VFIO_PCI_INTX_IRQ_INDEX), nil, 0)
    _ = sys_close(line)
  }

  /// Takes note of the last interrupt and lets the next one come: the kernel masks the line with each.
  func rearmLine(_ line: Int32) {
    switch self {
    case .vfio(let hold):
      _ = sys_eventfd_drain(line)
      _ = vfio_unmask_line(hold.device)
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

  /// Connects eventfds to the first MSI-X vectors, or with none switches them off. 0 when done; how many could be
  /// connected if that is less; negative where there are none at all.
  func connectVectors(_ files: UnsafePointer<Int32>?, _ count: UInt32) -> Int {
    guard case .vfio(let hold) = self else { return -1 }
    return unsafe Int(vfio_set_interrupts(hold.device, UInt32(VFIO_PCI_MSIX_IRQ_INDEX), files, count))
  }
}
