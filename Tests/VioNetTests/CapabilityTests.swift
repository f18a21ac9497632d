// SPDX-License-Identifier: BSD-2-Clause
//
// The walk through a function's capabilities: those of a valid device, each flaw by itself, and two hundred thousand
// spaces with several flaws each, compared with a second walk.

import CLinux
import Linux
import Testing

@testable import VioNet

/// One flaw, and the structure that is missing because of it; nil if nothing is.
struct Flaw: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let missing: String?
  let apply: @Sendable (inout MadeSpace) -> Void

  init(_ description: String, _ missing: String?, _ apply: @escaping @Sendable (inout MadeSpace) -> Void) {
    testDescription = description
    self.missing = missing
    self.apply = apply
  }

  private static let at = MadeSpace.places

  static let all = lists + structures + regions

  private static let lists = [
    Flaw("there is no list", "COMMON_CFG") { $0.bytes[0x06] = 0 },
    Flaw("ids of all ones, as a virtual function has", nil) { $0.put32(0, .max) },
    Flaw("all zero", "COMMON_CFG") { $0.bytes = [UInt8](repeating: 0, count: 256) },
    Flaw("the list begins below 0x40", "COMMON_CFG") { $0.bytes[0x34] = 0x3c },
    Flaw("the list begins unaligned", nil) { $0.bytes[0x34] = UInt8(at.msix + 3) },
    Flaw("the first points to itself", "COMMON_CFG") { $0.bytes[at.msix + 1] = UInt8(at.msix) },
    Flaw("the last points to the first", nil) { $0.bytes[at.common + 1] = UInt8(at.msix) },
    Flaw("the middle points back", "COMMON_CFG") { $0.bytes[at.status + 1] = UInt8(at.device) },
    Flaw("a pointer below 0x40", "COMMON_CFG") { $0.bytes[at.status + 1] = 0x10 },
    Flaw("unaligned pointers", nil) { $0.bytes[at.status + 1] = UInt8(at.common + 2) },
    Flaw("the last points to the end", nil) { $0.bytes[at.common + 1] = 0xff },
  ]

  private static let structures = [
    Flaw("common is cut by its length", "COMMON_CFG") { $0.bytes[at.common + 2] = 15 },
    Flaw("common has no length", "COMMON_CFG") { $0.bytes[at.common + 2] = 0 },
    Flaw("common claims to pass the end", "COMMON_CFG") { $0.bytes[at.common + 2] = 255 },
    Flaw("common is longer than needed", nil) { $0.bytes[at.common + 2] = 64 },
    Flaw("notify is cut before its multiplier", "NOTIFY_CFG") { $0.bytes[at.notify + 2] = 16 },
    Flaw("device at the very end is cut", "DEVICE_CFG") {
      $0.bytes[at.notify + 1] = 0xf4
      $0.bytes.replaceSubrange(0xf4..., with: [0x09, UInt8(at.status), 16, 4, 4, 0, 0, 0, 0, 0x20, 0, 0])
    },
    Flaw("only the id of one fits", nil) {
      $0.bytes[at.common + 1] = 0xfc
      $0.bytes.replaceSubrange(0xfc..., with: [0x09, 0, 16, 1])
    },
    Flaw("not a vendor capability", "ISR_CFG") { $0.bytes[at.status] = 0x05 },
    Flaw("a reserved kind", "ISR_CFG") { $0.bytes[at.status + 3] = 77 },
    Flaw("the kind of another structure", "ISR_CFG") { $0.bytes[at.status + 3] = 4 },
  ]

  private static let regions = [
    Flaw("BAR 6", "COMMON_CFG") { $0.bytes[at.common + 4] = 6 },
    Flaw("BAR 255", "COMMON_CFG") { $0.bytes[at.common + 4] = 255 },
    Flaw("a BAR that is not there", "DEVICE_CFG") { $0.bytes[at.device + 4] = 2 },
    Flaw("one byte beyond the BAR", "NOTIFY_CFG") { $0.put32(at.notify + 12, 0x1001) },
    Flaw("begins at the BAR's end", "ISR_CFG") { $0.put32(at.status + 8, 0x4000) },
    Flaw("offset + length is 2^32", "COMMON_CFG") { $0.put32(at.common + 8, 0xffff_f000) },
    Flaw("offset + length is more than 2^32", "COMMON_CFG") {
      $0.put32(at.common + 8, 0xffff_fffc)
      $0.put32(at.common + 12, 0xffff_ffff)
    },
    Flaw("offset + length is more than 2^32, in a BAR that has it", nil) {
      $0.bars[4] = .max
      $0.put32(at.common + 8, 0xffff_fffc)
      $0.put32(at.common + 12, 0xffff_ffff)
    },
    Flaw("common begins unaligned", "COMMON_CFG") { $0.put32(at.common + 8, 2) },
    Flaw("notify begins unaligned", "NOTIFY_CFG") {
      $0.put32(at.notify + 8, 0x3001)
      $0.put32(at.notify + 12, 8)
    },
    Flaw("common is too small", "COMMON_CFG") { $0.put32(at.common + 12, 55) },
    Flaw("common is just large enough", nil) { $0.put32(at.common + 12, 56) },
    Flaw("notify has one byte", "NOTIFY_CFG") { $0.put32(at.notify + 12, 1) },
    Flaw("ISR has none", "ISR_CFG") { $0.put32(at.status + 12, 0) },
    Flaw("device has five", "DEVICE_CFG") { $0.put32(at.device + 12, 5) },
    Flaw("all overlap", nil) { space in
      for place in [at.common, at.status, at.device, at.notify] { space.put32(place + 8, 0) }
    },
    Flaw("there are no BARs", "COMMON_CFG") { $0.bars = [0, 0, 0, 0, 0, 0] },
  ]
}

