// SPDX-License-Identifier: BSD-2-Clause
//
// An IOMMU group in a container, which all functions of the group share. A process can open a group only once, so all ports
// with functions in it use the same VFIOGroup, and memory that several of them share is mapped once. Each group has a
// container of its own, so that functions which the IOMMU can separate see nothing of each other's memory.

import CLinux
import Linux

// Safety: system calls read and write local structures whose size they are given; list entries live until they are removed
// under the table's lock.
struct VFIOGroup: ~Copyable {
  let number: UInt32
  /// False if no IOMMU stands before the group's function, which is alone in its group then.
  let hasIOMMU: Bool
  private let file: File
  private let container: File
  /// The functions that ports use, by PCIAddress.number.
  private var functions = InlineArray<64, UInt32>(repeating: 0)
  private var functionCount = 0
  private var mappings: Cell<VFIOMapping>?
  private var next: Cell<VFIOGroup>?

  /// Joins the group of a function, and opens the group if no port uses it yet.
  static func join(_ address: PCIAddress) throws(Failure) -> VFIOMembership {
    let known = try IOMMUGroup(of: address)
    fork_leaves(Int32(FORK_GROUPS)) { VFIOGroupTable.shared.value = VFIOGroupTable(lock: SpinLock(), first: 0) }
    VFIOGroupTable.shared.value.lock.lock()
    defer { VFIOGroupTable.shared.value.lock.unlock() }
    let group = if let open = find(known.number) { open } else { try make(known) }
    do throws(Failure) {
      try group.value.add(address)
    } catch {
      forgetIfIdle(group)
      throw error
    }
    return VFIOMembership(group, address, hasIOMMU: known.hasIOMMU)
  }

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

  private static func make(_ group: IOMMUGroup) throws(Failure) -> Cell<VFIOGroup> {
    guard let cell = Cell.make(try VFIOGroup(group)) else {
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
    group.destroy()
  }

  // MARK: One group

  private init(_ group: IOMMUGroup) throws(Failure) {
    let containers = VFIOAccess.containers
    let container = try File.open(containers) { VFIOAccess.cannotOpen(containers, $0) }
    try VFIOGroup.checkKind(container.number, group)
    let file = try File.open(group.file) { group.cannotOpen($0) }
    try VFIOGroup.connect(group, file.number, container.number)
    number = group.number
    hasIOMMU = group.hasIOMMU
    self.file = file
    self.container = container
  }

  /// Fails if the kernel's VFIO cannot do what the group needs, or is not allowed to.
  private static func checkKind(_ container: Int32, _ group: IOMMUGroup) throws(Failure) {
    let isKnown = sys_ioctl_value(container, SYS_VFIO_GET_API_VERSION, 0) == VFIO_API_VERSION
    if isKnown && sys_ioctl_value(container, SYS_VFIO_CHECK_EXTENSION, group.kind) == 1 { return }
    if isKnown && !group.hasIOMMU { throw IOMMUGroup.forbidden }
    throw Failure(ENOTSUP, "this kernel's VFIO has no type 1 IOMMU: modprobe vfio_iommu_type1")
  }

  deinit {
    var mapping = mappings
    while let known = mapping {
      mapping = known.value.next
      known.destroy()
    }
  }

  /// Puts the group into its container and switches the IOMMU on.
  private static func connect(_ group: IOMMUGroup, _ file: Int32, _ container: Int32) throws(Failure) {
    let number = group.number
    var status = vfio_group_status(argsz: UInt32(MemoryLayout<vfio_group_status>.size), flags: 0)
    _ = try check(unsafe sys_ioctl(file, SYS_VFIO_GROUP_GET_STATUS, &status)) {
      Failure($0, "IOMMU group ").number(number).text(": ").reason($0)
    }
    if status.flags & UInt32(VFIO_GROUP_FLAGS_VIABLE) == 0 { throw VFIOAccess.isShared(number) }
    var target = container
    _ = try check(unsafe sys_ioctl(file, SYS_VFIO_GROUP_SET_CONTAINER, &target)) {
      Failure($0, "IOMMU group ").number(number).text(" cannot be used: ").reason($0)
    }
    _ = try check(sys_ioctl_value(container, SYS_VFIO_SET_IOMMU, group.kind)) {
      Failure($0, "the IOMMU cannot be set up: ").reason($0)
    }
  }

  /// Adds a function. Fails if another port of this process uses it, which the kernel would allow.
  private mutating func add(_ address: PCIAddress) throws(Failure) {
    for place in 0..<functionCount where functions[place] == address.number {
      throw Failure(EBUSY, "PCI function ").plain(address.name).text(" is another port's of this process")
    }
    if functionCount == functions.count { throw Failure(ENOSPC, "IOMMU group ").number(number).text(" is full") }
    functions[functionCount] = address.number
    functionCount += 1
  }

  /// Opens the function's own file.
  fileprivate func openDevice(_ address: PCIAddress, _ token: VFToken?) throws(Failure) -> File {
    let name = token?.added(to: address.name) ?? address.name
    let device = unsafe name.withCString { name in
      let name = unsafe UnsafeMutableRawPointer(mutating: name)
      return descriptor_own(unsafe sys_ioctl(file.number, SYS_VFIO_GROUP_GET_DEVICE_FD, name))
    }
    return File(
      owning: try check(device) {
        let failure = Failure($0, "PCI function ").plain(address.name).text(" cannot be opened: ").reason($0)
        // What the kernel answers about a token that is missing, wrong, or for a function that has none.
        if $0 == EACCES { return failure.text("; vf_token=UUID has to be that of the owner of its physical function") }
        if $0 != EINVAL || token == nil { return failure }
        return failure.text("; vf_token= is for functions of SR-IOV whose physical function has vfio-pci")
      })
  }

  private mutating func remove(_ function: UInt32) {
    for place in 0..<functionCount where functions[place] == function {
      functionCount -= 1
      functions[place] = functions[functionCount]
      return
    }
  }
}

/// The place of one function in its group.
struct VFIOMembership: ~Copyable {
  private var group: Cell<VFIOGroup>?
  private let address: PCIAddress
  let hasIOMMU: Bool

