// SPDX-License-Identifier: BSD-2-Clause
//
// The phases of a port: which leads to which, compared with the tables of docs/architecture.md, and what each shows.

import CLinux
import CVionet
import Testing

@testable import VioNet

@Suite struct PhaseTests {
  static let all: [(name: String, phase: Phase)] = [
    ("probing", .probing), ("probed", .probed), ("initialised", .initialised), ("running", .running),
    ("waiting", .waiting), ("stopped", .stopped), ("quarantined", .quarantined(isInitialised: true)),
    ("quarantined", .quarantined(isInitialised: false)),
  ]

  /// The lines of docs/architecture.md under the heading "A port's phases".
  private func chapter() throws -> [Substring] {
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let file = unsafe sys_open("/\(root)/docs/architecture.md", O_RDONLY, 0)
    try #require(file >= 0)
    defer { _ = sys_close(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 17)
    let count = unsafe bytes.withUnsafeMutableBytes { room in
      unsafe sys_read(file, room.baseAddress.unsafelyUnwrapped, room.count)
    }
    let lines = String(decoding: bytes.prefix(max(0, Int(count))), as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false)
    let begin = try #require(lines.firstIndex(of: "## A port's phases")) + 1
    return Array(lines[begin...].prefix { !$0.hasPrefix("## ") })
  }

  /// The rows of the table whose first column has this title.
  private func table(_ title: String) throws -> [[String]] {
    let lines = try chapter()
    let begin = try #require(lines.firstIndex { $0.hasPrefix("| \(title) |") })
    return lines[(begin + 2)...].prefix { $0.hasPrefix("|") }.map { line in
      line.split(separator: "|").map { cell in String(cell.dropFirst().dropLast()) }
    }
  }

  private func edgesOfTheDocument() throws -> Set<String> {
    var edges: Set<String> = []
    for row in try table("from") {
      let from =
        row[0] == "any but probing"
        ? Self.all.map(\.name).filter { $0 != "probing" && $0 != "quarantined" } : words(row[0])
      // "stopped, or probed if the port was not initialised" names two.
      let to = Self.all.map(\.name).filter { name in words(row[1].split(separator: " if")[0]).contains(name) }
      for a in from { for b in to { edges.insert("\(a) to \(b)") } }
    }
    return edges
  }

  private func words(_ text: some StringProtocol) -> [String] {
    String(text).split(whereSeparator: { $0 == " " || $0 == "," }).map { String($0) }
  }

  @Test func edgesAreThoseOfTheDocument() throws {
    var edges: Set<String> = []
    for from in Self.all {
      for to in Self.all where from.name != to.name && from.phase.leads(to: to.phase) {
        edges.insert("\(from.name) to \(to.name)")
      }
    }
    let documented = try edgesOfTheDocument()
    #expect(documented.count >= 16)
    #expect(edges == documented)
  }

  @Test func aQuarantineEndsWhereThePortWas() {
    #expect(Phase.quarantined(isInitialised: true).leads(to: .stopped))
    #expect(!Phase.quarantined(isInitialised: true).leads(to: .probed))
    #expect(Phase.quarantined(isInitialised: false).leads(to: .probed))
    #expect(!Phase.quarantined(isInitialised: false).leads(to: .stopped))
    #expect(!Phase.quarantined(isInitialised: true).leads(to: .running))
  }

  @Test func phasesShowTheStateOfTheDocument() throws {
    let names: [String: UInt32] = [
      "0": 0, "`ATTACHED`": VIONET_STATE_ATTACHED.rawValue, "`INITIALISED`": VIONET_STATE_INITIALISED.rawValue,
      "`STARTED`": VIONET_STATE_STARTED.rawValue, "`WAITING`": VIONET_STATE_WAITING.rawValue,
      "`STOPPED`": VIONET_STATE_STOPPED.rawValue, "`BROKEN`": VIONET_STATE_BROKEN.rawValue,
    ]
    let rows = try table("phase")
    #expect(rows.count == 7)
    for (name, phase) in Self.all {
      let row = try #require(rows.first { $0[0] == name })
      #expect(phase.shown(isBroken: false).rawValue == names[row[2]])
      let broken = phase == .waiting ? VIONET_STATE_WAITING : VIONET_STATE_BROKEN
      #expect(phase.shown(isBroken: true) == broken)
    }
  }

  @Test func onlyPhasesBehindInitAreInitialised() {
    let initialised = Self.all.filter(\.phase.isInitialised).map(\.name)
    #expect(initialised == ["initialised", "running", "waiting", "stopped", "quarantined"])
    #expect(Self.all.filter(\.phase.isStarted).map(\.name) == ["running", "waiting"])
  }
}