@Suite struct CapabilityTests {
  private func walk(_ space: MadeSpace) throws -> PCICapabilities {
    PCICapabilities(try space.asRead()) { bar in space.bars[bar] }
  }

  @Test func aValidDeviceIsModern() throws {
    let found = try walk(.valid)
    #expect(found.isModern && found.missing == nil)
    #expect(found.common?.offset == 0 && found.interruptStatus?.offset == 0x1000 && found.device?.offset == 0x2000)
    #expect(found.notify?.offset == 0x3000 && found.notify?.bar == 4 && found.notifyMultiplier == 4)
    #expect(found.vectors == 4 && found.vectorsAreOn)
  }

  @Test(arguments: Flaw.all) func eachFlawByItself(_ flaw: Flaw) throws {
    var space = MadeSpace.valid
    flaw.apply(&space)
    let found = try walk(space)
    #expect(found.missing.map { "\($0)" } == flaw.missing)
    #expect(ReferenceWalk(space).missing == flaw.missing)
  }

  @Test func theFirstUsableOfAKindWins() throws {
    // An unusable common structure comes first, then the valid one, then another.
    var space = MadeSpace.valid
    space.bytes[0x34] = 0xb0
    space.virtio(0xb0, kind: 1, next: MadeSpace.places.msix, bar: 4, offset: 0x3fe0, length: 56)
    space.virtio(0xc0, kind: 1, next: 0, bar: 4, offset: 0x100, length: 56)
    space.bytes[MadeSpace.places.common + 1] = 0xc0
    #expect(try walk(space).common?.offset == 0)
    #expect(try walk(space).common?.length == 0x1000)
  }

  @Test func vectorsAreThoseOfTheFirstWholeTable() throws {
    var space = MadeSpace.valid
    // Another capability behind it, and one that the end of the space cuts.
    space.bytes[MadeSpace.places.common + 1] = 0xc0
    space.bytes.replaceSubrange(0xc0..<0xc4, with: [0x11, 0xf8, 0xff, 0x07])
    space.bytes.replaceSubrange(0xf8..<0xfc, with: [0x11, 0, 0xff, 0x07])
    #expect(try walk(space).vectors == 4)
    space.bytes[MadeSpace.places.msix] = 0
    #expect(try walk(space).vectors == 2048)
    space.bytes[0xc0] = 0
    #expect(try walk(space).vectors == 0)
    #expect(try walk(space).vectorsAreOn == false)
  }

