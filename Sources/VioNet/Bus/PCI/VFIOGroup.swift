// SPDX-License-Identifier: BSD-2-Clause
//
// An IOMMU group in a container: what the functions of one group share. The kernel lets a process open a group once, so
// that all its ports with functions there use the same; memory that several of them share is mapped once. Each group has
// a container of its own: functions that the IOMMU can keep apart see nothing of each other's memory.

import CLinux
import Linux

struct VFIOGroup {
  let number: UInt32
  private let container: Int32
  private let file: Int32
  /// Those that ports have, by PCIAddress.number.
  private var functions = InlineArray<64, UInt32>(repeating: 0)
  private var functionCount = 0
  private var mappings: Cell<VFIOMapping>?
  private var next: Cell<VFIOGroup>?

  /// The group of a function, opened if no port has it yet, and the function's own file.
  static func take(_ address: PCIAddress) throws(Failure) -> (group: Cell<VFIOGroup>, device: Int32) {
    let number = try VFIOHold.knownGroup(address)
    VFIOGroupTable.shared.value.lock.lock()
    defer { VFIOGroupTable.shared.value.lock.unlock() }
    var known = find(number)
    if known == nil { known = try make(number) }
    guard let group = known else { throw Failure(ENOMEM, "no memory for an IOMMU group") }
    do throws(Failure) {
      return (group, try group.value.open(address))
    } catch {
      forgetIfIdle(group)
      throw error
    }
  }

  /// The port's device file is closed already.
  static func leave(_ group: Cell<VFIOGroup>, _ address: PCIAddress) {
    VFIOGroupTable.shared.value.lock.lock()
    group.value.remove(address.number)
    forgetIfIdle(group)
    VFIOGroupTable.shared.value.lock.unlock()
  }

  // MARK: The list of groups

  private static var first: Cell<VFIOGroup>? {
    get {
      unsafe UnsafeMutableRawPointer(bitPattern: VFIOGroupTable.shared.value.first).map { raw in unsafe Cell(raw: raw) }
    }
    set { VFIOGroupTable.shared.value.first = newValue.map { cell in unsafe UInt(bitPattern: cell.raw) } ?? 0 }
  }

  private static func find(_ number: UInt32) -> Cell<VFIOGroup>? {
    var group = first
    while let known = group, known.value.number != number { group = known.value.next }
    return group
  }

  private static func make(_ number: UInt32) throws(Failure) -> Cell<VFIOGroup> {
    let made = try VFIOGroup(number)
    guard let cell = Cell.make(made) else {
      made.close()
      throw Failure(ENOMEM, "no memory for an IOMMU group")
    }
    cell.value.next = first
    first = cell
    return cell
  }

  private static func forgetIfIdle(_ group: Cell<VFIOGroup>) {
    if group.value.functionCount > 0 { return }
    if first?.value.number == group.value.number {
      first = group.value.next
    } else {
      var before = first
      while let next = before?.value.next, next.value.number != group.value.number { before = next }
      before?.value.next = group.value.next
    }
    group.value.close()
    group.destroy()
  }

  // MARK: One group

  private init(_ number: UInt32) throws(Failure) {
    self.number = number
    container = try VFIOHold.open(VFIOHold.containers)
    do throws(Failure) {
      if sys_ioctl_value(container, SYS_VFIO_GET_API_VERSION, 0) != VFIO_API_VERSION
        || sys_ioctl_value(container, SYS_VFIO_CHECK_EXTENSION, UInt(VFIO_TYPE1v2_IOMMU)) != 1
      {
        throw Failure(ENOTSUP, "this kernel's VFIO has no type 1 IOMMU: modprobe vfio_iommu_type1")
      }
      file = try VFIOHold.open(VFIOHold.file(number))
    } catch {
      _ = sys_close(container)
      throw error
    }
    do throws(Failure) {
      try join()
    } catch {
      close()
      throw error
    }
  }

  /// Group into container, IOMMU on.
  private func join() throws(Failure) {
    var status = vfio_group_status(argsz: UInt32(MemoryLayout<vfio_group_status>.size), flags: 0)
    _ = try check(unsafe sys_ioctl(file, SYS_VFIO_GROUP_GET_STATUS, &status)) {
      Failure($0, "IOMMU group ").number(number).text(": ").reason($0)
    }
    if status.flags & UInt32(VFIO_GROUP_FLAGS_VIABLE) == 0 { throw VFIOHold.isShared(number) }
    var target = container
    _ = try check(unsafe sys_ioctl(file, SYS_VFIO_GROUP_SET_CONTAINER, &target)) {
      Failure($0, "IOMMU group ").number(number).text(" cannot be used: ").reason($0)
    }
    _ = try check(sys_ioctl_value(container, SYS_VFIO_SET_IOMMU, UInt(VFIO_TYPE1v2_IOMMU))) {
      Failure($0, "the IOMMU cannot be set up: ").reason($0)
    }
  }

  private func close() {
    var mapping = mappings
    while let known = mapping {
      mapping = known.value.next
      known.destroy()
    }
    _ = sys_close(file)
    _ = sys_close(container)
  }

