// SPDX-License-Identifier: BSD-2-Clause
//
// The walk through a function's capabilities: what an honest device has, each lie by itself, and two hundred thousand
// spaces with several lies each, against a second walk.

import CLinux
import Linux
import Testing

@testable import VioNet

/// One lie, and the structure that is missing because of it; nil if all is there all the same.
struct Lie: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let missing: String?
  let tell: @Sendable (inout MadeSpace) -> Void

  init(_ description: String, _ missing: String?, _ tell: @escaping @Sendable (inout MadeSpace) -> Void) {
    testDescription = description
    self.missing = missing
    self.tell = tell
  }

  private static let at = MadeSpace.places

  static let all = lists + structures + regions

  /// [T01]
  private static let lists = [
    Lie("there is no list", "COMMON_CFG") { $0.bytes[0x06] = 0 },
    Lie("all ones but for the name", "COMMON_CFG") {
      $0.bytes.replaceSubrange(4..., with: [UInt8](repeating: 0xff, count: 252))
    },
    Lie("all zero", "COMMON_CFG") { $0.bytes = [UInt8](repeating: 0, count: 256) },
    Lie("the list begins below 0x40", "COMMON_CFG") { $0.bytes[0x34] = 0x3c },
    Lie("the list begins unaligned", nil) { $0.bytes[0x34] = UInt8(at.msix + 3) },
    Lie("the first points to itself", "COMMON_CFG") { $0.bytes[at.msix + 1] = UInt8(at.msix) },
    Lie("the last points to the first", nil) { $0.bytes[at.common + 1] = UInt8(at.msix) },
    Lie("the middle points back", "COMMON_CFG") { $0.bytes[at.status + 1] = UInt8(at.device) },
    Lie("a pointer below 0x40", "COMMON_CFG") { $0.bytes[at.status + 1] = 0x10 },
    Lie("unaligned pointers", nil) { $0.bytes[at.status + 1] = UInt8(at.common + 2) },
    Lie("the last points to the end", nil) { $0.bytes[at.common + 1] = 0xff },
  ]

  /// [T02, T03]
  private static let structures = [
    Lie("common is cut by its length", "COMMON_CFG") { $0.bytes[at.common + 2] = 15 },
    Lie("common has no length", "COMMON_CFG") { $0.bytes[at.common + 2] = 0 },
    Lie("common claims to pass the end", "COMMON_CFG") { $0.bytes[at.common + 2] = 255 },
    Lie("common is longer than needed", nil) { $0.bytes[at.common + 2] = 64 },
    Lie("notify is cut before its multiplier", "NOTIFY_CFG") { $0.bytes[at.notify + 2] = 16 },
    Lie("device at the very end is cut", "DEVICE_CFG") {
      $0.bytes[at.notify + 1] = 0xf4
      $0.bytes.replaceSubrange(0xf4..., with: [0x09, UInt8(at.status), 16, 4, 4, 0, 0, 0, 0, 0x20, 0, 0])
    },
    Lie("only the id of one fits", nil) {
      $0.bytes[at.common + 1] = 0xfc
      $0.bytes.replaceSubrange(0xfc..., with: [0x09, 0, 16, 1])
    },
    Lie("not of the vendor's kind", "ISR_CFG") { $0.bytes[at.status] = 0x05 },
    Lie("a reserved kind", "ISR_CFG") { $0.bytes[at.status + 3] = 77 },
    Lie("the kind of another", "ISR_CFG") { $0.bytes[at.status + 3] = 4 },
  ]

  /// [T04, T05, T06]
  private static let regions = [
    Lie("BAR 6", "COMMON_CFG") { $0.bytes[at.common + 4] = 6 },
    Lie("BAR 255", "COMMON_CFG") { $0.bytes[at.common + 4] = 255 },
    Lie("a BAR that is not there", "DEVICE_CFG") { $0.bytes[at.device + 4] = 2 },
    Lie("one byte beyond the BAR", "NOTIFY_CFG") { $0.put32(at.notify + 12, 0x1001) },
    Lie("begins at the BAR's end", "ISR_CFG") { $0.put32(at.status + 8, 0x4000) },
    Lie("offset + length is 2^32", "COMMON_CFG") { $0.put32(at.common + 8, 0xffff_f000) },
    Lie("offset + length is more than 2^32", "COMMON_CFG") {
      $0.put32(at.common + 8, 0xffff_fffc)
      $0.put32(at.common + 12, 0xffff_ffff)
    },
    Lie("the same in a BAR that has it", nil) {
      $0.bars[4] = .max
      $0.put32(at.common + 8, 0xffff_fffc)
      $0.put32(at.common + 12, 0xffff_ffff)
    },
    Lie("common begins unaligned", "COMMON_CFG") { $0.put32(at.common + 8, 2) },
    Lie("notify begins unaligned", "NOTIFY_CFG") {
      $0.put32(at.notify + 8, 0x3001)
      $0.put32(at.notify + 12, 8)
    },
    Lie("common is too small", "COMMON_CFG") { $0.put32(at.common + 12, 55) },
    Lie("common is just large enough", nil) { $0.put32(at.common + 12, 56) },
    Lie("notify has one byte", "NOTIFY_CFG") { $0.put32(at.notify + 12, 1) },
    Lie("ISR has none", "ISR_CFG") { $0.put32(at.status + 12, 0) },
    Lie("device has five", "DEVICE_CFG") { $0.put32(at.device + 12, 5) },
    Lie("all lie upon each other", nil) { space in
      for place in [at.common, at.status, at.device, at.notify] { space.put32(place + 8, 0) }
    },
    Lie("there are no BARs", "COMMON_CFG") { $0.bars = [0, 0, 0, 0, 0, 0] },
  ]
}