  fileprivate init(_ group: Cell<VFIOGroup>, _ address: PCIAddress, hasIOMMU: Bool) {
    self.group = group
    self.address = address
    self.hasIOMMU = hasIOMMU
  }

  deinit { if let group { VFIOGroup.leave(group, address) } }

  mutating func leave() {
    if let group { VFIOGroup.leave(group, address) }
    group = nil
  }

  func openDevice(_ token: VFToken?) throws(Failure) -> File {
    guard let group else { throw Failure(ENODEV, "PCI function ").plain(address.name).text(" was let go") }
    return try group.value.openDevice(address, token)
  }

  func map(_ address: UInt64, _ length: UInt64) throws(Failure) { try group?.value.map(address, length) }

  func unmap(_ address: UInt64, _ length: UInt64) { group?.value.unmap(address, length) }
}

// MARK: Memory

/// A piece of memory that is mapped in the IOMMU at its own address.
struct VFIOMapping {
  let address: UInt64
  let length: UInt64
  var users = 1
  fileprivate(set) var next: Cell<VFIOMapping>?
}

// Safety: system calls read and write local structures whose size they are given.
extension VFIOGroup {
  /// Maps these bytes for the group's functions, at our own address. Without an IOMMU they reach all memory as it is.
  mutating func map(_ address: UInt64, _ length: UInt64) throws(Failure) {
    if !hasIOMMU { return }
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

  /// Unmaps these bytes when the last port that uses them calls this.
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
    unsafe _ = sys_ioctl(container.number, SYS_VFIO_IOMMU_UNMAP_DMA, &request)
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
    // No two mappings begin at the same address.
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

  /// Fails if the IOMMU cannot map the range: it may have as few as 39 address bits, and has gaps.
  private func checkReach(_ address: UInt64, _ length: UInt64) throws(Failure) {
    guard let end = IOMMURanges(container.number).end(ifOutside: address, address + length - 1) else { return }
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
    _ = try check(unsafe sys_ioctl(container.number, SYS_VFIO_IOMMU_MAP_DMA, &request)) {
      let failure = Failure($0, "the IOMMU cannot map ").number(length).text(" bytes at ").hex(address).text(": ")
        .reason($0)
      return $0 == ENOMEM ? failure.lockedMemory() : failure
    }
  }
}