  /// A function that a port has is no other port's: the kernel would let it have two masters.
  private mutating func open(_ address: PCIAddress) throws(Failure) -> Int32 {
    for place in 0..<functionCount where functions[place] == address.number {
      throw Failure(EBUSY, "PCI function ").plain(address.name).text(" is another port's of this process")
    }
    if functionCount == functions.count { throw Failure(ENOSPC, "IOMMU group ").number(number).text(" is full") }
    let device = unsafe address.name.withCString { name in
      unsafe sys_ioctl(file, SYS_VFIO_GROUP_GET_DEVICE_FD, UnsafeMutableRawPointer(mutating: name))
    }
    _ = try check(device) { Failure($0, "PCI function ").plain(address.name).text(" cannot be opened: ").reason($0) }
    functions[functionCount] = address.number
    functionCount += 1
    return device
  }

  private mutating func remove(_ function: UInt32) {
    for place in 0..<functionCount where functions[place] == function {
      functionCount -= 1
      functions[place] = functions[functionCount]
      return
    }
  }
}

// MARK: The group's view of memory

/// A piece of memory in the IOMMU, at its own address.
struct VFIOMapping {
  let address: UInt64
  let length: UInt64
  var users = 1
  fileprivate(set) var next: Cell<VFIOMapping>?
}

extension VFIOGroup {
  /// From now on the functions of the group find these bytes at their own address.
  mutating func map(_ address: UInt64, _ length: UInt64) throws(Failure) {
    VFIOGroupTable.shared.value.lock.lock()
    defer { VFIOGroupTable.shared.value.lock.unlock() }
    if let known = mapping(address, length) {
      known.value.users += 1
      return
    }
    guard let made = Cell.make(VFIOMapping(address: address, length: length, next: mappings)) else {
      throw Failure(ENOMEM, "no memory for a mapping")
    }
    do throws(Failure) {
      try checkReach(address, length)
      try mapInIOMMU(address, length)
    } catch {
      made.destroy()
      throw error
    }
    mappings = made
  }

  /// Takes them away again when the last port has let go of them.
  mutating func unmap(_ address: UInt64, _ length: UInt64) {
    VFIOGroupTable.shared.value.lock.lock()
    defer { VFIOGroupTable.shared.value.lock.unlock() }
    guard let known = mapping(address, length) else { return }
    known.value.users -= 1
    if known.value.users > 0 { return }
    var request = vfio_iommu_type1_dma_unmap()
    request.argsz = UInt32(MemoryLayout<vfio_iommu_type1_dma_unmap>.size)
    request.iova = address
    request.size = length
    unsafe _ = sys_ioctl(container, SYS_VFIO_IOMMU_UNMAP_DMA, &request)
    remove(known)
  }

  private func mapping(_ address: UInt64, _ length: UInt64) -> Cell<VFIOMapping>? {
    var mapping = mappings
    while let known = mapping, known.value.address != address || known.value.length != length {
      mapping = known.value.next
    }
    return mapping
  }

  private mutating func remove(_ gone: Cell<VFIOMapping>) {
    // No two begin at one address.
    let address = gone.value.address
    if mappings?.value.address == address {
      mappings = gone.value.next
    } else {
      var before = mappings
      while let next = before?.value.next, next.value.address != address { before = next }
      before?.value.next = gone.value.next
    }
    gone.destroy()
  }

  /// An IOMMU may be as narrow as 39 bits, and has gaps.
  private func checkReach(_ address: UInt64, _ length: UInt64) throws(Failure) {
    var end: UInt64 = 0
    if unsafe vfio_reaches(container, address, address + length - 1, &end) != 0 { return }
    throw Failure(ERANGE, "").number(length).text(" bytes at ").hex(address)
      .text(" are out of reach of this IOMMU, whose addresses end at ").hex(end)
      .text(": map them lower, by a first argument of mmap()")
  }

  private func mapInIOMMU(_ address: UInt64, _ length: UInt64) throws(Failure) {
    var request = vfio_iommu_type1_dma_map()
    request.argsz = UInt32(MemoryLayout<vfio_iommu_type1_dma_map>.size)
    request.flags = UInt32(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)
    request.vaddr = address
    request.iova = address
    request.size = length
    _ = try check(unsafe sys_ioctl(container, SYS_VFIO_IOMMU_MAP_DMA, &request)) {
      let failure = Failure($0, "the IOMMU cannot map ").number(length).text(" bytes at ").hex(address).text(": ")
        .reason($0)
      return $0 == ENOMEM ? failure.lockedMemory() : failure
    }
  }
}

extension Failure {
  /// Adds what there is to do about a limit of locked memory, if there is one.
  @inline(never)
  func lockedMemory() -> Failure {
    let limit = sys_lock_limit()
    if limit == .max { return self }
    return text("; this process may lock ").number(limit / 1024)
      .text(" KiB: ulimit -l unlimited as root, or memlock in /etc/security/limits.conf")
  }
}
