// SPDX-License-Identifier: BSD-2-Clause
//
// PCI without a device: which vector serves which queue, where a notification goes and what it carries, features
// beyond 64 bits.

import CLinux
import CVionet
import Linux
import Virtio
import Testing

@testable import VioNet

/// The sentence of this thread's last error.
private func sentence() -> String { unsafe String(cString: sentence_get(Int32(SENTENCE_ERROR))) }

@Suite struct VectorPlanTests {
  /// The queues of each vector by a plan; "c" is the configuration.
  private func table(available: Int, pairs: Int) -> [String] {
    let plan = VectorPlan(available: available, pairs: pairs)
    var said = [String](repeating: "", count: plan.count)
    if plan.count > 0 { said[0] = "c" }
    for queue in 0..<2 * pairs {
      guard let vector = plan.vector(queue: queue) else { continue }
      said[vector] += "\(queue)"
    }
    return said
  }

  @Test func withEnoughVectorsEachQueueHasItsOwn() {
    #expect(table(available: 3, pairs: 1) == ["c", "0", "1"])
    #expect(table(available: 100, pairs: 2) == ["c", "0", "1", "2", "3"])
  }

  @Test func withFewerPairsShareFirst() {
    #expect(table(available: 2, pairs: 1) == ["c", "01"])
    #expect(table(available: 4, pairs: 2) == ["c", "01", "23"])
    #expect(table(available: 3, pairs: 2) == ["c", "01", "23"])
  }

  @Test func withFewerThanPairsTheyTakeTurns() {
    #expect(table(available: 3, pairs: 4) == ["c", "0145", "2367"])
    #expect(table(available: 2, pairs: 3) == ["c", "012345"])
  }