  @Test(arguments: [0, 1, 2, 3, 4, 0x800, 0x1000, 0x2_0000, 0xffff_fffe, 0xffff_ffff] as [UInt32])
  func notificationsStayInTheNotifyRegion(multiplier: UInt32) throws {
    var space = MadeSpace.valid
    space.put32(MadeSpace.places.notify + 16, multiplier)
    let found = try walk(space)
    for queue in [0, 1, 2, 3, 0x3ff, 0x400, 0x7fff, 0x8000, 0xffff] as [UInt16] {
      let wanted = UInt64(queue) * UInt64(multiplier)
      #expect(found.notifyPlace(queue) == (wanted + 2 <= 0x1000 && wanted % 2 == 0 ? wanted : nil))
    }
  }

  @Test func aSpaceThatCannotBeReadSaysSo() {
    let error = #expect(throws: Failure.self) { try unsafe ConfigurationSpace { _, _ in false } }
    #expect(error?.code == EIO)
  }

  /// VFIO shows the ids of a function that is gone.
  @Test(arguments: [0, 4]) func aFunctionThatIsGoneSaysSo(from: Int) {
    var space = MadeSpace.valid
    space.bytes.replaceSubrange(from..., with: [UInt8](repeating: 0xff, count: 256 - from))
    let error = #expect(throws: Failure.self) { try space.asRead() }
    #expect(error?.code == ENODEV)
  }

  @Test(arguments: [1, 0x5eed, 20_261_122, .max] as [UInt64]) func spoiledSpaces(seed: UInt64) throws {
    var chance = Chance(seed)
    var modern = 0
    let count = 50_000
    for number in 0..<count {
      let space = MadeSpace.spoiled(&chance)
      if let fault = try faultOf(space, &chance) {
        Issue.record("seed \(seed), space \(number): \(fault): \(space)")
        return
      }
      if ReferenceWalk(space).missing == nil { modern += 1 }
    }
    print("seed \(seed): \(count) spaces, \(modern) with all four structures")
    // A generator that leaves nothing or everything valid would test little.
    #expect(modern > count / 20 && modern < count / 2)
  }

  /// The fault in the walk through a space; nil if there is none.
  private func faultOf(_ space: MadeSpace, _ chance: inout Chance) throws -> String? {
    var asked = 0
    var outside = false
    guard let read = try? space.asRead() else { return space.get16(6) == .max ? nil : "it could not be read" }
    let found = PCICapabilities(read) { bar in
      asked += 1
      outside = outside || bar < 0 || bar > 5
      return outside ? 0 : space.bars[bar]
    }
    if outside { return "a BAR that no function has" }
    // 48 capabilities fit between 0x40 and the end.
    if asked > 48 { return "\(asked) looks at BARs" }
    let wanted = ReferenceWalk(space)
    for (kind, block) in [(1, found.common), (2, found.notify), (3, found.interruptStatus), (4, found.device)] {
      let other = wanted.blocks[UInt8(kind)]
      if block?.bar != other?.bar || block?.offset != other?.offset || block?.length != other?.length {
        return "structure \(kind) is \(String(describing: block)), not \(String(describing: other))"
      }
    }
    if found.missing.map({ "\($0)" }) != wanted.missing { return "missing is \(String(describing: found.missing))" }
    if found.notifyMultiplier != wanted.multiplier { return "the multiplier is \(found.notifyMultiplier)" }
    if found.vectors != wanted.vectors || found.vectors > 2048 { return "\(found.vectors) vectors" }
    let queue = UInt16(truncatingIfNeeded: chance.next())
    if let place = found.notifyPlace(queue), place + 2 > UInt64(found.notify?.length ?? 0) || place % 2 != 0 {
      return "queue \(queue) signals at \(place)"
    }
    return nil
  }
}