@Suite struct CapabilityTests {
  private func walk(_ space: MadeSpace) throws -> PCICapabilities {
    PCICapabilities(try space.asRead()) { bar in space.bars[bar] }
  }

  @Test func anHonestDeviceIsModern() throws {
    let found = try walk(.honest)
    #expect(found.isModern && found.missing == nil)
    #expect(found.common?.offset == 0 && found.interruptStatus?.offset == 0x1000 && found.device?.offset == 0x2000)
    #expect(found.notify?.offset == 0x3000 && found.notify?.bar == 4 && found.notifyMultiplier == 4)
    #expect(found.vectors == 4 && found.vectorsAreOn)
  }

  @Test(arguments: Lie.all) func eachLieByItself(_ lie: Lie) throws {
    var space = MadeSpace.honest
    lie.tell(&space)
    let found = try walk(space)
    #expect(found.missing.map { "\($0)" } == lie.missing)
    #expect(ReferenceWalk(space).missing == lie.missing)
  }

  @Test func theFirstUsableOfAKindWins() throws {
    // [T03] An unusable common comes first, then the honest one, then another.
    var space = MadeSpace.honest
    space.bytes[0x34] = 0xb0
    space.virtio(0xb0, kind: 1, next: MadeSpace.places.msix, bar: 4, offset: 0x3fe0, length: 56)
    space.virtio(0xc0, kind: 1, next: 0, bar: 4, offset: 0x100, length: 56)
    space.bytes[MadeSpace.places.common + 1] = 0xc0
    #expect(try walk(space).common?.offset == 0)
    #expect(try walk(space).common?.length == 0x1000)
  }

  @Test func vectorsAreOfTheFirstWholeTable() throws {
    var space = MadeSpace.honest
    // Another one behind it, and one that the end of the space cuts.
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
  func signalsStayInTheNotifyRegion(multiplier: UInt32) throws {
    // [T07]
    var space = MadeSpace.honest
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

  @Test func aFunctionThatIsGoneSaysSo() {
    // [T12]
    var space = MadeSpace.honest
    space.bytes = [UInt8](repeating: 0xff, count: 256)
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
    // Spoiling that leaves nothing or everything whole would test little.
    #expect(modern > count / 20 && modern < count / 2)
  }

  /// What is wrong with the walk through a space; nil if nothing is.
  private func faultOf(_ space: MadeSpace, _ chance: inout Chance) throws -> String? {
    var asked = 0
    var outside = false
    guard let read = try? space.asRead() else { return space.get32(0) == .max ? nil : "it could not be read" }
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