  @Test func withOneAllShareIt() { #expect(table(available: 1, pairs: 2) == ["c0123"]) }

  @Test(arguments: [1, 3, 9]) func theControlQueueHasNone(available: Int) {
    let plan = VectorPlan(available: available, pairs: 2)
    #expect(plan.vector(queue: 4) == nil && plan.vector(queue: 256) == nil)
  }

  @Test func withNoneThereIsNone() { #expect(table(available: 0, pairs: 2).isEmpty) }

  @Test(arguments: [1, 2, 15, 128]) func noPlanNamesAVectorThatIsNotThere(pairs: Int) {
    for available in 0...300 { check(available: available, pairs: pairs) }
  }

  private func check(available: Int, pairs: Int) {
    let plan = VectorPlan(available: available, pairs: pairs)
    #expect(plan.count <= available && plan.count <= VectorPlan.most)
    for queue in 0..<2 * pairs {
      let vector = plan.vector(queue: queue)
      #expect((vector == nil) == (available == 0))
      if let vector { #expect(vector >= 0 && vector < plan.count) }
    }
  }

  @Test func onlyAVectorOfSeveralSleepersIsShared() {
    let own = VectorPlan(available: 5, pairs: 2)
    #expect((0..<own.count).allSatisfy { !own.isShared($0) })
    // The two queues of a pair have one sleeper.
    let pairs = VectorPlan(available: 3, pairs: 2)
    #expect((0..<pairs.count).allSatisfy { !pairs.isShared($0) })
    let turns = VectorPlan(available: 3, pairs: 3)
    #expect([0, 1, 2].map { turns.isShared($0) } == [false, true, false])
    #expect(VectorPlan(available: 1, pairs: 1).isShared(0))
  }
}

@Suite struct NotifierTests {
  /// What is in 8 bytes of all ones after a signal.
  private func written(position: UInt16, _ make: (Shared) -> Notifier) -> UInt64 {
    var memory = UInt64.max
    return unsafe withUnsafeMutableBytes(of: &memory) { bytes in
      let register = unsafe Shared(bytes.baseAddress.unsafelyUnwrapped)
      make(register).signal(position)
      return register.load64(0)
    }
  }

  @Test func withoutDataTheIndexGoesOutAloneIn16Bits() {
    #expect(written(position: 0x1234) { .memory($0, 3) } == 0xffff_ffff_ffff_0003)
  }

  @Test func withDataTheNextEntryGoesInTheUpperHalf() {
    #expect(written(position: 0x1234) { .memoryWithData($0, 3) } == 0xffff_ffff_1234_0003)
    // Bit 15 of a packed ring's position is the wrap counter, so that it ends up in bit 31 (2.9).
    #expect(written(position: 0x8000 | 7) { .memoryWithData($0, 1) } == 0xffff_ffff_8007_0001)
  }

  /// What a queue of 16 descriptors writes whose next entry goes to `next`.
  private func notified(isPacked: Bool, next: UInt16, flags: UInt16 = DescriptorFlag.available) throws -> UInt64 {
    var memory = [UInt8](repeating: 0, count: 4096)
    return try unsafe memory.withUnsafeMutableBytes { bytes in
      let base = unsafe Shared(bytes.baseAddress.unsafelyUnwrapped)
      var queue = try Virtqueue(
        port: 0, index: 5, ring: base, layout: RingLayout(size: 16, isPacked: isPacked),
        shape: RingShape(isPacked: isPacked))
      defer { queue.destroy() }
      queue.ring.nextAvailable = next
      queue.ring.availableFlags = flags
      return written(position: 0) { register in
        queue.notifier = .memoryWithData(register, queue.index)
        queue.notifyDevice()
        return .event(-1)
      }
    }
  }

  @Test func aSplitRingNotifiesWithItsNextAvailableIndex() throws {
    #expect(try notified(isPacked: false, next: 0xfffe) == 0xffff_ffff_fffe_0005)
  }

  @Test func aPackedRingNotifiesWithItsNextPlaceAndItsLap() throws {
    #expect(try notified(isPacked: true, next: 9) == 0xffff_ffff_8009_0005)
    #expect(try notified(isPacked: true, next: 9, flags: DescriptorFlag.used) == 0xffff_ffff_0009_0005)
  }
}

@Suite struct WideFeatureTests {
  @Test func bitsFrom64OnAreApart() {
    var features = FeatureSet(1 << 1, above: 1 << 1)
    #expect(features.has(bit: 1) && features.has(bit: 65) && !features.has(bit: 0) && !features.has(bit: 64))
    features.remove(bit: 65)
    #expect(features == FeatureSet(1 << 1))
    features = FeatureSet(1 << 1, above: 1 << 1)
    features.remove(bit: 1)
    #expect(features == FeatureSet(0, above: 1 << 1))
  }
}

/// A legacy device whose ports are a file; one opened for reading only ignores what is written.
private func withPorts(_ content: [UInt8], ignoring: Bool, _ body: (inout LegacyPCI) throws -> Void) throws {
  let file = unsafe sys_memfd("ports", 0)
  defer { _ = sys_close(file) }
  let written = unsafe content.withUnsafeBytes { bytes in
    unsafe sys_pwrite(file, bytes.baseAddress.unsafelyUnwrapped, bytes.count, 0)
  }
  #expect(written == content.count)
  let again = unsafe sys_open("/proc/self/fd/\(file)", ignoring ? O_RDONLY : O_RDWR, 0)
  #expect(again >= 0)
  let none = PCICapabilities(try ConfigurationSpace { room, count in unsafe memset(room, 0, count) == room }) { _ in 0 }
  var device = try LegacyPCI(PCIPorts(file: File(owning: again), offset: 0, length: content.count), none)
  device.vectorsAreOn = true
  try body(&device)
}

@Suite struct LegacyRegisterTests {
  private func ring(at address: UInt64) -> RingSetUp {
    RingSetUp(index: 1, size: 256, descriptors: address, available: 0, used: 0, kick: -1, call: -1)
  }

  /// The registers that every legacy device has end at 20, those with MSI-X at 24 (virtio 1.4, 4.1.4.10).
  @Test func aDeviceWithoutRoomForItsRegistersIsRefused() throws {
    for count in [1, 19, 20, 23] {
      #expect(throws: Failure.self) {
        try withPorts([UInt8](repeating: 0, count: count), ignoring: false) { _ in }
      }
      #expect(sentence().contains("BAR 0 has only \(count) ports"))
    }
    try withPorts([UInt8](repeating: 0, count: 24), ignoring: false) { _ in }
  }

  @Test func aVectorThatDoesNotStayIsARefusal() throws {
    try withPorts([UInt8](repeating: 0xff, count: 64), ignoring: true) { device in
      #expect(throws: Failure.self) { try device.setConfigVector(0) }
      #expect(sentence().contains("vector 0 for changes of its configuration; it says 0xffff"))
      #expect(throws: Failure.self) { _ = try device.setUp(ring(at: 0x1000), vector: 2) }
      #expect(sentence().contains("queue 1 does not take MSI-X vector 2; it says 0xffff"))
    }
  }

  @Test func aQueueWithoutAVectorAsksForNone() throws {
    try withPorts([UInt8](repeating: 0, count: 64), ignoring: false) { device in
      _ = try device.setUp(ring(at: 0x1234_5000), vector: nil)
      device.vectorsAreOn = false
      // The vector's register lies where the configuration begins without MSI-X.
      var kept: UInt16 = 0
      try unsafe device.readConfig(2, &kept, 2)
      #expect(kept == 0xffff)
    }
  }

  @Test func aRingBeyond44BitsIsOutOfReach() throws {
    try withPorts([UInt8](repeating: 0, count: 64), ignoring: false) { device in
      _ = try device.setUp(ring(at: 1 << 44 - 0x1000), vector: 2)
      #expect(throws: Failure.self) { _ = try device.setUp(ring(at: 1 << 44), vector: 2) }
      #expect(sentence().contains("0x100000000000"))
      #expect(throws: Failure.self) { _ = try device.setUp(ring(at: 0x1800), vector: 2) }
    }
  }

  @Test func theConfigurationMovesWithMSIX() throws {
    let places = (0..<64).map { UInt8($0) }
    try withPorts(places, ignoring: false) { device in
      var field: UInt16 = 0
      try unsafe device.readConfig(6, &field, 2)
      #expect(field == 0x1f1e)
      device.vectorsAreOn = false
      try unsafe device.readConfig(6, &field, 2)
      #expect(field == 0x1b1a)
      device.vectorsAreOn = true
      #expect(throws: Failure.self) { try unsafe device.readConfig(39, &field, 2) }
    }
  }
}
